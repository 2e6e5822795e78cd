"""Test cases of operations that move values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from foldnet.graph.op import FLOAT, INT, Op
from foldnet.operations.cases import INDICES, Case, drawn, indices, rows
from foldnet.operations.structure.op import (
    Cast,
    Concatenate,
    Gather,
    Identity,
    OneHot,
    Part,
    Pick,
    Repeat,
    Reshape,
    Slice,
    Stretch,
    Transpose,
    like,
)

_WHOLE = (None, None, 1)

RULES: Mapping[type[Op], Sequence[Case]] = {
    Reshape: [
        Case("known", Reshape((3, -1)), (rows(2, 6),)),
        Case("first-axis", Reshape((-1, 2)), (rows(4, 6),)),
        Case("free-axis", Reshape((-1, 2)), (rows(None, 6),)),
        Case("flatten-free-axis", Reshape((-1,)), (rows(None, 6),)),
        Case("two-free-axes", Reshape((like(1), 1, like(2), 3)), (rows(None, None, 3),)),
        Case("free-axis-kept", Reshape((like(2), 3)), (rows(1, None, 3),)),
        Case("free-axes-and-what-is-left", Reshape((like(2), -1, 2)), (rows(None, None, 6),)),
        Case("int", Reshape((3, 1)), (indices(3),)),
    ],
    Transpose: [
        Case("rank-3", Transpose((0, 2, 1)), (rows(3, 4),)),
        Case("rank-4", Transpose((0, 3, 1, 2)), (rows(2, 3, 4),)),
        Case("rank-5", Transpose((0, 4, 2, 1, 3)), (rows(2, 3, 4, 5),)),
    ],
    Repeat: [
        Case("3", Repeat(3), (rows(4),)),
        Case("4", Repeat(4), (rows(5),)),
        Case("int", Repeat(3), (indices(3),)),
    ],
    Concatenate: [
        Case("vectors", Concatenate(1), (rows(3), rows(1), rows(4))),
        Case("matrices", Concatenate(2), (rows(2, 3), rows(2, 5))),
        Case("three-matrices", Concatenate(2), (rows(3, 4), rows(3, 2), rows(3, 1))),
        Case("first-axis", Concatenate(1), (rows(4, 6), rows(4, 6))),
        Case("middle-axis", Concatenate(2), (rows(2, 3, 4), rows(2, 1, 4))),
        Case("int", Concatenate(1), (indices(2), indices(3))),
    ],
    Gather: [
        Case("vector", Gather(), (indices(3), drawn(INDICES, 4))),
        Case("narrow", Gather(), (indices(3), drawn(INDICES, 2))),
        Case("rank-3", Gather(), (indices(2, 3), drawn(INDICES, 1))),
    ],
    Cast: [
        Case("to-int", Cast(INT), (rows(3),)),
        Case("to-int-4", Cast(INT), (rows(4),)),
        Case("to-float", Cast(FLOAT), (indices(3),)),
        Case("to-float-4", Cast(FLOAT), (indices(4),)),
        Case("nothing", Cast(FLOAT), (rows(4),)),
    ],
    Identity: [Case("vector", Identity(), (rows(3),)), Case("matrix", Identity(), (rows(3, 2),))],
    OneHot: [
        Case("3", OneHot(3), (indices(3),)),
        Case("4", OneHot(4), (indices(3),)),
        Case("matrix", OneHot(5), (indices(3, 2),)),
        Case("1", OneHot(1), (indices(3),)),
    ],
    Slice: [
        Case("rows", Slice(((1, 3, 1), _WHOLE)), (rows(3, 4),)),
        Case("backwards", Slice((_WHOLE, (None, None, -1))), (rows(3, 4),)),
        Case("steps", Slice(((-1, None, -2), (0, 4, 3))), (rows(3, 4),)),
        Case("open", Slice(((1, None, 1), (None, None, -2))), (rows(3, 4),)),
        Case("last-axis", Slice((_WHOLE, (4, None, -2))), (rows(4, 6),)),
        Case("int", Slice(((1, 3, 1),)), (indices(4),)),
    ],
    Stretch: [
        Case("one-axis", Stretch((2, 1)), (rows(3, 4),)),
        Case("two-axes", Stretch((2, 3, 1)), (rows(2, 3, 2),)),
        Case("all-axes", Stretch((2, 1, 3, 2)), (rows(2, 3, 1, 2),)),
        Case("free", Stretch((3, 1)), (rows(None, 2),)),
        Case("int", Stretch((2,)), (indices(4),)),
    ],
    Pick: [
        Case("first-axis", Pick(1, (0, 2, 2, 1)), (rows(3, 4),)),
        Case("first-axis-again", Pick(1, (2, 0, 0)), (rows(3, 4),)),
        Case("last-axis", Pick(2, (0, 5, 5)), (rows(4, 6),)),
        Case("middle-axis", Pick(2, (3, 0)), (rows(3, 4, 2),)),
        Case("one-place", Pick(1, (2,)), (rows(3, 4),)),
    ],
    Part: [
        Case("row", Part((1, 0), (2, 5), (5,)), (drawn(3, 5),)),
        Case("columns", Part((0, 2), (4, 5), (4, 3)), (drawn(4, 7),)),
        Case("inside", Part((1, 0, 1), (3, 1, 3), (2, 2)), (drawn(3, 2, 4),)),
        Case("whole", Part((0, 0), (3, 2), (1, 3, 1, 2)), (drawn(3, 2),)),
    ],
}
