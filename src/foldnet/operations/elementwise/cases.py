"""Test cases of elementwise functions: every function, with its usual settings and with others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

import numpy as np

from foldnet.graph.op import Elementwise, Op, Row
from foldnet.operations.cases import Case, Drawn, Operand, drawn, rows
from foldnet.operations.elementwise import functions
from foldnet.operations.elementwise.op import Binary, Unary, Where

SETTINGS: Mapping[str, Sequence[tuple[float, ...]]] = {
    "celu": [(1.0,), (0.3,), (0.4,)],
    "elu": [(1.0,), (0.3,), (0.4,)],
    "gelu": [(0.0,), (1.0,)],
    "hard_shrink": [(0.5,), (0.2,)],
    "leaky_relu": [(0.2,), (0.3,)],
    "relu": [
        (0.0, inf, 0.0), (0.0, 6.0, 0.0), (0.0, inf, 1.0), (0.1, inf, 0.0),
        (0.1, 1.5, 0.25), (0.0, 2.0, 0.5), (0.1, 2.0, 0.5),
    ],
    "soft_shrink": [(0.5,), (0.2,)],
    "squareplus": [(4.0,), (2.0,)],
    "threshold": [(0.25, -2.0), (0.7, -2.0)],
    "thresholded_relu": [(1.0,), (0.3,)],
}  # fmt: skip
"""For each activation that has parameters, their values in the order of its record, the usual ones first."""

ACTIVATIONS = [
    Elementwise(name, tuple(zip(record.parameters, values, strict=True)))
    for name, record in functions.ACTIVATIONS.items()
    for values in SETTINGS.get(name, [()])
]
"""Every activation, with all its settings here."""


def settings_of(function: Elementwise) -> str:
    """Name and parameters of a function: ``relu-0.1-1.5-0.25``."""
    return "-".join([function.name, *(f"{value:g}" for _, value in function.params)])


_SPREAD: dict[str, tuple[Row, Row]] = {
    "vector": ((5,), (5,)),
    "vector-1": ((5,), (1,)),
    "matrix": ((3, 4), (1, 4)),
    "middle-axis": ((3, 4), (3, 1)),
    "rank-4": ((2, 3, 4), (1, 1, 4)),
    "rank-5": ((2, 3, 2, 3), (1, 3, 1, 3)),
}
"""By name: the shape of a row and of a weight that is broadcast over it."""
_OF_TWO = [kind for kind in functions.BINARY if kind != "prelu"]
_KEY = ("add", "subtract", "multiply", "maximum", "minimum")
_POSITIVE = (0.2, 4.0)


def _binary(name: str, kind: str, *operands: Operand, activation: Elementwise | None = None) -> Case:
    return Case(name, Binary(activation, kind), operands)


RULES: Mapping[type[Op], Sequence[Case]] = {
    Unary: [
        *(Case(settings_of(f), Unary(f), (rows(37),)) for f in ACTIVATIONS),
        *(Case(kind, Unary(Elementwise(kind)), (rows(3, 4),)) for kind in (*functions.EXPRESSIONS, *functions.SLOPES)),
        *(
            Case(f"{kind}-inside", Unary(Elementwise(kind)), (rows(3, 4, between=between),))
            for kind, between in {
                "sqrt": _POSITIVE, "rsqrt": _POSITIVE, "log": _POSITIVE, "log2": _POSITIVE, "log10": _POSITIVE,
                "log1p": (-0.8, 4.0), "arcsin": (-0.95, 0.95), "arccos": (-0.95, 0.95), "arctanh": (-0.95, 0.95),
                "arccosh": (1.05, 4.0),
            }.items()
        ),
    ],
    Binary: [
        *(_binary(f"{kind}-vectors", kind, rows(5), rows(5)) for kind in _KEY),
        *(_binary(f"{kind}-matrices", kind, rows(3, 4), rows(3, 4)) for kind in _KEY),
        *(_binary(f"{kind}-spread", kind, rows(3, 1, 4), rows(1, 2, 4)) for kind in functions.BINARY),
        *(_binary(f"{kind}-spread-matrix", kind, rows(3, 4), rows(1, 4)) for kind in _OF_TWO),
        *(
            # Rounded, so that comparisons get equal values and 0. No power of a negative number.
            _binary(
                f"{kind}-weights", kind, rows(3, 4, between=_POSITIVE if kind == "power" else None),
                Drawn((1, 4), decimals=1),
            )
            for kind in _OF_TWO
        ),
        _binary("not_equal-number", "not_equal", rows(3, 4), np.array(0.5)),
        _binary("power-of-number", "power", np.array(2.0), rows(4, 6)),
        _binary("add-fused", "add", rows(3, 4), rows(3, 4), activation=Elementwise("elu", (("alpha", 0.7),))),
        _binary("add-spread-fused", "add", rows(3, 1), rows(3, 4), activation=Elementwise("sigmoid")),
        *(
            _binary(f"prelu-{name}", "prelu", rows(*shape), drawn(*weight))
            for name, (shape, weight) in _SPREAD.items()
        ),
    ],
    Where: [
        Case("spread", Where(), (rows(3, 1), rows(3, 4), rows(1, 4))),
        Case("least-number", Where(), (rows(3, 1), rows(3, 4), np.array(-1e9))),
        Case("number", Where(), (rows(3, 1), rows(3, 4), np.array(0.25))),
        Case("none", Where(), (rows(4, 6), rows(4, 6), np.array(0.0))),
    ],
}  # fmt: skip
