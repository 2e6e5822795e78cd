"""Elementwise functions as NumPy source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foldnet.codegen.literals import plain_float
from foldnet.errors import UnsupportedError
from foldnet.graph.op import Elementwise, Op
from foldnet.operations.elementwise.functions import BINARY, WHERE, filled, of, parameters
from foldnet.operations.elementwise.op import Binary, Unary, Where
from foldnet.operations.texts import Operands, Text, applied


def activated(function: Elementwise | None, x: str, o: Operands) -> str:
    """A function of the expression ``x``; None is linear.

    Raises:
        UnsupportedError: the function was supplied by the caller.
    """
    if function is None:
        return x
    if function.function is not None:
        raise UnsupportedError(
            f"layer {o.layer!r}: the activation {function.name!r} is a Python function of your own, which "
            "cannot be written into a file. Supply it as functools.partial of one of foldnet.activations, or "
            "export the network without it and apply it to the result."
        )
    return o.calls(filled(of(function).text, parameters(function), _shortest)).format(x)


def _shortest(parameter: float) -> str:
    """The shortest decimal that is the same float32: 0.3, not 0.30000001192092896."""
    return plain_float(float(str(np.float32(parameter))))


def _unary(op: Unary, o: Operands) -> str:
    return activated(op.function, o.texts[0], o)


def _binary(op: Binary, o: Operands) -> str:
    return o.calls(filled(BINARY[op.kind].text, {}, plain_float)).format(*o.texts)


SIGNS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "equal": "==", "not_equal": "!=",
    "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "logical_and": "and", "logical_or": "or",
}  # fmt: skip
"""Python's operators for functions of two values."""


def _unary_formula(op: Unary, operands: Sequence[str]) -> str:
    return applied(op.function, operands[0])


def _binary_formula(op: Binary, operands: Sequence[str]) -> str:
    if op.kind in ("add", "subtract", "multiply"):
        return f" {SIGNS[op.kind]} ".join(operands)
    return f"{op.kind}({', '.join(operands)})"


def _where(op: Where, o: Operands) -> str:
    return filled(WHERE.text, {}, plain_float).format(*o.texts)


RULES: dict[type[Op], Text] = {
    Unary: Text(_unary, nests=True, formula=_unary_formula),
    Binary: Text(_binary, roles=("number", "other"), spread=True, formula=_binary_formula),
    Where: Text(_where, "choose", ("counts", "number", "other")),
}
