"""Test cases of operations along axes of a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from foldnet.graph.op import Op, Row
from foldnet.operations.along.op import CumulativeSum, Glu, GroupMoments, Moments, Reduce, Softmax, Sparsemax
from foldnet.operations.cases import Case, rows

_AXES: list[tuple[Row, int]] = [
    ((6,), 1), ((1,), 1), ((4, 5), 1), ((4, 5), 2), ((3, 4, 5), 2), ((70,), 1), ((5, 90), 1), ((16,), 1), ((19, 2), 1),
]  # fmt: skip
_HALVES: list[tuple[Row, int]] = [((6,), 1), ((6, 2), 1), ((4, 6), 1), ((4, 6), 2), ((2, 4, 3), 2)]
_MOMENTS: list[tuple[Row, tuple[int, ...]]] = [
    ((7,), (1,)), ((4, 5), (2,)), ((4, 5), (1,)), ((3, 4), (1, 2)), ((3, 4, 5), (1, 3)), ((2, 3, 4, 2), (2, 3, 4)),
    ((16,), (1,)), ((2, 21), (2,)), ((37, 2), (1,)), ((3, 18), (1, 2)),
]  # fmt: skip
_GROUPS: list[tuple[Row, int, int]] = [
    ((6,), 1, 3), ((4, 6), 2, 2), ((4, 6), 2, 3), ((6, 4), 1, 6), ((4, 3), 1, 2), ((2, 3, 8), 3, 4), ((2, 3, 8), 3, 1),
    ((3, 2, 4), 3, 2),
]  # fmt: skip


def _name(shape: Row, *rest: int | tuple[int, ...]) -> str:
    """The shape and the settings: ``4x5-2``."""
    settings = ("and".join(map(str, r)) if isinstance(r, tuple) else str(r) for r in rest)
    return "-".join(["x".join(map(str, shape)), *settings])


RULES: Mapping[type[Op], Sequence[Case]] = {
    Softmax: [
        *(Case(_name(shape, axis), Softmax(axis), (rows(*shape),)) for shape, axis in _AXES),
        *(Case(f"log-{_name(shape, axis)}", Softmax(axis, log=True), (rows(*shape),)) for shape, axis in _AXES),
    ],
    Sparsemax: [
        Case(_name(shape, axis), Sparsemax(axis), (rows(*shape),)) for shape, axis in [*_AXES, ((5, 2), 1)]
    ],
    Glu: [Case(_name(shape, axis), Glu(axis), (rows(*shape),)) for shape, axis in _HALVES],
    Moments: [
        *(
            Case(f"{kind}-{_name(shape, axes)}", Moments(axes, 1e-3, kind), (rows(*shape),))
            for shape, axes in _MOMENTS
            for kind in ("standard", "rms", "l2", "variance")
        ),
        Case("l2-tiny-epsilon", Moments((1,), 1e-12, "l2"), (rows(6),)),
    ],
    GroupMoments: [
        Case(_name(shape, axis, groups), GroupMoments(axis, groups, 1e-3), (rows(*shape),))
        for shape, axis, groups in _GROUPS
    ],
    Reduce: [
        *(
            Case(f"{kind}-{_name((3, 4, 5), axes)}{end}", Reduce(kind, axes, keepdims), (rows(3, 4, 5),))
            for kind in ("sum", "mean", "max", "min")
            for axes in ((1,), (2,), (1, 3), (1, 2, 3))
            for keepdims, end in ((False, ""), (True, "-keepdims"))
        ),
        *(
            Case(f"{kind}-matrix-keepdims", Reduce(kind, (2,), True), (rows(3, 4),))
            for kind in ("sum", "mean", "max", "min", "argmax")
        ),
        *(
            Case(f"{kind}-long-{_name(shape, axes)}", Reduce(kind, axes), (rows(*shape),))
            for kind in ("sum", "mean")
            for shape, axes in (((23,), (1,)), ((41, 3), (1,)), ((3, 24), (1, 2)))
        ),
        Case("mean-free", Reduce("mean", (1,)), (rows(None, 3),)),
        Case("mean-two-axes-keepdims", Reduce("mean", (1, 2), True), (rows(4, 6),)),
        Case("max-two-axes", Reduce("max", (1, 2)), (rows(3, 4),)),
        Case("argmax-matrix", Reduce("argmax", (2,)), (rows(3, 4),)),
        Case("argmax", Reduce("argmax", (2,)), (rows(3, 4, 5),)),
    ],
    CumulativeSum: [
        *(Case(f"reverse-{axis}", CumulativeSum(axis, reverse=True), (rows(3, 4, 2),)) for axis in (1, 2)),
        *(
            Case(_name(shape, axis), CumulativeSum(axis), (rows(*shape),))
            for shape, axis in [((3, 4), 1), ((3, 4), 2), ((3, 4, 2), 2)]
        ),
    ],
}  # fmt: skip
