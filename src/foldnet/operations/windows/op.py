"""Operations with a window that moves along axes of a row: pooling, convolution, and the padding before them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal

from foldnet.errors import ConfigError
from foldnet.graph.op import Fusable, Op, Row, Shape
from foldnet.graph.sizes import larger

PoolKind = Literal["max", "average"]
Padding = Literal["valid", "same"]


@dataclass(frozen=True)
class Window:
    """A window on one axis.

    Attributes:
        axis: without the batch axis.
        size: how many positions it has.
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
    dilation: int = 1


def reach(size: int, dilation: int = 1) -> int:
    """How many positions a window covers, from its first to its last.

    >>> reach(3), reach(3, 2)
    (3, 5)
    """
    return (size - 1) * dilation + 1


def count_of(n: int, covers: int, stride: int) -> int:
    """The number of windows that fit an axis.

    Raises:
        ConfigError: none fits.
    """
    if n < covers:
        raise ConfigError(f"a window of {covers} does not fit an axis of {n} positions")
    return (n - covers) // stride + 1


def same_padding(n: int, covers: int, stride: int) -> tuple[int, int]:
    """How many positions before and after an axis one window for each ``stride`` positions needs; the smaller first.

    This is TensorFlow's ``padding="same"``, which Keras has on every backend.

    >>> same_padding(7, 3, 2), same_padding(8, 3, 2)
    ((1, 1), (0, 1))
    """
    over = larger((-(-n // stride) - 1) * stride + covers - n, 0)
    return over // 2, over - over // 2


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
        return count_of(n + sum(self._beyond(n, size, stride)), size, stride)

    def _beyond(self, n: int, size: int, stride: int) -> tuple[int, int]:
        return same_padding(n, size, stride) if self.padding == "same" else (0, 0)

    def windows(self, shape: Row) -> list[Window]:
        """The window on each axis, given the shape of a row."""
        found = []
        for axis, size, stride in zip(self.axes, self.sizes, self.strides, strict=True):
            n = shape[axis - 1]
            count = self._count(n, size, stride) or 0
            found.append(Window(axis - 1, size, stride, *self._beyond(n, size, stride), count))
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


@dataclass(frozen=True)
class Pad(Op):
    """Zeros before and after axes.

    Attributes:
        widths: for each axis after the batch axis, how many zeros come before and after it.
    """

    widths: tuple[tuple[int, int], ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape with longer axes."""
        (x,) = shapes
        if len(self.widths) != len(x) - 1 or any(n < 0 for pair in self.widths for n in pair):
            raise ConfigError(f"{self} does not fit a value of shape {x}")
        own = (None if n is None else n + sum(pair) for n, pair in zip(x[1:], self.widths, strict=True))
        return (x[0], *own)

    def widths_for(self, shape: Row) -> tuple[tuple[int, int], ...]:
        """How many zeros come before and after each axis of a row of this shape."""
        return self.widths


@dataclass(frozen=True)
class PadSame(Op):
    """Zeros before and after axes, for one window for each ``stride`` positions: see ``same_padding``.

    Attributes:
        axes: that get longer; the batch axis is not among them.
        covers: how many positions the window covers on each, from its first to its last.
        strides: of the window on each.
    """

    axes: tuple[int, ...]
    covers: tuple[int, ...]
    strides: tuple[int, ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape with longer axes."""
        (x,) = shapes
        if any(not 0 < a < len(x) for a in self.axes):
            raise ConfigError(f"axes {self.axes} are not axes of {x} other than the batch axis")
        found = list(x)
        for axis, covers, stride in zip(self.axes, self.covers, self.strides, strict=True):
            n = x[axis]
            found[axis] = None if n is None else n + sum(same_padding(n, covers, stride))
        return tuple(found)

    def widths_for(self, shape: Row) -> tuple[tuple[int, int], ...]:
        """How many zeros come before and after each axis of a row of this shape."""
        found = [(0, 0)] * len(shape)
        for axis, covers, stride in zip(self.axes, self.covers, self.strides, strict=True):
            found[axis - 1] = same_padding(shape[axis - 1], covers, stride)
        return tuple(found)


@dataclass(frozen=True)
class Conv(Fusable):
    """Products of a kernel with windows that move along the axes between rows and channels, summed, plus a bias.

    Operands: x (rows, space..., channels), kernel (window..., channels / groups, units), and optionally bias (units,).
    As in Keras, the kernel is not reversed. Windows fit: padding is an operation before this one.

    Attributes:
        strides: the step from one window to the next, on each axis.
        dilations: the distance between neighbouring positions of a window, on each axis.
        groups: into which channels and units are divided; each group of units sees its own group of channels.
    """

    weights: ClassVar[tuple[int, int]] = (1, 2)
    one_by_one: ClassVar[bool] = True
    has_positions: ClassVar[bool] = True

    strides: tuple[int, ...] = (1,)
    dilations: tuple[int, ...] = (1,)
    groups: int = 1

    def output_shape(self, *shapes: Shape) -> Shape:
        """The number of windows on each axis, then the units."""
        x, kernel, *bias = shapes
        dims = len(self.strides)
        sizes = tuple(n for n in kernel if n is not None)
        if len(x) != dims + 2 or len(sizes) != dims + 2 or len(self.dilations) != dims:
            raise ConfigError(f"{self} cannot multiply {x} by a kernel of shape {kernel}")
        if x[-1] != sizes[-2] * self.groups or sizes[-1] % self.groups:
            raise ConfigError(
                f"a kernel of shape {kernel} in {self.groups} groups does not fit {x[-1]} channels"
            )
        if bias and bias[0] != (kernel[-1],):
            raise ConfigError(f"Conv bias has shape {bias[0]}, expected ({kernel[-1]},)")
        steps = zip(x[1:-1], sizes, self.strides, self.dilations, strict=False)
        space = (None if n is None else count_of(n, reach(size, d), stride) for n, size, stride, d in steps)
        return (x[0], *space, sizes[-1])

    def windows(self, shape: Row, kernel: Row) -> list[Window]:
        """The window on each axis, given the shapes of a row and of the kernel."""
        steps = enumerate(zip(shape[:-1], kernel, self.strides, self.dilations, strict=False))
        return [Window(a, k, s, 0, 0, count_of(n, reach(k, d), s), d) for a, (n, k, s, d) in steps]

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """One for each weight that a unit has, at each window."""
        return prod(result) * prod(operands[1][:-1])


@dataclass(frozen=True)
class ConvTranspose(Fusable):
    """The transpose of a convolution: each position spreads its products over a window, and windows are summed.

    Operands: x (rows, space..., channels), kernel (window..., units, channels), and optionally bias (units,). The
    result has all that the windows cover; a Slice or Pad after it gives Keras's ``padding``.

    Attributes:
        strides: the step from one window to the next, on each axis of the result.
        dilations: the distance between neighbouring positions of a window, on each axis.
    """

    weights: ClassVar[tuple[int, int]] = (1, 2)
    has_positions: ClassVar[bool] = True

    strides: tuple[int, ...] = (1,)
    dilations: tuple[int, ...] = (1,)

    def output_shape(self, *shapes: Shape) -> Shape:
        """What the windows cover on each axis, then the units."""
        x, kernel, *bias = shapes
        dims = len(self.strides)
        sizes = tuple(n for n in kernel if n is not None)
        if len(x) != dims + 2 or len(sizes) != dims + 2 or len(self.dilations) != dims or x[-1] != sizes[-1]:
            raise ConfigError(f"{self} cannot multiply {x} by a kernel of shape {kernel}")
        if bias and bias[0] != (kernel[-2],):
            raise ConfigError(f"ConvTranspose bias has shape {bias[0]}, expected ({kernel[-2]},)")
        steps = zip(x[1:-1], sizes, self.strides, self.dilations, strict=False)
        space = (None if n is None else (n - 1) * s + reach(k, d) for n, k, s, d in steps)
        return (x[0], *space, sizes[-2])

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """One for each weight that a channel has, at each position."""
        return prod(operands[0]) * prod(operands[1][:-1])


@dataclass(frozen=True)
class ConvGradient(Op):
    """The gradient on the operand of a Conv. Operands: x, kernel, and the gradient on the result."""

    data: ClassVar[int | None] = 1
    mixes: ClassVar[bool] = True
    predicts: ClassVar[bool] = False

    of: Conv

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of x."""
        return shapes[0]

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """As many as the Conv has."""
        return self.of.multiply_adds(operands[2], *operands[:2])


@dataclass(frozen=True)
class ConvKernelGradient(Op):
    """The gradient on the kernel of a Conv, over all rows. Operands: x, and the gradient on the result."""

    data: ClassVar[int | None] = 2
    predicts: ClassVar[bool] = False

    of: Conv
    shape: Row

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of the kernel, without rows."""
        return self.shape

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """As many as the Conv has."""
        return self.of.multiply_adds(operands[1], operands[0], self.shape)
