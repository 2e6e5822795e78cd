"""Test cases of images whose positions are mapped: far beyond the borders, and along each axis by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import get_args

from foldnet.graph.op import Op
from foldnet.operations.cases import Case, rows
from foldnet.operations.warping.op import FillMode, MapImage, PickMode

_FILLS: tuple[FillMode, ...] = get_args(FillMode)
_PICKS: tuple[PickMode, ...] = get_args(PickMode)


def _case(name: str, op: MapImage, *shape: int) -> Case:
    return Case(name, op, (rows(*shape), rows(6, between=(-1.4, 1.4))))


RULES: Mapping[type[Op], Sequence[Case]] = {
    MapImage: [
        *(
            _case(f"{pick}-{fill}", MapImage(pick, fill, 1.5), 4, 3, 2)
            for pick, fill in product(_PICKS, _FILLS)
        ),
        *(
            _case(f"{fill}-first-corner", MapImage("bilinear", fill, -0.5, True, "corner"), 2, 3, 5)
            for fill in _FILLS
        ),
        _case("one-row", MapImage(), 1, 5, 3),
        _case("one-column", MapImage(fill_mode="wrap"), 5, 1, 1),
    ],
}
