"""Sums of products: with a kernel, or of two values."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from foldnet.errors import ConfigError
from foldnet.graph.op import ROWS, Fusable, Op, Row, Shape, Sum


@dataclass(frozen=True)
class Dense(Fusable):
    """``x @ kernel + bias`` over the last axis. Operands: x, kernel (in, out), and optionally bias (out,)."""

    weights: ClassVar[tuple[int, int]] = (1, 2)

    def output_shape(self, *shapes: Shape) -> Shape:
        x, kernel = shapes[:2]
        if len(x) < 2 or len(kernel) != 2 or x[-1] != kernel[0]:
            raise ConfigError(f"Dense cannot multiply {x} by a kernel of shape {kernel}")
        if len(shapes) > 2 and shapes[2] != (kernel[1],):
            raise ConfigError(f"Dense bias has shape {shapes[2]}, expected ({kernel[1]},)")
        return (*x[:-1], kernel[1])

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """One for each weight at each position."""
        return prod(result) * operands[1][0]

    def summed(self, *shapes: Shape) -> Sum | None:
        """Inputs times a column of the kernel; None if an activation changes the sum."""
        x = (ROWS, *(f"x{i}" for i in range(1, len(shapes[0]))))
        return Sum((x, (x[-1], "unit")), (*x[:-1], "unit")) if self.activation is None else None


@dataclass(frozen=True)
class TurnedDense(Op):
    """``x @ kernel.T`` over the last axis. Operands: x, kernel (out, in): a transposed kernel.

    A prediction program has a Dense with the kernel transposed instead.
    """

    predicts: ClassVar[bool] = False

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of x with the kernel's first size last."""
        x, kernel = shapes
        if len(x) < 2 or len(kernel) != 2 or x[-1] != kernel[1]:
            raise ConfigError(f"TurnedDense cannot multiply {x} by a kernel of shape {kernel}")
        return (*x[:-1], kernel[0])

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """One for each weight at each position."""
        return prod(result) * operands[1][1]

    def summed(self, *shapes: Shape) -> Sum:
        """Inputs times a row of the kernel."""
        x = (ROWS, *(f"x{i}" for i in range(1, len(shapes[0]))))
        return Sum((x, ("unit", x[-1])), (*x[:-1], "unit"))


@dataclass(frozen=True)
class Dot(Op):
    """Batched dot product of two operands, contracting one axis of each (positive, not the batch axis).

    The result has the remaining axes of the first operand, then those of the second; a result without any
    axis gets one of size 1, as in Keras.
    """

    data: ClassVar[int | None] = 2

    axes: tuple[int, int]

    @property
    def is_ordered(self) -> bool:
        """The result has the first operand's axes first."""
        return True

    def output_shape(self, *shapes: Shape) -> Shape:
        a, b = shapes
        i, j = self.axes
        if a[i] != b[j]:
            raise ConfigError(f"Dot cannot contract axis {i} of {a} with axis {j} of {b}")
        rest = (*a[1:i], *a[i + 1 :], *b[1:j], *b[j + 1 :])
        return (a[0], *rest) if rest else (a[0], 1)

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """The contracted axis for each element of the result."""
        return prod(result) * operands[0][self.axes[0] - 1]

    def summed(self, *shapes: Shape) -> Sum:
        """Products along the contracted axis."""
        (i, j), (a, b) = self.axes, shapes
        left = [ROWS, *(f"a{k}" for k in range(1, len(a)))]
        right = [ROWS, *(f"b{k}" for k in range(1, len(b)))]
        right[j] = left[i]
        rest = [letter for letter in left + right[1:] if letter != left[i]]
        return Sum((left, right), rest)


@dataclass(frozen=True)
class Product(Op):
    """Products of two values, summed over the letters that the result does not have: ``einsum`` with the rows kept.

    Each string names the axes after the batch axis by letters. An operand without a batch axis is the same for
    every row.
    """

    mixes: ClassVar[bool] = True
    data: ClassVar[int | None] = 2

    left: str
    right: str
    result: str

    def output_shape(self, *shapes: Shape) -> Shape:
        """Sizes by the letters of the result."""
        sizes: dict[str, int | None] = {}
        rows: int | None = None
        for letters, shape in zip((self.left, self.right), shapes, strict=True):
            own = shape[1:] if len(shape) == len(letters) + 1 else shape
            rows = shape[0] if len(shape) == len(letters) + 1 else rows
            if len(own) != len(letters) or len(set(letters)) != len(letters):
                raise ConfigError(f"the axes {letters!r} do not fit a value of shape {shape}")
            for letter, n in zip(letters, own, strict=True):
                if sizes.setdefault(letter, n) != n:
                    raise ConfigError(
                        f"axis {letter!r} is {sizes[letter]} and {n} in operands of shapes {shapes}"
                    )
        if not set(self.result) <= set(sizes) or len(set(self.result)) != len(self.result):
            raise ConfigError(f"the result's axes {self.result!r} are not all among the operands'")
        return (rows, *(sizes[letter] for letter in self.result))

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """One for each position of all letters."""
        sizes = dict(zip(self.left + self.right, operands[0] + operands[1], strict=True))
        return prod(sizes.values())

    def summed(self, *shapes: Shape) -> Sum:
        """The products, in the order of the summed letters."""
        left, right = (
            (*([ROWS] if len(shape) > len(own) else []), *own)
            for own, shape in zip((self.left, self.right), shapes, strict=True)
        )
        return Sum((left, right), (ROWS, *self.result))


@dataclass(frozen=True)
class KernelGradient(Op):
    """The gradient on the kernel of a Dense: ``x.T @ g`` over all rows and positions. Operands: x, g."""

    data: ClassVar[int | None] = 2
    predicts: ClassVar[bool] = False

    def output_shape(self, *shapes: Shape) -> Shape:
        """(inputs, units), without rows."""
        x, g = shapes
        if x[:-1] != g[:-1] or None in (x[-1], g[-1]):
            raise ConfigError(f"a kernel between {x} and {g} has no gradient")
        return (x[-1], g[-1])

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """One for each weight at each position."""
        return prod(operands[0]) * result[-1]


@dataclass(frozen=True)
class ProductGradient(Op):
    """The gradient on one operand of a Product. Operands: the gradient on its result, and the other operand.

    Attributes:
        result, other, own: letters of the result, of the other operand, and of the operand that the gradient is for.
        shape: of the latter; without a batch axis, the gradient is summed over the rows.
    """

    data: ClassVar[int | None] = 2
    mixes: ClassVar[bool] = True
    predicts: ClassVar[bool] = False

    result: str
    other: str
    own: str
    shape: Shape

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's."""
        return self.shape

    @property
    def rows(self) -> bool:
        """Whether the operand has rows."""
        return len(self.shape) > len(self.own)
