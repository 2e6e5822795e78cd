"""What is done to each value alone: functions of one value, of two, and a choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from foldnet.errors import ConfigError
from foldnet.graph.op import Elementwise, Fusable, Op, Shape, spread_over


@dataclass(frozen=True)
class Activation(Op):
    """An elementwise activation of one operand."""

    in_place: ClassVar[bool] = True

    function: Elementwise

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]


@dataclass(frozen=True)
class PRelu(Op):
    """``max(x, 0) + alpha * min(x, 0)``. Operands: x, alpha (rank of x less one, each axis full or 1)."""

    weights: ClassVar[tuple[int, int]] = (1, 1)
    in_place: ClassVar[bool] = True

    def output_shape(self, *shapes: Shape) -> Shape:
        return spread_over("PRelu", *shapes)


@dataclass(frozen=True)
class Binary(Fusable):
    """``kind`` of two operands of one rank, broadcast over axes of size 1 (never over the batch axis).

    ``kind`` is one of ``add``, ``subtract``, ``multiply``, ``maximum``, ``minimum``.
    """

    data: ClassVar[int | None] = 2
    in_place: ClassVar[bool] = True

    kind: str = "add"

    def output_shape(self, *shapes: Shape) -> Shape:
        a, b = shapes
        if len(a) != len(b):
            raise ConfigError(f"cannot {self.kind} shapes {a} and {b}: ranks differ")
        merged: list[int | None] = []
        for m, n in zip(a, b, strict=True):
            if m is not None and n is not None and m != n and 1 not in (m, n):
                raise ConfigError(f"cannot {self.kind} shapes {a} and {b}")
            merged.append(n if m == 1 else m if n == 1 or n is None else n)
        return tuple(merged)


UNARY = (
    "negative", "abs", "sign", "square", "sqrt", "rsqrt", "reciprocal", "exp", "expm1", "log", "log1p", "log2", "log10",
    "tanh", "sigmoid", "softplus", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "arcsinh",
    "arccosh", "arctanh", "erf", "floor", "ceil", "trunc", "round", "logical_not", "isnan", "isfinite", "isinf",
    "stop_gradient",
)  # fmt: skip
"""What an expression may do to one value, elementwise; each is defined in ``engines.functions``."""


BINARY = (
    "add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "mod", "floor_divide", "arctan2",
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or",
)  # fmt: skip
"""What an expression may do to two values, elementwise; comparisons give 1.0 or 0.0 and have no gradient."""


@dataclass(frozen=True)
class Unary(Op):
    """One of ``UNARY``, elementwise."""

    mixes: ClassVar[bool] = True

    kind: str

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape."""
        if self.kind not in UNARY:
            raise ConfigError(f"there is no unary operation {self.kind!r}")
        return shapes[0]


@dataclass(frozen=True)
class Combine(Op):
    """One of ``BINARY`` of two operands, broadcast over axes of size 1; one of them may be batch-free."""

    data: ClassVar[int | None] = None
    mixes: ClassVar[bool] = True
    in_place: ClassVar[bool] = True

    kind: str

    def output_shape(self, *shapes: Shape) -> Shape:
        """The broadcast shape."""
        if self.kind not in BINARY:
            raise ConfigError(f"there is no binary operation {self.kind!r}")
        return broadcast(*shapes)


@dataclass(frozen=True)
class Where(Op):
    """``a`` where the condition is not 0, else ``b``. Operands: condition, a, b; broadcast as in Combine."""

    data: ClassVar[int | None] = None
    mixes: ClassVar[bool] = True
    in_place: ClassVar[bool] = True

    def output_shape(self, *shapes: Shape) -> Shape:
        """The broadcast shape."""
        return broadcast(*shapes)


def broadcast(*shapes: Shape) -> Shape:
    """The shape that the operands of an expression spread to.

    The operands of highest rank have a batch axis; those of one rank less are batch-free; a batch-free operand
    of rank 0 is a number and fits anything.
    """
    rank = max(len(s) for s in shapes)
    rows = [s[0] for s in shapes if len(s) == rank and rank]
    result: list[int | None] = [next((n for n in rows if n != 1), None), *[1] * (rank - 1)]
    for shape in shapes:
        # A value with a free axis has rows: spread as if it had none, it would meet every row of the other.
        if len(shape) not in (rank, rank - 1, 0) or (len(shape) < rank and None in shape):
            raise ConfigError(f"cannot combine values of shapes {shapes}: their ranks differ")
        tail = shape[1:] if len(shape) == rank else shape
        for i, n in enumerate(tail, start=1):
            known = n is not None and result[i] is not None  # a free axis fits any
            if known and n != 1 and result[i] not in (1, n):
                raise ConfigError(f"cannot combine values of shapes {shapes}")
            result[i] = n if n != 1 and (n is not None or result[i] == 1) else result[i]
    return tuple(result)
