"""Operations along axes of a row: softmax, statistics of a row, reductions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from foldnet.errors import ConfigError
from foldnet.graph.op import ROWS, AxisOp, Op, Shape, Sum

ReduceKind = Literal["sum", "mean", "max", "min", "argmax"]
MomentsKind = Literal["standard", "rms", "l2", "variance"]


@dataclass(frozen=True)
class Softmax(AxisOp):
    """``exp(x - max) / sum(exp(x - max))`` along the axis, or its logarithm."""

    log: bool = False

    @property
    def is_activation(self) -> bool:
        """It is."""
        return True

    @property
    def weighs(self) -> bool:
        """It does, but its logarithm does not."""
        return not self.log

    def always(self, *shapes: Shape) -> float | None:
        """Over one unit it is constant."""
        return (0.0 if self.log else 1.0) if shapes[0][self.axis] == 1 else None


@dataclass(frozen=True)
class Sparsemax(AxisOp):
    """``max(x - tau, 0)`` along the axis, with Keras's ``tau``: see ``foldnet.activations.sparsemax``."""

    @property
    def is_activation(self) -> bool:
        """It is."""
        return True


@dataclass(frozen=True)
class Glu(AxisOp):
    """Gated linear unit: the first half of the axis times the sigmoid of the second."""

    @property
    def is_activation(self) -> bool:
        """It is."""
        return True

    def output_shape(self, *shapes: Shape) -> Shape:
        x = super().output_shape(*shapes)
        size = x[self.axis]
        if size is not None and size % 2:
            raise ConfigError(f"glu needs an even axis {self.axis}, got shape {x}")
        return (*x[: self.axis], None if size is None else size // 2, *x[self.axis + 1 :])


@dataclass(frozen=True)
class Moments(Op):
    """Normalize each row by its own statistics over ``axes``; no weights (if there are any, an Affine follows).

    ``kind``: ``"standard"`` gives ``(x - mean) / sqrt(var + epsilon)``, ``"rms"`` gives
    ``x / sqrt(mean(x²) + epsilon)``, ``"l2"`` gives ``x / sqrt(max(sum(x²), epsilon))``, ``"variance"`` gives
    ``x / sqrt(var + epsilon)`` (LayerNormalization with ``rms_scaling``, which does not centre).
    """

    standardizes: ClassVar[bool] = True

    axes: tuple[int, ...]
    epsilon: float
    kind: MomentsKind = "standard"

    def output_shape(self, *shapes: Shape) -> Shape:
        if not self.axes or any(not 0 < a < len(shapes[0]) for a in self.axes):
            raise ConfigError(f"axes {self.axes} are not axes of {shapes[0]} other than the batch axis")
        return shapes[0]


@dataclass(frozen=True)
class GroupMoments(AxisOp):
    """``(x - mean) / sqrt(var + epsilon)`` by groups of channels, each with its own statistics in each row.

    Channels lie along ``axis``; group ``g`` of ``groups`` equal ones holds channels ``g * size`` up to
    ``(g + 1) * size``. Mean and variance are over the group's channels and all other axes but the batch axis.
    """

    standardizes: ClassVar[bool] = True

    groups: int
    epsilon: float

    def output_shape(self, *shapes: Shape) -> Shape:
        x = super().output_shape(*shapes)
        channels = x[self.axis]
        if channels is None or self.groups < 1 or channels % self.groups:
            raise ConfigError(
                f"{channels} channels on axis {self.axis} do not make {self.groups} equal groups"
            )
        return x


@dataclass(frozen=True)
class Reduce(Op):
    """``sum``, ``mean``, ``max``, ``min`` or ``argmax`` over axes other than the batch axis.

    The reduced axes stay with size 1 if ``keepdims``. ``argmax`` gives the first position of the largest value
    as a float and takes one axis. The gradient of ``max`` and ``min`` is shared equally among ties.
    """

    mixes: ClassVar[bool] = True

    kind: ReduceKind
    axes: tuple[int, ...]
    keepdims: bool = False

    @property
    def label(self) -> str:
        return self.kind

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape with the axes at size 1, or without them."""
        x = shapes[0]
        if any(not 0 < a < len(x) for a in self.axes):
            raise ConfigError(f"axes {self.axes} are not axes of {x} other than the batch axis")
        kept = tuple(1 if i in self.axes else n for i, n in enumerate(x))
        return kept if self.keepdims else tuple(n for i, n in enumerate(kept) if i not in self.axes)

    def summed(self, *shapes: Shape) -> Sum | None:
        """The operand's values over the axes; None for kinds that compare values instead of adding them."""
        x = (ROWS, *(f"x{i}" for i in range(1, len(shapes[0]))))
        kept = [letter for i, letter in enumerate(x) if i not in self.axes]
        return Sum((x,), kept, mean=self.kind == "mean") if self.kind in ("sum", "mean") else None


@dataclass(frozen=True)
class CumulativeSum(Op):
    """Running sums along one axis other than the batch axis, from its start, or from its end if ``reverse``."""

    mixes: ClassVar[bool] = True

    axis: int
    reverse: bool = False

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape."""
        if not 0 < self.axis < len(shapes[0]):
            raise ConfigError(f"axis {self.axis} is not an axis of {shapes[0]} other than the batch axis")
        return shapes[0]

    def summed(self, *shapes: Shape) -> Sum:
        """Every partial sum along the axis."""
        x = (ROWS, *(f"x{i}" for i in range(1, len(shapes[0]))))
        return Sum((x,), x, running=x[self.axis])


@dataclass(frozen=True)
class SoftmaxGradient(AxisOp):
    """The gradient through a Softmax. Operands: its result and the gradient on it."""

    data: ClassVar[int | None] = 2
    predicts: ClassVar[bool] = False

    log: bool = False


@dataclass(frozen=True)
class SparsemaxGradient(AxisOp):
    """The gradient through a Sparsemax. Operands: x, its result, and the gradient on that."""

    data: ClassVar[int | None] = 3
    predicts: ClassVar[bool] = False


@dataclass(frozen=True)
class GluGradient(AxisOp):
    """The gradient through a Glu. Operands: x, and the gradient on its result."""

    data: ClassVar[int | None] = 2
    predicts: ClassVar[bool] = False


@dataclass(frozen=True)
class MomentsGradient(Op):
    """The gradient through a Moments or a GroupMoments. Operands: x, its result, and the gradient on that."""

    data: ClassVar[int | None] = 3
    predicts: ClassVar[bool] = False

    of: Moments | GroupMoments

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of x."""
        return self.of.output_shape(shapes[0])


@dataclass(frozen=True)
class ReduceGradient(Op):
    """The gradient through a Reduce. Operands: x, its result, and the gradient on that.

    The gradient of a ``max`` or ``min`` is shared equally among ties.
    """

    data: ClassVar[int | None] = 3
    predicts: ClassVar[bool] = False

    of: Reduce

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of x."""
        return shapes[0]
