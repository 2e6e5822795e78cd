"""The closed set of operations that layers lower to and engines compute.

An op holds settings only; its operands (data and weights alike) are named by the graph's nodes. Every shape
includes the batch axis, which comes first and is ``None`` until data arrives. ``output_shape`` is the op's
rule about shapes: lowering uses it to type what it emits, and the checker to hold every pass to it.

Where an op takes an ``activation``, it is applied to the op's result. Lowering leaves it empty; the pass that
fuses activations fills it in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from foldnet.errors import ConfigError

Shape = tuple[int | None, ...]
Row = tuple[int, ...]
"""Shape of one row of a value, or of the whole of a constant, with all sizes known."""
FLOAT, INT = "float", "int"


@dataclass(frozen=True)
class Elementwise:
    """An elementwise activation by its Keras name, with every parameter spelt out.

    ``function`` is set only for an activation that the caller supplied as a NumPy function; such a one runs
    on the reference engine alone.
    """

    name: str
    params: tuple[tuple[str, float], ...] = ()
    function: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]] | None = None

    def __str__(self) -> str:
        return self.name + (f"({', '.join(f'{k}={v:g}' for k, v in self.params)})" if self.params else "")


ROWS = "0"
"""The batch axis among the letters of a ``Sum``."""


@dataclass(frozen=True)
class Sum:
    """A sum of products, one term after the other, with a letter for each axis, as in ``einsum``.

    Attributes:
        operands: the letters of each factor, ``ROWS`` for the batch axis. Operands after these are added at the end.
        result: the letters of the result. All others are summed over, in the order in which they first appear.
        mean: whether the sum is divided by the number of its terms.
        running: the letter along which the result has every partial sum, if there is one.
    """

    operands: tuple[Sequence[str], ...]
    result: Sequence[str]
    mean: bool = False
    running: str = ""


@dataclass(frozen=True)
class Op:
    """Base of all operations.

    Attributes:
        data: how many operands are data, which come first; None for any number from one on.
        weights: the least and the largest number of constant operands, which come after the data.
    """

    data: ClassVar[int | None] = 1
    weights: ClassVar[tuple[int, int]] = (0, 0)

    def data_operands(self, count: int) -> int:
        """How many of ``count`` operands are data."""
        return count if self.data is None else self.data

    def output_shape(self, *shapes: Shape) -> Shape:
        """Shape of the result, given the operands' shapes; raises ConfigError where they do not fit."""
        raise TypeError(f"{type(self).__name__} has no shape rule")  # every op below states its own

    def output_dtype(self, *dtypes: str) -> str:
        """``"float"`` (the engine's working precision) or ``"int"`` (32-bit indices)."""
        return FLOAT

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """How many products a row takes, by which work is divided among threads; 0 where it goes by elements."""
        return 0

    def summed(self, *shapes: Shape) -> Sum | None:
        """What it sums for operands of these shapes, by which float32 rounding is measured; None if nothing."""
        return None


@dataclass(frozen=True)
class Fusable(Op):
    """An op into which a following elementwise activation can be fused."""

    activation: Elementwise | None = None


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
        """Inputs times a column of the kernel; None where an activation changes the sum."""
        x = (ROWS, *(f"x{i}" for i in range(1, len(shapes[0]))))
        return Sum((x, (x[-1], "unit")), (*x[:-1], "unit")) if self.activation is None else None


@dataclass(frozen=True)
class Affine(Fusable):
    """``(x - shift) * scale + offset``. Operands: x, scale, offset, and optionally shift.

    The last three have the rank of x without its batch axis, each axis full or 1. The form with ``shift`` is
    kept where folding it into the offset would cancel (``|mean|`` far above the standard deviation).
    """

    weights: ClassVar[tuple[int, int]] = (2, 3)

    def output_shape(self, *shapes: Shape) -> Shape:
        x = shapes[0]
        for shape in shapes[1:]:
            if len(shape) != len(x) - 1 or any(
                s != 1 and n is not None and s != n for s, n in zip(shape, x[1:], strict=True)
            ):
                raise ConfigError(f"Affine cannot spread weights of shape {shape} over {x}")
        return x


@dataclass(frozen=True)
class Activation(Op):
    """An elementwise activation of one operand."""

    function: Elementwise

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]


@dataclass(frozen=True)
class PRelu(Op):
    """``max(x, 0) + alpha * min(x, 0)``. Operands: x, alpha (rank of x less one, each axis full or 1)."""

    weights: ClassVar[tuple[int, int]] = (1, 1)

    def output_shape(self, *shapes: Shape) -> Shape:
        return Affine().output_shape(*shapes)


@dataclass(frozen=True)
class AxisOp(Op):
    """An op that works along one axis other than the batch axis; ``axis`` is positive."""

    axis: int

    def output_shape(self, *shapes: Shape) -> Shape:
        if not 0 < self.axis < len(shapes[0]):
            raise ConfigError(f"axis {self.axis} is not an axis of {shapes[0]} beside the batch axis")
        return shapes[0]


@dataclass(frozen=True)
class Softmax(AxisOp):
    """``exp(x - max) / sum(exp(x - max))`` along the axis, or its logarithm."""

    log: bool = False


@dataclass(frozen=True)
class Sparsemax(AxisOp):
    """``max(x - tau, 0)`` along the axis, with Keras's ``tau``: see ``foldnet.activations.sparsemax``."""


@dataclass(frozen=True)
class Glu(AxisOp):
    """Gated linear unit: the first half of the axis times the sigmoid of the second."""

    def output_shape(self, *shapes: Shape) -> Shape:
        x = super().output_shape(*shapes)
        size = x[self.axis]
        if size is not None and size % 2:
            raise ConfigError(f"glu needs an even axis {self.axis}, got shape {x}")
        return (*x[: self.axis], None if size is None else size // 2, *x[self.axis + 1 :])


@dataclass(frozen=True)
class Moments(Op):
    """Normalize each row by its own statistics over ``axes``; no weights (an Affine follows where there are).

    ``kind``: ``"standard"`` gives ``(x - mean) / sqrt(var + epsilon)``, ``"rms"`` gives
    ``x / sqrt(mean(x²) + epsilon)``, ``"l2"`` gives ``x / sqrt(max(sum(x²), epsilon))``, ``"variance"`` gives
    ``x / sqrt(var + epsilon)`` (LayerNormalization with ``rms_scaling``, which does not centre).
    """

    axes: tuple[int, ...]
    epsilon: float
    kind: str = "standard"

    def output_shape(self, *shapes: Shape) -> Shape:
        if self.kind not in ("standard", "rms", "l2", "variance"):
            raise ConfigError(f"Moments has no kind {self.kind!r}")
        if not self.axes or any(not 0 < a < len(shapes[0]) for a in self.axes):
            raise ConfigError(f"axes {self.axes} are not axes of {shapes[0]} beside the batch axis")
        return shapes[0]


@dataclass(frozen=True)
class GroupMoments(AxisOp):
    """``(x - mean) / sqrt(var + epsilon)`` by groups of channels, each with its own statistics in each row.

    Channels lie along ``axis``; group ``g`` of ``groups`` equal ones holds channels ``g * size`` up to
    ``(g + 1) * size``. Mean and variance are over the group's channels and all other axes but the batch axis.
    """

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
class Reshape(Op):
    """Same values in row-major order under another shape (without the batch axis); one entry may be -1."""

    target: tuple[int, ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        x = shapes[0]
        known = prod(t for t in self.target if t != -1)
        if any(n is None for n in x[1:]):
            return (x[0], *(None if t == -1 else t for t in self.target))
        size = prod(n for n in x[1:] if n is not None)
        fits = size % known == 0 if known and -1 in self.target else size == known
        if self.target.count(-1) > 1 or not fits:
            raise ConfigError(f"cannot reshape rows of shape {x[1:]} to {self.target}")
        return (x[0], *(size // known if t == -1 and known else max(t, 0) for t in self.target))

    def output_dtype(self, *dtypes: str) -> str:
        return dtypes[0]


@dataclass(frozen=True)
class Transpose(Op):
    """Reorder axes; ``permutation`` covers all axes and keeps the batch axis first."""

    permutation: tuple[int, ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        if sorted(self.permutation) != list(range(len(shapes[0]))) or self.permutation[0] != 0:
            raise ConfigError(f"{self.permutation} does not permute the axes of {shapes[0]} after the first")
        return tuple(shapes[0][p] for p in self.permutation)

    def output_dtype(self, *dtypes: str) -> str:
        return dtypes[0]


@dataclass(frozen=True)
class Repeat(Op):
    """Insert an axis of size ``count`` after the batch axis and copy the row along it."""

    count: int

    def output_shape(self, *shapes: Shape) -> Shape:
        return (shapes[0][0], self.count, *shapes[0][1:])

    def output_dtype(self, *dtypes: str) -> str:
        return dtypes[0]


@dataclass(frozen=True)
class Binary(Fusable):
    """``kind`` of two operands of one rank, broadcast over axes of size 1 (never over the batch axis).

    ``kind`` is one of ``add``, ``subtract``, ``multiply``, ``maximum``, ``minimum``.
    """

    data: ClassVar[int | None] = 2

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


@dataclass(frozen=True)
class Concatenate(AxisOp):
    """Join the operands, all of one dtype, along the axis."""

    data: ClassVar[int | None] = None

    def output_shape(self, *shapes: Shape) -> Shape:
        x = super().output_shape(*shapes)
        for shape in shapes:
            rest = zip(
                shape[: self.axis] + shape[self.axis + 1 :], x[: self.axis] + x[self.axis + 1 :], strict=False
            )
            if len(shape) != len(x) or any(a != b and a is not None and b is not None for a, b in rest):
                raise ConfigError(f"cannot join shapes {shapes} along axis {self.axis}")
        sizes = [shape[self.axis] for shape in shapes]
        total = sum(s for s in sizes if s is not None)
        return (*x[: self.axis], None if None in sizes else total, *x[self.axis + 1 :])

    def output_dtype(self, *dtypes: str) -> str:
        return INT if all(d == INT for d in dtypes) else FLOAT


@dataclass(frozen=True)
class Dot(Op):
    """Batched dot product of two operands, contracting one axis of each (positive, not the batch axis).

    The result has the remaining axes of the first operand, then those of the second; a result without any
    axis gets one of size 1, as in Keras.
    """

    data: ClassVar[int | None] = 2

    axes: tuple[int, int]

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
class Gather(Op):
    """Rows of a table: operands are int indices and the table (count, width); adds a last axis.

    An index outside ``0 <= index < count`` is an error of the data (InputError), never clamped.
    """

    weights: ClassVar[tuple[int, int]] = (1, 1)

    def output_shape(self, *shapes: Shape) -> Shape:
        return (*shapes[0], shapes[1][1])


@dataclass(frozen=True)
class Cast(Op):
    """Convert to ``"float"``, or to ``"int"``: truncated towards zero; beyond 32 bits is an InputError."""

    dtype: str

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def output_dtype(self, *dtypes: str) -> str:
        return self.dtype


@dataclass(frozen=True)
class Identity(Op):
    """The operand itself: what Dropout is at prediction time."""

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def output_dtype(self, *dtypes: str) -> str:
        return dtypes[0]
