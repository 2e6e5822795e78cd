"""Test cases of axes that get another length: more positions, fewer, as many, one, free axes, both orders of axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from foldnet.graph.op import Op
from foldnet.operations.cases import Case, Rows, indices, rows
from foldnet.operations.resampling.op import REACH, AdaptiveMax, CutToShape, Mix, Nearest, PadToShape

WINDOWS = [("even", 3, 6), ("uneven", 3, 5), ("more", 5, 3), ("one", 1, 4), ("free", 2, None)]
"""Names, how many windows, and of how many positions."""


def _mixes() -> Iterator[Case]:
    for kind in REACH:
        yield Case(f"{kind}-more", Mix(1, 7, kind), (rows(4, 3),))
        yield Case(f"{kind}-fewer", Mix(2, 3, kind), (rows(2, 7, 3),))
        yield Case(f"{kind}-antialias", Mix(1, 2, kind, antialias=True), (rows(7, 2, 3),))
        yield Case(f"{kind}-times", Mix(1, 3, kind, relative=True), (rows(None, 2),))
    yield Case("as-many", Mix(2, 4, "lanczos3"), (rows(3, 4),))
    yield Case("same-place", Mix(1, 9, "bicubic"), (rows(3, 2),))
    yield Case("one", Mix(1, 1, "bicubic", antialias=True), (rows(5, 2),))
    yield Case("of-one", Mix(1, 4), (rows(1, 2),))
    yield Case("last-axis", Mix(3, 5), (rows(2, 1, 3),))
    yield Case("free", Mix(1, 3, antialias=True), (rows(None, 2),))
    yield Case("free-between", Mix(2, 4, "bicubic"), (rows(3, None, 2),))
    for name, count, n in WINDOWS:
        yield Case(f"mean-{name}", Mix(1, count, "mean"), (rows(n, 2),))
    yield Case("mean-channels-first", Mix(3, 2, "mean"), (rows(2, 3, 5),))


def _windows() -> Iterator[Case]:
    for name, count, n in WINDOWS:
        yield Case(name, AdaptiveMax(1, count), (rows(n, 2),))
        yield Case(f"ties-{name}", AdaptiveMax(1, count), (Rows((n, 3), decimals=0),))
    yield Case("channels-first", AdaptiveMax(3, 2), (rows(2, 3, 5),))


RULES: dict[type[Op], Sequence[Case]] = {
    Nearest: [
        Case("more", Nearest(1, 7), (rows(4, 3),)),
        Case("fewer", Nearest(2, 3), (rows(2, 7, 2),)),
        Case("as-many", Nearest(1, 4), (rows(4, 3),)),
        Case("one", Nearest(2, 1), (rows(2, 6),)),
        Case("free", Nearest(1, 4), (rows(None, 2),)),
        Case("indices", Nearest(2, 5), (indices(2, None),)),
    ],
    Mix: [*_mixes()],
    AdaptiveMax: [*_windows()],
    CutToShape: [
        Case("low", CutToShape((1, 2), (2, 5)), (rows(6, 4, 2),)),
        Case("narrow", CutToShape((1, 2), (5, 2)), (rows(4, 7, 2),)),
        Case("last-axes", CutToShape((2, 3), (3, 4)), (rows(2, 5, 5),)),
        Case("one", CutToShape((1, 2), (1, 9)), (rows(4, 5),)),
        Case("fits", CutToShape((1, 2), (2, 3), fitting=True), (rows(5, 4, 2),)),
        Case("too-low", CutToShape((1, 2), (6, 3), fitting=True), (rows(5, 4, 2),)),
        Case("too-narrow", CutToShape((1, 2), (3, 6), fitting=True), (rows(None, 4, 2),)),
        Case("free", CutToShape((1, 2), (4, 7), fitting=True), (rows(None, None, 2),)),
        Case("indices", CutToShape((1, 2), (2, 1)), (indices(3, None),)),
    ],
    PadToShape: [
        Case("low", PadToShape((1, 2), (5, 2)), (rows(3, 4, 2),)),
        Case("narrow", PadToShape((1, 2), (2, 5), -1.75), (rows(4, 3, 2),)),
        Case("last-axes", PadToShape((2, 3), (3, 7), 0.3), (rows(2, 3, 2),)),
        Case("nothing", PadToShape((1, 2), (2, 3), 1.5), (rows(4, 6),)),
        Case("free", PadToShape((1, 2), (7, 3), 2.5), (rows(None, 3),)),
    ],
}  # fmt: skip
