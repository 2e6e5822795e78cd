"""Test cases of random numbers, and of what differs between training and evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import get_args

from foldnet.graph.op import Op, Row
from foldnet.operations.cases import Case, rows
from foldnet.operations.chance.op import Choose, Distribution, Draw, InTraining

_KINDS: tuple[Distribution, ...] = get_args(Distribution)
_SHAPES: dict[str, Row] = {"number": (1, 1, 1), "odd": (5,), "quads": (2, 4)}

RULES: Mapping[type[Op], Sequence[Case]] = {
    Draw: [
        Case(f"{kind}-{name}{'-shared' * shared}", Draw(kind, shape, stream, shared), (rows(2, 3),))
        for stream, (kind, (name, shape), shared) in enumerate(
            product(_KINDS, _SHAPES.items(), (False, True))
        )
    ],
    Choose: [
        Case(
            f"{count}-{name}",
            Choose(),
            (rows(*(1,) * len(shape), between=(-1, count)), *(rows(*shape),) * count),
        )
        for count, (name, shape) in product((2, 4), _SHAPES.items())
    ],
    InTraining: [
        Case(f"rank-{len(shape) + 1}", InTraining(), (rows(*shape), rows(*shape)))
        for shape in [(5,), (2, 3, 4)]
    ],
}
