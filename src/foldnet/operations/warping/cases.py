"""Test cases of images whose positions are mapped, some of them far beyond the borders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import get_args

from foldnet.graph.op import Op
from foldnet.operations.cases import Case, rows
from foldnet.operations.warping.op import MAP, FillMode, MapImage, PickMode

_FILLS: tuple[FillMode, ...] = get_args(FillMode)
_PICKS: tuple[PickMode, ...] = get_args(PickMode)


def _case(name: str, op: MapImage, *shape: int) -> Case:
    return Case(name, op, (rows(*shape), rows(MAP, between=(-0.25, 0.25))))


RULES: Mapping[type[Op], Sequence[Case]] = {
    MapImage: [
        *(
            _case(f"{pick}-{fill}", MapImage(pick, fill, 1.5), 4, 3, 2)
            for pick, fill in product(_PICKS, _FILLS)
        ),
        *(
            _case(f"{fill}-first-corner", MapImage("bilinear", fill, -0.5, True, "corner"), 2, 3, 2)
            for fill in _FILLS
        ),
        *(
            Case(f"{pick}-by-position{'-first' * first}", op, (rows(*shape), rows(*size, 2, between=(-9, 9))))
            for pick, first in product(_PICKS, (False, True))
            for op in [MapImage(pick, "reflect", 0.0, first, by_position=True)]
            for shape, size in [((2, 4, 3) if first else (4, 3, 2), (4, 3))]
        ),
        _case("one-row", MapImage(), 1, 5, 3),
        _case("one-column", MapImage(fill_mode="wrap"), 5, 1, 1),
    ],
}
