"""Elementwise operations: functions of one value, of two, and a choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from foldnet.errors import ConfigError
from foldnet.graph.op import Elementwise, Fusable, Op, Shape
from foldnet.operations.elementwise.functions import BINARY, FUNCTIONS

COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
SYMMETRIC = ("add", "multiply", "maximum", "minimum", "equal", "not_equal", "logical_and", "logical_or")
"""The functions of two values whose order does not matter."""

Table = Literal["unary", "binary", "where"]
"""The tables of function records."""


@dataclass(frozen=True)
class Unary(Op):
    """A function of one value: a layer's activation, or what an expression computes. See ``functions.py``."""

    mixes: ClassVar[bool] = True
    in_place: ClassVar[bool] = True

    function: Elementwise

    @property
    def label(self) -> str:
        return self.function.name

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape."""
        if self.function.function is None and self.function.name not in FUNCTIONS:
            raise ConfigError(f"there is no function of one value called {self.function.name!r}")
        return shapes[0]

    @property
    def is_activation(self) -> bool:
        """Whether the function is one of Keras's activations or supplied by the caller."""
        return self.function.function is not None or FUNCTIONS[self.function.name].activation

    @property
    def as_activation(self) -> Elementwise | None:
        """Its function, if it is an activation."""
        return self.function if self.is_activation else None


@dataclass(frozen=True)
class Binary(Fusable):
    """A function of two values, broadcast over axes of size 1; one of them may be batch-free. See ``functions.py``.

    Comparisons give 1.0 or 0.0 and have no gradient.
    """

    data: ClassVar[int | None] = 2
    mixes: ClassVar[bool] = True
    in_place: ClassVar[bool] = True

    kind: str = "add"

    @property
    def label(self) -> str:
        return self.kind

    def output_shape(self, *shapes: Shape) -> Shape:
        """The broadcast shape."""
        if self.kind not in BINARY:
            raise ConfigError(f"there is no function of two values called {self.kind!r}")
        return broadcast(*shapes)

    @property
    def is_ordered(self) -> bool:
        """Whether the order of the operands matters."""
        return self.kind not in SYMMETRIC

    @property
    def compares(self) -> bool:
        """Whether it is a comparison."""
        return self.kind in COMPARISONS

    @property
    def is_activation(self) -> bool:
        """Whether it is the activation that has weights."""
        return self.kind == "prelu"


@dataclass(frozen=True)
class Where(Op):
    """``a`` where the condition is not 0, else ``b``. Operands: condition, a, b; broadcast as in Binary."""

    data: ClassVar[int | None] = 3
    mixes: ClassVar[bool] = True
    in_place: ClassVar[bool] = True

    def output_shape(self, *shapes: Shape) -> Shape:
        """The broadcast shape."""
        return broadcast(*shapes)


def broadcast(*shapes: Shape) -> Shape:
    """The broadcast shape of the operands of an expression.

    The operands of highest rank have a batch axis; those of one rank less are batch-free; a batch-free operand
    of rank 0 is a number and fits anything.
    """
    rank = max(len(s) for s in shapes)
    rows = [s[0] for s in shapes if len(s) == rank and rank]
    result: list[int | None] = [
        None if None in rows else max((n for n in rows if n is not None), default=None),
        *[1] * (rank - 1),
    ]
    for shape in shapes:
        # A value with a free axis has rows; without this check it would be broadcast over the other's rows.
        if len(shape) not in (rank, rank - 1, 0) or (len(shape) < rank and None in shape):
            raise ConfigError(f"cannot combine values of shapes {shapes}: their ranks differ")
        tail = shape[1:] if len(shape) == rank else shape
        for i, n in enumerate(tail, start=1):
            was = result[i]
            if was is None or n is None:  # a free axis fits any size
                result[i] = was if n in (1, None) and was != 1 else n
            elif was == 1:
                result[i] = n
            elif n not in (1, was):
                raise ConfigError(f"cannot combine values of shapes {shapes}")
    return tuple(result)


@dataclass(frozen=True)
class Slope(Op):
    """The gradient on one operand of a function, given the gradient on its result: the slope of its record.

    Operands: the gradient, the function's operands and its result, as far as the slope uses them, in the order of
    ``slopes.uses``.
    """

    data: ClassVar[int | None] = None
    mixes: ClassVar[bool] = True
    predicts: ClassVar[bool] = False
    in_place: ClassVar[bool] = True

    table: Table
    function: Elementwise
    place: int

    @property
    def label(self) -> str:
        return f"{self.function.name}_slope"

    def output_shape(self, *shapes: Shape) -> Shape:
        """The broadcast shape of the operands."""
        return broadcast(*shapes)
