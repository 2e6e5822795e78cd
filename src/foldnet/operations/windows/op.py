"""Operations with a window that moves along axes of a row: pooling."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal

from foldnet.errors import ConfigError
from foldnet.graph.op import Op, Row, Shape

PoolKind = Literal["max", "average"]
Padding = Literal["valid", "same"]


@dataclass(frozen=True)
class Window:
    """A window on one axis.

    Attributes:
        axis: without the batch axis.
        size: how many positions it covers.
        stride: the step from one window to the next.
        before, after: how many positions the first and the last window extend beyond the ends.
        count: the number of windows.
    """

    axis: int
    size: int
    stride: int
    before: int
    after: int
    count: int


@dataclass(frozen=True)
class Pool(Op):
    """The largest value, or the mean, of each window along some axes.

    Attributes:
        kind: ``"max"`` or ``"average"``.
        axes: that the window moves along; the batch axis is not among them.
        sizes: of the window on each.
        strides: of the window on each.
        padding: ``"valid"`` for windows that fit; ``"same"`` for one window per ``stride`` positions, which may extend
            beyond the ends. Positions beyond the ends do not count in the maximum or in the mean.
    """

    kind: PoolKind
    axes: tuple[int, ...]
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding = "valid"

    @property
    def label(self) -> str:
        return f"{self.kind}_pool"

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape with the number of windows as the size of each axis."""
        (x,) = shapes
        if len(set(self.axes)) != len(self.axes) or not len(self.axes) == len(self.sizes) == len(
            self.strides
        ):
            raise ConfigError(f"{self} needs a size and a stride for each of its axes")
        if any(not 0 < a < len(x) for a in self.axes):
            raise ConfigError(f"axes {self.axes} are not axes of {x} other than the batch axis")
        found = list(x)
        for axis, size, stride in zip(self.axes, self.sizes, self.strides, strict=True):
            found[axis] = self._count(x[axis], size, stride)
        return tuple(found)

    def _count(self, n: int | None, size: int, stride: int) -> int | None:
        if n is None:
            return None
        count = -(-n // stride) if self.padding == "same" else (n - size) // stride + 1
        if count < 1:
            raise ConfigError(f"a window of {size} does not fit an axis of {n} positions")
        return count

    def windows(self, shape: Row) -> list[Window]:
        """The window on each axis, given the shape of a row."""
        found = []
        for axis, size, stride in zip(self.axes, self.sizes, self.strides, strict=True):
            n = shape[axis - 1]
            count = self._count(n, size, stride) or 0
            over = max((count - 1) * stride + size - n, 0) if self.padding == "same" else 0
            found.append(Window(axis - 1, size, stride, over // 2, over - over // 2, count))
        return found

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """One for each position of each window."""
        return prod(result) * prod(w.size for w in self.windows(operands[0]))


@dataclass(frozen=True)
class PoolGradient(Op):
    """The gradient through a Pool. Operands: x, its result, and the gradient on that.

    The first of a window's largest values gets all of the gradient, as in XLA; a mean shares it equally.
    """

    data: ClassVar[int | None] = 3
    predicts: ClassVar[bool] = False

    of: Pool

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of x."""
        return shapes[0]
