"""Expressions: symbolic values of a graph, and how ops emit nodes from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.op import FLOAT, INT, Elementwise, Op
from foldnet.operations.elementwise.op import Binary, Unary
from foldnet.operations.operators import Operators
from foldnet.operations.structure.op import Cast

Kind = Literal["bool", "int32", "float32"]
"""What Keras would call the dtype of an expression."""

COMPARES_WHOLE = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
"""Functions that may be applied to integer data; Keras rounds integer arithmetic to integers."""


class Expression(Operators):
    """A symbolic value of a graph, made by the functions of ``foldnet.ops`` and by Python's operators.

    Attributes:
        shape: batch axis (None) first; an expression without a batch axis is the same for all rows.
        dtype: Keras's dtype for it; truth values and whole numbers are computed as floats.
        in_network: whether it is a tensor between layers, for which Keras's rules hold exactly. In a loss or metric, a
            reduction over all axes keeps the batch axis.
    """

    def __init__(
        self, builder: GraphBuilder, value: str, dtype: Kind | None = None, in_network: bool = False
    ) -> None:
        self.builder = builder
        self.value = value
        self.dtype: Kind = dtype or ("int32" if builder.dtype(value) == INT else "float32")
        self.in_network = in_network

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Shape, batch axis first."""
        return self.builder.shape(self.value)

    @property
    def ndim(self) -> int:
        """Rank, batch axis counted."""
        return len(self.shape)

    @property
    def is_int(self) -> bool:
        """Whether the graph stores it as integers."""
        return self.builder.dtype(self.value) == INT

    def __repr__(self) -> str:
        return f"<Expression shape={self.shape}, dtype={self.dtype}>"


def first(operands: Sequence[object]) -> Expression | None:
    """The first operand that is an expression."""
    return next((o for o in operands if isinstance(o, Expression)), None)


def is_expression(*operands: object) -> bool:
    """Whether any of the operands is an expression."""
    return any(isinstance(o, Expression) for o in operands)


def kind_of(operand: object) -> Kind:
    """``"bool"``, ``"int32"`` or ``"float32"``."""
    if isinstance(operand, Expression):
        return operand.dtype
    match np.asarray(operand).dtype.kind:
        case "b":
            return "bool"
        case "i" | "u":
            return "int32"
        case _:
            return "float32"


def promoted(*operands: object) -> Kind:
    """Keras's dtype for the result of combining the operands."""
    kinds = {kind_of(o) for o in operands}
    order: tuple[Kind, ...] = ("float32", "int32", "bool")
    return next(k for k in order if k in kinds)


def named(like: Expression, operand: object, rank: int | None = None) -> str:
    """The name of the operand in the graph; a constant gets the axes of size 1 that broadcasting needs.

    Args:
        like: an expression of the same graph.
        operand: an expression, a number, or an array without a batch axis.
        rank: of the result, batch axis counted; None keeps a constant's shape.
    """
    if isinstance(operand, Expression):
        if operand.builder is not like.builder:
            raise ConfigError("expressions of different programs cannot be combined")
        return operand.value
    if operand is None:
        raise ConfigError("an operand is None, where an expression, a number or an array is needed")
    array = np.asarray(operand, dtype=np.float64)
    if rank is not None and array.ndim:
        if array.ndim == rank and array.shape[0] == 1:
            array = array[0]
        if array.ndim > rank - 1 and rank > 0 and like.shape[:1] == (None,):
            raise UnsupportedError(
                f"an array of shape {array.shape} would need a row for each row of the data, of shape {like.shape}; "
                "give arrays the shape of one row, or make them an input of the network"
            )
        array = array.reshape((1,) * (rank - 1 - array.ndim) + array.shape)
    name = f"number {float(array):g}" if array.ndim == 0 else "numbers"
    return like.builder.constant(name, array)


def emitted(op: Op, *operands: Any, dtype: Kind = "float32", spread: bool = False) -> Expression:
    """The op's node as an expression.

    Args:
        op: of the graph.
        operands: expressions and constants, at least one expression.
        dtype: Keras's dtype for the result.
        spread: whether the operands are broadcast against each other.
    """
    like = first(operands)
    if like is None:
        raise TypeError("an expression is made of expressions")
    rank = max(o.ndim for o in operands if isinstance(o, Expression)) if spread else None
    values = [named(like, o, rank) for o in operands]
    return Expression(like.builder, like.builder.emit(op, *values), dtype, like.in_network)


def arithmetic(what: str, *operands: Any) -> list[Any]:
    """The operands for arithmetic: whole numbers of the data as floats, in a network only where Keras agrees.

    Raises:
        UnsupportedError: integers or truth values of a network, for which Keras computes something else.
    """
    found: list[Any] = []
    for operand in operands:
        if isinstance(operand, Expression) and operand.is_int:
            if operand.in_network:
                raise UnsupportedError(
                    f"ops.{what} is given whole numbers of the data, and there Keras cuts the result to whole numbers, "
                    'which foldnet does not. Put ops.cast(x, "float32") before it, or give Input that dtype.'
                )
            value = operand.builder.emit(Cast(FLOAT), operand.value)
            operand = Expression(operand.builder, value, "int32", operand.in_network)
        found.append(operand)
    return found


def unary(kind: str, x: Expression, dtype: Kind | None = None) -> Expression:
    """A function of one value."""
    (x,) = arithmetic(kind, x)
    return emitted(Unary(Elementwise(kind)), x, dtype=dtype or "float32")


def binary(kind: str, x1: object, x2: object, dtype: Kind | None = None) -> Expression:
    """A function of two values, broadcast against each other.

    Raises:
        UnsupportedError: arithmetic on two truth values, for which Keras has other rules.
    """
    like = first((x1, x2))
    if kind not in COMPARES_WHOLE:
        x1, x2 = arithmetic(kind, x1, x2)
    if like is not None and like.in_network and dtype is None and promoted(x1, x2) == "bool":
        raise UnsupportedError(
            f'ops.{kind} of truth values follows other rules in Keras; put ops.cast(x, "float32") before it'
        )
    return emitted(Binary(kind=kind), x1, x2, dtype=dtype or promoted(x1, x2), spread=True)


def refuse(name: str, instead: str) -> UnsupportedError:
    """The error for an op that expressions do not have."""
    return UnsupportedError(f"ops.{name} computes on arrays, but not inside a compiled program; {instead}")
