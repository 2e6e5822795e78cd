"""Test cases of pooling: kinds, paddings, strides, axes of either data format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from foldnet.graph.op import Op, Shape
from foldnet.operations.cases import Case, Rows
from foldnet.operations.windows.op import Padding, Pool, PoolKind

Form = tuple[str, Shape, tuple[int, ...], tuple[int, ...], tuple[int, ...], Padding]

FORMS: list[Form] = [
    ("1d", (7, 3), (1,), (2,), (2,), "valid"),
    ("1d-same", (7, 3), (1,), (3,), (2,), "same"),
    ("1d-overlapping", (6, 2), (1,), (3,), (1,), "valid"),
    ("1d-apart", (8, 2), (1,), (2,), (3,), "same"),
    ("1d-channels-first", (3, 7), (2,), (2,), (2,), "valid"),
    ("2d", (5, 6, 2), (1, 2), (2, 3), (2, 1), "valid"),
    ("2d-same", (5, 4, 3), (1, 2), (3, 2), (2, 2), "same"),
    ("2d-channels-first", (2, 5, 4), (2, 3), (2, 2), (2, 2), "same"),
    ("3d", (4, 3, 4, 2), (1, 2, 3), (2, 2, 2), (2, 1, 2), "valid"),
    ("3d-same", (3, 4, 3, 2), (1, 2, 3), (2, 3, 2), (2, 2, 2), "same"),
    ("free", (None, 3), (1,), (2,), (2,), "valid"),
]


def _cases(kind: PoolKind) -> Iterator[Case]:
    for name, shape, axes, sizes, strides, padding in FORMS:
        yield Case(f"{kind}-{name}", Pool(kind, axes, sizes, strides, padding), (Rows(shape),))
        if kind == "max":  # with ties
            yield Case(f"ties-{name}", Pool(kind, axes, sizes, strides, padding), (Rows(shape, decimals=0),))


RULES: dict[type[Op], Sequence[Case]] = {Pool: (*_cases("max"), *_cases("average"))}
