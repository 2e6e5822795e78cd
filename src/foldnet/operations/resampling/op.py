"""Operations that give axes a length that does not depend on the one they have, or as much as a shape needs."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal

from foldnet.errors import ConfigError
from foldnet.graph.op import AxisOp, Dtype, Keeps, Op, Row, Shape
from foldnet.graph.sizes import chosen, larger, smaller
from foldnet.operations.structure.op import Slice

Interpolation = Literal["bilinear", "bicubic", "lanczos3", "lanczos5"]
MixKind = Literal["bilinear", "bicubic", "lanczos3", "lanczos5", "mean"]

REACH: dict[Interpolation, int] = {"bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}
"""How far away the positions are that count for a new one."""


def _new_length(op: Op, shape: Shape, axis: int, size: int | None) -> Shape:
    """The shape with another size on an axis.

    Raises:
        ConfigError: nothing can be made of an empty axis, or of nothing.
    """
    if size is not None and size < 1:
        raise ConfigError(f"{op} gives no position")
    n = shape[axis]
    if n is not None and n < 1:
        raise ConfigError(f"an axis without positions cannot get {size} of them")
    return (*shape[:axis], size, *shape[axis + 1 :])


@dataclass(frozen=True)
class Nearest(AxisOp):
    """The nearest old position for each new one: the centres of both are spread over the same length.

    Attributes:
        count: how many new positions.
    """

    keeps_values: ClassVar[Keeps] = "some"

    count: int

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape with ``count`` as the axis's size."""
        return _new_length(self, super().output_shape(*shapes), self.axis, self.count)

    def output_dtype(self, *dtypes: Dtype) -> Dtype:
        """The operand's."""
        return dtypes[0]

    def places(self, n: int) -> tuple[int, ...]:
        """The old position for each new one: ``floor((i + 0.5) n / count)``.

        >>> Nearest(1, 3).places(5)
        (0, 2, 4)
        """
        return tuple((2 * i + 1) * n // (2 * self.count) for i in range(self.count))


@dataclass(frozen=True)
class Mix(AxisOp):
    """Sums of old positions for each new one, by weights that add up to 1 to rounding: see ``weights.py``.

    Attributes:
        count: how many new positions; for each old one if ``relative``.
        kind: how far and how an old position counts; ``"mean"`` if all of a window count the same: see
            ``weights.windows``.
        antialias: whether, where there are fewer new positions, more old ones count for each.
        relative: whether the number of new positions is a multiple of that of the old ones.
    """

    count: int
    kind: MixKind = "bilinear"
    antialias: bool = False
    relative: bool = False

    @property
    def label(self) -> str:
        return self.kind

    def size(self, n: int) -> int:
        """The number of new positions for ``n`` old ones."""
        return n * self.count if self.relative else self.count

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape with the number of new positions as the axis's size."""
        x = super().output_shape(*shapes)
        if self.kind == "mean" and (self.antialias or self.relative):
            raise ConfigError(f"{self} has a setting that means have not")
        n = x[self.axis]
        size = self.count if not self.relative else None if n is None else self.size(n)
        if self.count < 1:
            raise ConfigError(f"{self} gives no position")
        return _new_length(self, x, self.axis, size)

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """One for each old position that counts; of windows each old position is in one or two."""
        if self.kind == "mean":
            return prod(operands[0]) + prod(result)
        each = 2 * REACH[self.kind]
        return each * (prod(result) + (prod(operands[0]) if self.antialias else 0))


@dataclass(frozen=True)
class MixGradient(Op):
    """The gradient through a Mix. Operands: x, and the gradient on the result."""

    data: ClassVar[int | None] = 2
    predicts: ClassVar[bool] = False

    of: Mix

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of x."""
        return shapes[0]

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """As many as the Mix has."""
        return self.of.multiply_adds(operands[1], operands[0])


@dataclass(frozen=True)
class AdaptiveMax(AxisOp):
    """The largest value of each of ``count`` windows along an axis: see ``weights.windows``.

    Attributes:
        count: how many windows.
    """

    count: int

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape with ``count`` as the axis's size."""
        return _new_length(self, super().output_shape(*shapes), self.axis, self.count)

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """One for each position of each window."""
        return prod(operands[0]) + prod(result)


Sizes = tuple[int, int]
"""On two axes."""


def _of_axes(op: Op, shape: Shape, axes: Sizes, target: Sizes) -> tuple[int | None, int | None]:
    """The sizes of two axes.

    Raises:
        ConfigError: there are no such axes.
    """
    if len(axes) != 2 or len(target) != 2 or axes[0] == axes[1] or any(not 0 < a < len(shape) for a in axes):
        raise ConfigError(f"{op} does not fit a value of shape {shape}")
    if min(target) < 1 or any(n is not None and n < 1 for n in (shape[a] for a in axes)):
        raise ConfigError(f"{op} has nothing to do with a value of shape {shape}")
    return shape[axes[0]], shape[axes[1]]


def _replaced(shape: Shape, axes: Sizes, sizes: tuple[int | None, int | None]) -> Shape:
    found = list(shape)
    for axis, n in zip(axes, sizes, strict=True):
        found[axis] = n
    return tuple(found)


def in_shape(sizes: Sizes, target: Sizes) -> Sizes:
    """The height that goes with a width, and the width that goes with a height, in the shape of the target.

    Keras has ``int(float(width * height) / width)``, which is the same for sizes below 2^26.

    >>> in_shape((7, 10), (3, 4))
    (7, 9)
    """
    (rows, columns), (height, width) = sizes, target
    return columns * height // width, rows * width // height


@dataclass(frozen=True)
class CutToShape(Op):
    """The largest part around the middle with the proportions of the target.

    Attributes:
        axes: the two axes.
        target: two sizes that say which proportions.
        fitting: whether it is the target itself where that is not larger than the value.
    """

    keeps_values: ClassVar[Keeps] = "some"

    axes: Sizes
    target: Sizes
    fitting: bool = False

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape with the sizes of the part."""
        (x,) = shapes
        rows, columns = _of_axes(self, x, self.axes, self.target)
        # Both sizes of the part depend on both of the value.
        known = None if rows is None or columns is None else self.part((rows, columns))
        return _replaced(x, self.axes, known or (None, None))

    def output_dtype(self, *dtypes: Dtype) -> Dtype:
        """The operand's."""
        return dtypes[0]

    def part(self, sizes: Sizes) -> Sizes:
        """The sizes of the part.

        >>> CutToShape((1, 2), (3, 4)).part((7, 10)), CutToShape((1, 2), (3, 4), fitting=True).part((7, 10))
        ((7, 9), (3, 4))
        """
        most = in_shape(sizes, self.target)
        rows, columns = (larger(smaller(n, m), 1) for n, m in zip(sizes, most, strict=True))
        if not self.fitting:
            return rows, columns
        (more_rows, more_columns), (height, width) = (
            (n - t for n, t in zip(sizes, self.target, strict=True)),
            self.target,
        )
        return (
            chosen(more_rows, chosen(more_columns, height, rows), rows),
            chosen(more_rows, chosen(more_columns, width, columns), columns),
        )

    def starts(self, shape: Row) -> Row:
        """Where the part begins on each axis of a row of this shape."""
        rows, columns = (shape[a - 1] for a in self.axes)
        found = [0] * len(shape)
        for axis, n, m in zip(self.axes, (rows, columns), self.part((rows, columns)), strict=True):
            found[axis - 1] = (n - m) // 2
        return tuple(found)

    def of_known(self, shape: Row) -> Slice:
        """The same for a row of this shape alone."""
        sizes = self.output_shape((None, *shape))[1:]
        return Slice(
            tuple(
                (None, None, 1) if m == n else (first, first + (m or 0), 1)
                for n, m, first in zip(shape, sizes, self.starts(shape), strict=True)
            )
        )


@dataclass(frozen=True)
class PadToShape(Op):
    """A number around, to get the proportions of the target; both ends get as many, as in Keras.

    Attributes:
        axes: the two axes.
        target: two sizes that say which proportions.
        value: the number.
    """

    axes: Sizes
    target: Sizes
    value: float = 0.0

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape with longer axes."""
        (x,) = shapes
        rows, columns = _of_axes(self, x, self.axes, self.target)
        if rows is None or columns is None:
            return _replaced(x, self.axes, (None, None))
        more = self.more((rows, columns))
        return _replaced(x, self.axes, (rows + 2 * more[0], columns + 2 * more[1]))

    def more(self, sizes: Sizes) -> Sizes:
        """How many positions come before, and how many after, on both axes.

        >>> PadToShape((1, 2), (3, 4)).more((7, 6))
        (0, 1)
        """
        least = in_shape(sizes, self.target)
        rows, columns = (larger(m - n, 0) // 2 for m, n in zip(least, sizes, strict=True))
        return rows, columns

    def before(self, shape: Row) -> Row:
        """How many positions come before each axis of a row of this shape, and as many after it."""
        rows, columns = (shape[a - 1] for a in self.axes)
        found = [0] * len(shape)
        for axis, n in zip(self.axes, self.more((rows, columns)), strict=True):
            found[axis - 1] = n
        return tuple(found)
