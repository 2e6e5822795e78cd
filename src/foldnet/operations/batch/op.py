"""Operations of training programs only: statistics of the batch, randomness, sums over rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from foldnet.errors import ConfigError
from foldnet.graph.op import Op, Shape

DropKind = Literal["dropout", "gaussian_dropout", "gaussian_noise", "alpha_dropout"]
BatchReduceKind = Literal["sum", "mean"]


@dataclass(frozen=True)
class BatchNorm(Op):
    """Normalize by the batch's own statistics and move the moving ones towards them.

    Operands: x, moving_mean, moving_variance, then gamma if ``scale``, then beta if ``center``, then the mask if
    ``masked``. All but x and the mask have the rank of x minus 1; they have the size of x on the kept axes and size 1
    on the reduced axes. Statistics are taken over the batch axis and every axis of size 1 in the operands' shape.

    In a training step: mean and biased variance of the batch,
    ``y = (x - mean) / sqrt(variance + epsilon) * gamma + beta``, and afterwards
    ``moving = moving * momentum + batch * (1 - momentum)``. Gradients flow through mean and variance.
    In evaluation the moving statistics are used instead of the batch's and are not updated.

    The mask has the shape of x without its last axis. Values where it is 0 do not count in mean and variance, which
    are sums over the others divided by their number plus 1e-7; they are normalized like the others.
    """

    predicts: ClassVar[bool] = False
    statistics: ClassVar[int] = 2
    moves: ClassVar[int] = 2

    momentum: float
    epsilon: float
    scale: bool = True
    center: bool = True
    masked: bool = False

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of x."""
        return _spread_shape(*_unmasked(self.masked, shapes))


@dataclass(frozen=True)
class BatchRenorm(Op):
    """BatchNorm corrected towards the statistics of many batches (Ioffe, 2017), as in Keras.

    Operands: x, moving_mean, moving_variance, moving_stddev, renorm_mean, renorm_stddev, then gamma if ``scale``,
    then beta if ``center``, then the mask if ``masked``, shaped as those of BatchNorm.

    In a training step, with the batch's mean and ``stddev = sqrt(variance + epsilon)`` and with
    ``known = max(renorm_stddev, sqrt(epsilon))``: ``r = stddev / known``, ``d = (mean - renorm_mean) / known``, held
    to their limits and taken as constants by gradients; ``y = ((x - mean) / stddev * r + d) * gamma + beta``.
    Afterwards mean and stddev move renorm_mean and renorm_stddev by ``renorm_momentum``, and moving_mean and
    moving_stddev by ``momentum``; moving_variance becomes ``max(moving_stddev² - epsilon, 0)``.
    In evaluation moving_mean and moving_variance are used as in BatchNorm.
    """

    predicts: ClassVar[bool] = False
    statistics: ClassVar[int] = 5
    moves: ClassVar[int] = 5

    momentum: float
    epsilon: float
    renorm_momentum: float
    r_min: float | None = None
    r_max: float | None = None
    d_max: float | None = None
    scale: bool = True
    center: bool = True
    masked: bool = False

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of x."""
        return _spread_shape(*_unmasked(self.masked, shapes))


@dataclass(frozen=True)
class FixedNorm(Op):
    """Normalize by the moving statistics, also in training steps: gamma and beta learn, the statistics do not change.

    Operands and result are those of BatchNorm in evaluation. It is what a BatchNormalization that was called with
    ``training=False`` does.
    """

    predicts: ClassVar[bool] = False
    statistics: ClassVar[int] = 2

    epsilon: float
    scale: bool = True
    center: bool = True

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of x."""
        return _spread_shape(*shapes)


MASK_EPSILON = 1e-7
"""Keras adds this to the number of unmasked values before dividing by it."""


Norm = BatchNorm | BatchRenorm | FixedNorm


def weights_of(op: Norm, operands: Sequence[str]) -> tuple[str | None, str | None, str | None]:
    """The operands gamma, beta and mask of a normalization; None for each that it does not have."""
    rest = list(operands[1 + op.statistics :])
    gamma = rest.pop(0) if op.scale else None
    beta = rest.pop(0) if op.center else None
    return gamma, beta, rest.pop(0) if rest else None


def _unmasked(masked: bool, shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
    x, mask = shapes[0], shapes[-1]
    if masked and (
        len(mask) != len(x) - 1 or any(m not in (1, n) for m, n in zip(mask[1:], x[1:], strict=False))
    ):
        raise ConfigError(
            f"a mask of shape {mask} does not fit values of shape {x}: it must have their shape without the last axis"
        )
    return shapes[:-1] if masked else shapes


def _spread_shape(x: Shape, *statistics: Shape) -> Shape:
    for shape in statistics:
        if len(shape) != len(x) - 1 or any(s not in (1, n) for s, n in zip(shape, x[1:], strict=True)):
            raise ConfigError(f"BatchNorm cannot spread statistics of shape {shape} over {x}")
    return x


@dataclass(frozen=True)
class Drop(Op):
    """Random change in a training step, identity in evaluation.

    ``kind``: ``"dropout"`` zeroes with probability ``rate`` and divides the rest by ``1 - rate``;
    ``"gaussian_dropout"`` multiplies by a normal number with mean 1 and standard deviation
    ``sqrt(rate / (1 - rate))``; ``"gaussian_noise"`` adds a normal number with standard deviation ``rate``;
    ``"alpha_dropout"`` keeps mean and variance of a self-normalizing network (Klambauer et al., 2017).

    The number for an element comes from the counter-based generator Philox4x32-10 with key
    ``(seed, stream)`` and counter ``(step, index // 4)``, lane ``index % 4``, where ``index`` is the element's
    position in row-major order in the mask, whose axes marked ``shared`` (batch axis included) have size 1 and whose
    rows are each padded to a multiple of 4 positions. For most rates, two elements of dropout share a number
    (``philox.threshold``): then the counter is ``(step, index // 8)``, lane ``index % 8 // 2``, half ``index % 2`` from
    the low one on, and rows are padded to a multiple of 8. If ``rows`` is given, a batch must have this many rows.
    """

    predicts: ClassVar[bool] = False

    rate: float
    kind: DropKind = "dropout"
    stream: int = 0
    shared: tuple[bool, ...] = ()
    rows: int | None = None

    @property
    def batch_rows(self) -> int | None:
        """The number of rows of its mask, if fixed."""
        return self.rows

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of x."""
        return shapes[0]


@dataclass(frozen=True)
class BatchReduce(Op):
    """``sum`` or ``mean`` over the batch axis, the same for every row: what a loss divides by, or a rule's norm.

    It is the only operation of an expression that mixes rows. A program with it therefore processes data (validation
    data, too) in exactly the batches that it is given.
    """

    mixes_rows: ClassVar[bool] = True
    predicts: ClassVar[bool] = False

    kind: BatchReduceKind

    @property
    def label(self) -> str:
        return f"batch_{self.kind}"

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape."""
        return shapes[0]


@dataclass(frozen=True)
class RowShare(Op):
    """``1 / rows`` for each row: the gradient of a batch's mean loss on each row's loss. Operand: the losses."""

    predicts: ClassVar[bool] = False

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape."""
        return shapes[0]


@dataclass(frozen=True)
class SumTo(Op):
    """The inverse of broadcasting: a value summed to this shape, also over the rows if the shape has no batch axis."""

    predicts: ClassVar[bool] = False
    adds_up: ClassVar[bool] = True

    shape: Shape

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape."""
        return self.shape


@dataclass(frozen=True)
class DropGradient(Op):
    """The gradient through a Drop. Operands: its result, and the gradient on that."""

    data: ClassVar[int | None] = 2
    predicts: ClassVar[bool] = False
    in_place: ClassVar[bool] = True

    of: Drop

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of x."""
        return shapes[1]


@dataclass(frozen=True)
class NormGradient(Op):
    """The gradients through a normalization. Operands: its result, the gradient on that, and its own operands.

    Results: the requested ones of the gradients on x, gamma and beta.
    """

    data: ClassVar[int | None] = None
    mixes: ClassVar[bool] = True
    predicts: ClassVar[bool] = False
    as_found: ClassVar[bool] = True
    in_place: ClassVar[bool] = True

    of: Norm
    on_x: bool
    on_gamma: bool
    on_beta: bool

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of the first requested gradient."""
        return self._shapes(shapes)[0]

    def other_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shapes of the other requested gradients."""
        return self._shapes(shapes)[1:]

    def _shapes(self, shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
        x, statistics = shapes[2], shapes[3]
        return (x,) * self.on_x + (statistics,) * (self.on_gamma + self.on_beta)
