"""The operations beside the layers' own: those of expressions, and what only training programs hold.

Expressions are losses, metrics, update rules, and the operations that join a network's layers (``x + 1``,
``ops.mean(x, axis=1)``), so that prediction programs hold them, too (``EXPRESSION_OPS``). Randomness, batch
statistics and what goes over the batch belong to training programs alone.

They follow the rules of ``ops``: operands are named by nodes, shapes begin with the batch axis, and constant
operands (weights, states, numbers) have no batch axis. A batch-free operand of an expression op has the rank
of the other operand less one, each axis full or 1, as the weights of ``Affine`` have.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from foldnet.errors import ConfigError
from foldnet.graph.ops import ROWS, Op, Row, Shape, Sum


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


@dataclass(frozen=True)
class TurnedDense(Op):
    """``x @ kernel.T`` over the last axis. Operands: x, kernel (out, in): a kernel that is stored the other way round.

    A prediction program holds a Dense and the kernel turned.
    """

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

    def summed(self, *shapes: Shape) -> Sum | None:
        """The operand's values over the axes; None where they are compared, not added."""
        x = (ROWS, *(f"x{i}" for i in range(1, len(shapes[0]))))
        kept = [letter for i, letter in enumerate(x) if i not in self.axes]
        return Sum((x,), kept, mean=self.kind == "mean") if self.kind in ("sum", "mean") else None


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


@dataclass(frozen=True)
class Slice(Op):
    """Every ``step``-th position from ``start`` up to ``stop`` of each axis but the batch axis, as Python slices.

    ``slices`` holds (start, stop, step) for each axis; an axis whose size is not known yet keeps it open.
    """

    slices: tuple[tuple[int | None, int | None, int], ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        """The number of positions on each axis."""
        (x,) = shapes
        if len(self.slices) != len(x) - 1 or any(step == 0 for _, _, step in self.slices):
            raise ConfigError(f"slices {self.slices} do not fit the axes of {x} beside the batch axis")
        sizes = (
            n if entry == (None, None, 1) else None if n is None else len(range(*slice(*entry).indices(n)))
            for n, entry in zip(x[1:], self.slices, strict=True)
        )
        return (x[0], *sizes)

    def places(self, shape: Shape) -> list[range]:
        """The positions that are taken of each axis of a row's shape."""
        pairs = zip(self.slices, shape, strict=True)
        return [range(*slice(*entry).indices(int(n or 0))) for entry, n in pairs]

    def output_dtype(self, *dtypes: str) -> str:
        """The operand's."""
        return dtypes[0]


@dataclass(frozen=True)
class Pick(Op):
    """The given positions along one axis, in the given order; a position may come several times or never."""

    axis: int
    places: tuple[int, ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        """The number of positions in place of the axis's size."""
        (x,) = shapes
        size = x[self.axis] if 0 < self.axis < len(x) else -1
        if size is not None and any(not 0 <= p < size for p in self.places):
            raise ConfigError(f"positions {self.places} are not all on axis {self.axis} of {x}")
        return (*x[: self.axis], len(self.places), *x[self.axis + 1 :])

    def output_dtype(self, *dtypes: str) -> str:
        """The operand's."""
        return dtypes[0]


@dataclass(frozen=True)
class Product(Op):
    """Products of two values summed over the letters that the result has not: ``einsum`` with the rows kept.

    Each string names the axes beside the batch axis by letters. An operand without a batch axis is the same for
    every row.
    """

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
                    raise ConfigError(f"axis {letter!r} is {sizes[letter]} here and {n} there, in {shapes}")
        if not set(self.result) <= set(sizes) or len(set(self.result)) != len(self.result):
            raise ConfigError(f"the result's axes {self.result!r} are not all among the operands'")
        return (rows, *(sizes[letter] for letter in self.result))

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """One for each position of all letters."""
        sizes = dict(zip(self.left + self.right, operands[0] + operands[1], strict=True))
        return prod(sizes.values())

    def summed(self, *shapes: Shape) -> Sum:
        """As its letters have it."""
        left, right = (
            (*([ROWS] if len(shape) > len(own) else []), *own)
            for own, shape in zip((self.left, self.right), shapes, strict=True)
        )
        return Sum((left, right), (ROWS, *self.result))


@dataclass(frozen=True)
class CumulativeSum(Op):
    """Running sums along one axis other than the batch axis."""

    axis: int

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape."""
        if not 0 < self.axis < len(shapes[0]):
            raise ConfigError(f"axis {self.axis} is not an axis of {shapes[0]} beside the batch axis")
        return shapes[0]

    def summed(self, *shapes: Shape) -> Sum:
        """Every partial sum along the axis."""
        x = (ROWS, *(f"x{i}" for i in range(1, len(shapes[0]))))
        return Sum((x,), x, running=x[self.axis])


EXPRESSION_OPS: tuple[type[Op], ...] = (
    Unary, Combine, Where, Reduce, OneHot, Slice, Pick, Product, CumulativeSum,
)  # fmt: skip
"""What expressions are made of beside the layers' ops; any operand may be constant, as long as not all are."""


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
