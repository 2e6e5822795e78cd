"""Test cases of operations of training programs, with different statistics for each channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import get_args

from foldnet.graph.op import Op, Row
from foldnet.operations.batch.op import BatchNorm, BatchReduce, BatchRenorm, Drop, DropKind, FixedNorm
from foldnet.operations.cases import Case, Drawn, Rows, drawn, rows

_FLAGS = {
    "": (True, True),
    "-no-scale": (False, True),
    "-no-center": (True, False),
    "-plain": (False, False),
}
_KEPT: dict[str, tuple[Row, Row]] = {
    "vector": ((5,), (5,)),
    "last-axis": ((2, 3, 4), (1, 1, 4)),
    "first-axis": ((2, 3, 4), (2, 1, 1)),
    "middle-axis": ((2, 3, 4), (1, 3, 1)),
    "two-axes": ((2, 3, 4), (1, 3, 4)),
    "all-axes": ((2, 3, 4), (2, 3, 4)),
    "no-axis": ((2, 3, 4), (1, 1, 1)),
}
"""By name: the shape of a row and of the statistics, which have size 1 on the axes that they are taken over."""
_LIMITS: dict[str, tuple[float | None, float | None, float | None]] = {
    "free": (None, None, None),
    "limits": (0.7, 1.2, 0.4),
    "least": (1.3, None, 0.0),
    "most": (None, 0.6, None),
}
"""By name: the least and the largest factor, and the largest addend, of renormalization."""
_DROPS: tuple[DropKind, ...] = get_args(DropKind)
_SHARED: dict[str, tuple[Row, tuple[bool, ...]]] = {
    "vector": ((5,), ()),
    "rank-4": ((2, 3, 4), ()),
    "shared-axis": ((2, 3, 4), (False, False, True, False)),
    "shared-rows": ((2, 3, 3), (True, False, False, True)),
}
"""By name: the shape of a row and the axes that share one random number."""


def _statistics(kept: Row, count: int, scale: bool, center: bool) -> list[Drawn]:
    """Moving statistics (positive, as variances must be), then gamma and beta."""
    moving = [drawn(*kept, between=(0.3, 2.5))] * count
    return moving + [drawn(*kept, between=(0.3, 2.0))] * scale + [drawn(*kept)] * center


def _mask(*shape: int) -> Rows:
    """0 and 1."""
    return Rows(shape, between=(0, 1), decimals=0)


def _batch_norm(name: str, x: Row, kept: Row, scale: bool, center: bool, *mask: Rows) -> Case:
    op = BatchNorm(0.8, 0.02, scale, center, masked=bool(mask))
    return Case(name, op, (rows(*x), *_statistics(kept, 2, scale, center), *mask))


def _renorm(name: str, limits: str, x: Row, kept: Row, scale: bool, center: bool, *mask: Rows) -> Case:
    op = BatchRenorm(0.8, 0.02, 0.7, *_LIMITS[limits], scale=scale, center=center, masked=bool(mask))
    return Case(name, op, (rows(*x), *_statistics(kept, 5, scale, center), *mask))


RULES: Mapping[type[Op], Sequence[Case]] = {
    BatchNorm: [
        *(
            _batch_norm(f"{name}{end}", x, kept, *flags)
            for name, (x, kept) in _KEPT.items()
            for end, flags in _FLAGS.items()
            if not end or name in ("vector", "middle-axis")
        ),
        *(
            _batch_norm(f"{name}-masked", x, kept, True, True, _mask(*x[:-1]))
            for name, (x, kept) in _KEPT.items()
        ),
        _batch_norm("spread-mask", (2, 3, 4), (1, 1, 4), False, False, _mask(1, 3)),
    ],
    BatchRenorm: [
        *(
            _renorm(f"{name}-{limits}", limits, x, kept, True, True)
            for name, (x, kept) in _KEPT.items()
            for limits in _LIMITS
            if limits == "limits" or name in ("vector", "last-axis")
        ),
        *(
            _renorm(f"first-axis{end}", "limits", *_KEPT["first-axis"], *flags)
            for end, flags in _FLAGS.items()
            if end
        ),
        *(
            _renorm(f"{name}-masked", "limits", x, kept, True, True, _mask(*x[:-1]))
            for name, (x, kept) in _KEPT.items()
        ),
    ],
    FixedNorm: [
        Case(f"{name}{end}", FixedNorm(0.02, *flags), (rows(*x), *_statistics(kept, 2, *flags)))
        for name, (x, kept) in _KEPT.items()
        for end, flags in _FLAGS.items()
        if not end or name in ("vector", "first-axis")
    ],
    Drop: [
        *(
            Case(f"{kind}-{name}", Drop(0.3, kind, stream, shared), (rows(*shape),))
            for stream, (kind, (name, (shape, shared))) in enumerate(product(_DROPS, _SHARED.items()))
        ),
        Case("everything", Drop(1.0, "dropout", 99), (rows(3),)),
        Case("nothing", Drop(0.0, "dropout", 98), (rows(3),)),
    ],
    BatchReduce: [
        Case(f"{kind}-{name}", BatchReduce(kind), (rows(*shape),))
        for kind in ("sum", "mean")
        for name, shape in {"number": (), "vector": (4,), "rank-4": (2, 3, 4)}.items()
    ],
}
