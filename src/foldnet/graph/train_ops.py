"""The operations of training programs: randomness, batch statistics, losses, metrics, updates.

They follow the rules of ``ops``: operands are named by nodes, shapes begin with the batch axis, and constant
operands (weights, states, numbers) have no batch axis. A batch-free operand of an expression op has the rank
of the other operand less one, each axis full or 1, as the weights of ``Affine`` have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from foldnet.errors import ConfigError
from foldnet.graph.ops import Op, Shape


@dataclass(frozen=True)
class BatchNorm(Op):
    """Normalize by the batch's own statistics and move the moving ones towards them.

    Operands: x, moving_mean, moving_variance, then gamma if ``scale``, then beta if ``center``, then the mask if
    ``masked``. All but x and the mask have the rank of x less one, full on the kept axes and 1 on the reduced
    ones. Statistics are taken over the batch axis and every axis of size 1 in the operands' shape.

    In a training step: mean and biased variance of the batch,
    ``y = (x - mean) / sqrt(variance + epsilon) * gamma + beta``, and afterwards
    ``moving = moving * momentum + batch * (1 - momentum)``. Gradients flow through mean and variance.
    In evaluation the moving statistics take the batch's place and do not move.

    The mask has the shape of x without its last axis. Values where it is 0 do not count in mean and variance, which
    are sums over the others divided by their number plus 1e-7; they are normalized like the others.
    """

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
    """BatchNorm corrected towards the statistics of many batches (Ioffe, 2017), as Keras has it.

    Operands: x, moving_mean, moving_variance, moving_stddev, renorm_mean, renorm_stddev, then gamma if ``scale``,
    then beta if ``center``, then the mask if ``masked``, shaped as those of BatchNorm.

    In a training step, with the batch's mean and ``stddev = sqrt(variance + epsilon)`` and with
    ``known = max(renorm_stddev, sqrt(epsilon))``: ``r = stddev / known``, ``d = (mean - renorm_mean) / known``, held
    to their limits and taken as constants by gradients; ``y = ((x - mean) / stddev * r + d) * gamma + beta``.
    Afterwards mean and stddev move renorm_mean and renorm_stddev by ``renorm_momentum``, and moving_mean and
    moving_stddev by ``momentum``; moving_variance becomes ``max(moving_stddev² - epsilon, 0)``.
    In evaluation moving_mean and moving_variance are used as in BatchNorm.
    """

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
    """Normalize by the moving statistics, in training steps, too; gamma and beta learn, the statistics rest.

    Operands and result are those of BatchNorm in evaluation. It is what a BatchNormalization that was called with
    ``training=False`` does.
    """

    epsilon: float
    scale: bool = True
    center: bool = True

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of x."""
        return _spread_shape(*shapes)


MASK_EPSILON = 1e-7
"""What Keras adds to the number of values that count before it divides by it."""

Norm = BatchNorm | BatchRenorm | FixedNorm


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
    place in row-major order in the mask, whose axes marked ``shared`` (batch axis included) have size 1 and whose
    rows are each padded to a multiple of 4 places. Where ``rows`` is given, a batch must have so many.
    """

    rate: float
    kind: str = "dropout"
    stream: int = 0
    shared: tuple[bool, ...] = ()
    rows: int | None = None

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of x."""
        return shapes[0]


UNARY = (
    "negative", "abs", "sign", "square", "sqrt", "rsqrt", "reciprocal", "exp", "expm1", "log", "log1p",
    "tanh", "sigmoid", "softplus", "sin", "cos", "floor", "logical_not", "stop_gradient",
)  # fmt: skip
"""What an expression may do to one value, elementwise."""

BINARY = (
    "add", "subtract", "multiply", "divide", "power", "maximum", "minimum",
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or",
)  # fmt: skip
"""What an expression may do to two values, elementwise; comparisons give 1.0 or 0.0 and have no gradient."""


@dataclass(frozen=True)
class Unary(Op):
    """One of ``UNARY``, elementwise."""

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
    placed: ClassVar[bool] = False

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
    placed: ClassVar[bool] = False

    def output_shape(self, *shapes: Shape) -> Shape:
        """The broadcast shape."""
        return broadcast(*shapes)


@dataclass(frozen=True)
class Reduce(Op):
    """``sum``, ``mean``, ``max``, ``min`` or ``argmax`` over axes other than the batch axis.

    The reduced axes stay with size 1 when ``keepdims``. ``argmax`` gives the first place of the largest value
    as a float and takes one axis. The gradient of ``max`` and ``min`` is shared equally among ties.
    """

    kind: str
    axes: tuple[int, ...]
    keepdims: bool = False

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape with the axes at size 1, or gone."""
        x = shapes[0]
        if any(not 0 < a < len(x) for a in self.axes):
            raise ConfigError(f"axes {self.axes} are not axes of {x} beside the batch axis")
        kept = tuple(1 if i in self.axes else n for i, n in enumerate(x))
        return kept if self.keepdims else tuple(n for i, n in enumerate(kept) if i not in self.axes)


@dataclass(frozen=True)
class BatchReduce(Op):
    """``sum`` or ``mean`` over the batch axis, the same for every row: what a loss divides by, or a rule's norm.

    It is the one part of an expression that mixes rows, so a program that holds it goes through data, validation
    data included, in the very batches that it is told.
    """

    kind: str

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape."""
        if self.kind not in ("sum", "mean"):
            raise ConfigError(f"there is no reduction of a batch {self.kind!r}")
        return shapes[0]


@dataclass(frozen=True)
class OneHot(Op):
    """Indices to rows of 0 and 1 along a new last axis; an index outside gives only 0."""

    size: int

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape with ``size`` last."""
        return (*shapes[0], self.size)


EVERYWHERE: tuple[type[Op], ...] = (Combine, Where, Reduce)
"""Those that prediction programs hold, too: what masks are made of and values chosen by."""


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
