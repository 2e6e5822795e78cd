"""Test cases of sums of products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from foldnet.graph.op import Elementwise, Op
from foldnet.operations.cases import Case, drawn, rows
from foldnet.operations.elementwise.cases import ACTIVATIONS
from foldnet.operations.matrix.op import Dense, Dot, Product, TurnedDense

_ELU = Elementwise("elu", (("alpha", 0.7),))
_RELU = Elementwise("relu", (("negative_slope", 0.0), ("max_value", inf), ("threshold", 0.0)))
_USUAL = {function.name: function for function in reversed(ACTIVATIONS)}
"""Every activation with its usual settings, which come first in the list."""
_SIZES = [
    (1, 1), (3, 2), (4, 3), (5, 3), (11, 10), (7, 17), (30, 65), (300, 150), (600, 4), (16, 64), (9, 130),
]  # fmt: skip
"""Inputs and units: below, at and above a vector's width, a tile's and a panel's."""


def _dense(
    name: str, inputs: int, units: int, *before: int, activation: Elementwise | None = None, bias: bool = True
) -> Case:
    kernel = drawn(inputs, units, scale=inputs**-0.5)
    weights = (kernel, drawn(units)) if bias else (kernel,)
    return Case(name, Dense(activation), (rows(*before, inputs), *weights))


RULES: Mapping[type[Op], Sequence[Case]] = {
    Dense: [
        *(_dense(f"{i}-{u}", i, u) for i, u in _SIZES),
        *(_dense(f"{i}-{u}-no-bias", i, u, bias=False) for i, u in [(4, 3), (5, 3), (300, 150)]),
        *(_dense(f"{i}-{u}-fused", i, u, activation=_ELU) for i, u in [(5, 3), (300, 150)]),
        _dense("relu", 4, 3, activation=_RELU),
        _dense("rank-3", 6, 5, 4, activation=_RELU),
        _dense("rank-3-beyond", 3, 9, 7),  # whole vectors at the last position end where other values may lie
        _dense("rank-4", 7, 19, 2, 3),
        _dense("rank-3-tiles", 300, 70, 14),
        _dense("rank-3-tiles-no-bias", 7, 37, 3, bias=False),
        _dense("rank-4-narrow", 4, 3, 2, 3),
        *(_dense(f"fused-{name}", 6, 5, activation=function) for name, function in _USUAL.items()),
        _dense("fused-no-bias", 6, 2, 4, activation=Elementwise("tanh"), bias=False),
    ],
    TurnedDense: [
        Case("6-3", TurnedDense(), (rows(6), drawn(3, 6))),
        Case("30-70", TurnedDense(), (rows(30), drawn(70, 30, scale=0.2))),
        Case("rank-4", TurnedDense(), (rows(2, 3, 4), drawn(70, 4))),
    ],
    Dot: [
        Case("vectors", Dot((1, 1)), (rows(5), rows(5))),
        Case("matrices", Dot((2, 1)), (rows(3, 4), rows(4, 2))),
        Case("matrices-first-axis", Dot((1, 2)), (rows(3, 4), rows(5, 3))),
        Case("matrix-and-vector", Dot((2, 1)), (rows(2, 3, 4), rows(3))),
        Case("rank-4", Dot((1, 2)), (rows(4, 3, 2), rows(5, 4))),
        Case("by-kernels", Dot((2, 1)), (rows(13, 4), rows(4, 37))),
        Case("by-kernels-turned", Dot((1, 2)), (rows(4, 14), rows(37, 4))),
        Case("all-last-axes", Dot((2, 2)), (rows(4, 6), rows(4, 6))),
    ],
    Product: [
        Case("ij-kj-ik", Product("ij", "kj", "ik"), (rows(3, 4), rows(5, 4))),
        Case("ij-ij-j", Product("ij", "ij", "j"), (rows(3, 4), rows(3, 4))),
        Case("scores-of-heads", Product("thc", "shc", "hts"), (rows(14, 2, 4), rows(19, 2, 4))),
        Case("heads-of-scores", Product("hts", "shc", "thc"), (rows(2, 14, 4), rows(4, 2, 12))),
        Case("first-has-columns", Product("kn", "mk", "mn"), (rows(5, 6), rows(4, 5))),
        Case("one-row-of-columns", Product("k", "nk", "n"), (rows(5), rows(6, 5))),
        Case("ij-k-kji", Product("ij", "k", "kji"), (rows(2, 3), rows(4))),
        Case("i-j-", Product("i", "j", ""), (rows(2), rows(3))),
        Case("weights", Product("ij", "jk", "ki"), (rows(3, 4), drawn(4, 2))),
        Case("weights-first", Product("jk", "ijk", "ij"), (drawn(3, 4), rows(2, 3, 4))),
    ],
}
