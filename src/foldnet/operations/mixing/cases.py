"""Test cases of images that take something from the others of their batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from foldnet.graph.op import Op
from foldnet.operations.cases import Case, Rows, rows
from foldnet.operations.mixing.op import Equalize, Shuffle

RULES: Mapping[type[Op], Sequence[Case]] = {
    Equalize: [
        Case("last", Equalize(3), (rows(4, 3, 2, between=(-20, 280)),)),
        Case("first", Equalize(1), (rows(2, 3, 4, between=(60, 90)),)),
        Case("one-level", Equalize(3), (Rows((2, 3, 2), between=(7.25, 7.75), decimals=2),)),
    ],
    Shuffle: [
        Case(f"rank-{len(shape) + 1}", Shuffle(stream), (rows(*shape),))
        for stream, shape in enumerate([(5,), (2, 3, 4)])
    ],
}
