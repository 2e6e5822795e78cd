"""Operations that move values without changing them: shapes, slices, look-ups, types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.graph.op import FLOAT, INT, AxisOp, Dtype, Keeps, Op, Row, Shape


def like(axis: int) -> int:
    """The entry of a Reshape's target for the size that the operand has on this axis.

    >>> like(1), like(2)
    (-2, -3)
    """
    return -1 - axis


@dataclass(frozen=True)
class Reshape(Op):
    """Same values in row-major order under another shape.

    Attributes:
        target: the sizes without the batch axis. One entry may be -1, for what the others leave. Entries below -1 are
            sizes of the operand's axes, each at most once: see ``like``.
    """

    keeps_values: ClassVar[Keeps] = "all"

    target: tuple[int, ...]

    def is_alias(self, dtype: str) -> bool:
        return True

    def output_shape(self, *shapes: Shape) -> Shape:
        x = shapes[0]
        taken = [like(t) for t in self.target if t < -1]
        if self.target.count(-1) > 1 or len(set(taken)) != len(taken) or any(a >= len(x) for a in taken):
            raise self._misfit(x)
        sizes = [x[like(t)] if t < -1 else None if t == -1 else t for t in self.target]
        left = [n for axis, n in enumerate(x) if axis and axis not in taken]
        if None in left:
            return (x[0], *sizes)
        size, known = prod(n or 0 for n in left), prod(t for t in self.target if t >= 0)
        if not (size % known == 0 if known and -1 in self.target else size == known):
            raise self._misfit(x)
        return (
            x[0],
            *(
                (size // known if known else 0) if t == -1 else n
                for t, n in zip(self.target, sizes, strict=True)
            ),
        )

    def _misfit(self, x: Shape) -> ConfigError:
        return ConfigError(f"cannot reshape rows of shape {x[1:]} to {self.target}")

    def output_dtype(self, *dtypes: Dtype) -> Dtype:
        return dtypes[0]


def reshape_to(shape: Shape, sizes: Sequence[int | None]) -> Reshape:
    """The Reshape of a value of this shape to these sizes, without the batch axis.

    Several sizes may be free if they are the free sizes of the value, in their order. One may also be what the others
    leave.

    Raises:
        UnsupportedError: several sizes are free, and are not those of the value.

    >>> reshape_to((None, None, None, 6), (None, 1, None, 6)).target
    (-2, 1, -3, 6)
    >>> reshape_to((None, None, 6), (None,)).target
    (-1,)
    """
    free = [axis for axis, n in enumerate(shape) if axis and n is None]
    if list(sizes).count(None) == 1:
        return Reshape(tuple(-1 if n is None else n for n in sizes))
    if list(sizes).count(None) not in (0, len(free)):
        raise UnsupportedError(
            f"rows of shape {shape[1:]} cannot get the shape {tuple(sizes)}: it is not known yet which sizes the free "
            "ones are"
        )
    axes = iter(free)
    return Reshape(tuple(like(next(axes)) if n is None else n for n in sizes))


@dataclass(frozen=True)
class Transpose(Op):
    """Reorder axes; ``permutation`` covers all axes and keeps the batch axis first."""

    keeps_values: ClassVar[Keeps] = "all"
    reorders_axes: ClassVar[bool] = True

    permutation: tuple[int, ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        if sorted(self.permutation) != list(range(len(shapes[0]))) or self.permutation[0] != 0:
            raise ConfigError(f"{self.permutation} does not permute the axes of {shapes[0]} after the first")
        return tuple(shapes[0][p] for p in self.permutation)

    def output_dtype(self, *dtypes: Dtype) -> Dtype:
        return dtypes[0]


@dataclass(frozen=True)
class Repeat(Op):
    """Insert an axis of size ``count`` after the batch axis and copy the row along it."""

    keeps_values: ClassVar[Keeps] = "some"

    count: int

    def output_shape(self, *shapes: Shape) -> Shape:
        return (shapes[0][0], self.count, *shapes[0][1:])

    def output_dtype(self, *dtypes: Dtype) -> Dtype:
        return dtypes[0]


@dataclass(frozen=True)
class Stretch(Op):
    """Each position so often in a row, along axes.

    Attributes:
        counts: for each axis after the batch axis, how often.
    """

    keeps_values: ClassVar[Keeps] = "some"

    counts: tuple[int, ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape with longer axes."""
        (x,) = shapes
        if len(self.counts) != len(x) - 1 or any(count < 1 for count in self.counts):
            raise ConfigError(f"{self} does not fit a value of shape {x}")
        return (x[0], *(None if n is None else n * k for n, k in zip(x[1:], self.counts, strict=True)))

    def output_dtype(self, *dtypes: Dtype) -> Dtype:
        """The operand's."""
        return dtypes[0]


@dataclass(frozen=True)
class Concatenate(AxisOp):
    """Join the operands, all of one dtype, along the axis."""

    keeps_values: ClassVar[Keeps] = "some"
    data: ClassVar[int | None] = None

    @property
    def is_ordered(self) -> bool:
        """The order of the operands matters."""
        return True

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

    def output_dtype(self, *dtypes: Dtype) -> Dtype:
        return INT if all(d == INT for d in dtypes) else FLOAT


@dataclass(frozen=True)
class Gather(Op):
    """Rows of a table: operands are int indices and the table (count, width); adds a last axis.

    An index outside ``0 <= index < count`` is an InputError; it is never clamped.
    """

    fault: ClassVar[str] = "an index outside its table"
    weights: ClassVar[tuple[int, int]] = (1, 1)

    def output_shape(self, *shapes: Shape) -> Shape:
        return (*shapes[0], shapes[1][1])

    def table_rows(self, *shapes: Shape) -> int | None:
        """The size of its table."""
        return shapes[1][0]

    def refusal(self, layer: str, *shapes: Shape) -> str:
        """The error text for an index outside the table."""
        count = int(shapes[1][0] or 0)
        return (
            f"an index has no row in the embedding of layer {layer!r}, which has {count} rows; "
            f"indices must lie between 0 and {count - 1}"
        )


@dataclass(frozen=True)
class Cast(Op):
    """Convert to ``"float"``, or to ``"int"``: truncated towards zero; beyond 32 bits is an InputError."""

    fault: ClassVar[str] = "a number that is no index"
    keeps_values: ClassVar[Keeps] = "in place"

    dtype: Dtype

    def is_alias(self, dtype: str) -> bool:
        return dtype == self.dtype

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def output_dtype(self, *dtypes: Dtype) -> Dtype:
        return self.dtype

    def refusal(self, layer: str, *shapes: Shape) -> str:
        """The error text for a value that is not a 32-bit integer."""
        return f"layer {layer!r} takes indices, whole numbers of 32 bits, and a value is not one"


@dataclass(frozen=True)
class Identity(Op):
    """The operand itself: what Dropout is at prediction time."""

    keeps_values: ClassVar[Keeps] = "in place"
    is_identity: ClassVar[bool] = True

    def is_alias(self, dtype: str) -> bool:
        return True

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def output_dtype(self, *dtypes: Dtype) -> Dtype:
        return dtypes[0]


@dataclass(frozen=True)
class OneHot(Op):
    """Indices to rows of 0 and 1 along a new last axis; an index outside gives only 0."""

    mixes: ClassVar[bool] = True

    size: int

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape with ``size`` last."""
        return (*shapes[0], self.size)


@dataclass(frozen=True)
class Places:
    """So many positions of an axis, from the first on, with a step from each to the next."""

    start: int
    step: int
    count: int


def taken(entry: tuple[int | None, int | None, int], n: int) -> Places:
    """The positions that a Python slice takes of ``n``.

    >>> taken((1, -1, 2), 6), taken((None, None, -1), 3)
    (Places(start=1, step=2, count=2), Places(start=2, step=-1, count=3))
    """
    start, stop, step = entry
    first, end = (0, n) if step > 0 else (n - 1, -1)
    low, high = min(first, end), max(first, end)

    def within(place: int | None, otherwise: int) -> int:
        if place is None:
            return otherwise
        return min(max(place + n if place < 0 else place, low), high)

    begin = within(start, first)
    over = within(stop, end) - begin
    count = -(-over // step) if step > 0 else -(over // -step)
    return Places(begin, step, max(count, 0))


WHOLE_AXIS = (None, None, 1)
"""The entry of a Slice for an axis of which it takes everything."""


@dataclass(frozen=True)
class Slice(Op):
    """Every ``step``-th position from ``start`` up to ``stop`` of each axis but the batch axis, as Python slices.

    ``slices`` holds (start, stop, step) for each axis; an axis of unknown size may have an open slice.
    """

    keeps_values: ClassVar[Keeps] = "some"
    mixes: ClassVar[bool] = True

    slices: tuple[tuple[int | None, int | None, int], ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        """The number of positions on each axis."""
        (x,) = shapes
        if len(self.slices) != len(x) - 1 or any(step == 0 for _, _, step in self.slices):
            raise ConfigError(f"slices {self.slices} do not fit the axes of {x} other than the batch axis")
        sizes = (
            n if entry == (None, None, 1) else None if n is None else taken(entry, n).count
            for n, entry in zip(x[1:], self.slices, strict=True)
        )
        return (x[0], *sizes)

    def places(self, shape: Row) -> list[Places]:
        """The positions taken on each axis of a row's shape."""
        return [taken(entry, n) for entry, n in zip(self.slices, shape, strict=True)]

    def output_dtype(self, *dtypes: Dtype) -> Dtype:
        """The operand's."""
        return dtypes[0]


@dataclass(frozen=True)
class Pick(Op):
    """The given positions along one axis, in the given order; a position may come several times or never."""

    keeps_values: ClassVar[Keeps] = "some"
    mixes: ClassVar[bool] = True

    axis: int
    places: tuple[int, ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        """The operand's shape with the number of positions as the axis's size."""
        (x,) = shapes
        size = x[self.axis] if 0 < self.axis < len(x) else -1
        if size is not None and any(not 0 <= p < size for p in self.places):
            raise ConfigError(f"positions {self.places} are not all on axis {self.axis} of {x}")
        return (*x[: self.axis], len(self.places), *x[self.axis + 1 :])

    def output_dtype(self, *dtypes: Dtype) -> Dtype:
        """The operand's."""
        return dtypes[0]


@dataclass(frozen=True)
class SliceGradient(Op):
    """The gradient through a Slice: at the positions that it took, and 0 elsewhere. Operands: x, and the gradient."""

    data: ClassVar[int | None] = 2
    predicts: ClassVar[bool] = False

    of: Slice

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of x."""
        return shapes[0]


@dataclass(frozen=True)
class PickGradient(Op):
    """The gradient through a Pick, summed over a position's copies. Operands: x, and the gradient."""

    data: ClassVar[int | None] = 2
    predicts: ClassVar[bool] = False

    of: Pick

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of x."""
        return shapes[0]


@dataclass(frozen=True)
class TableGradient(Op):
    """The gradient on the table of a Gather, of so many rows. Operands: indices, and the gradient on its result."""

    data: ClassVar[int | None] = 2
    predicts: ClassVar[bool] = False

    count: int

    def output_shape(self, *shapes: Shape) -> Shape:
        """The table's shape, without rows of data."""
        return (self.count, shapes[1][-1])


@dataclass(frozen=True)
class Part(Op):
    """A part of a weight, or all of it, under a shape of its own, for training programs.

    Attributes:
        starts, ends: of the part on each axis of the weight.
        shape: of the result, which has the part's elements in row-major order.
    """

    data: ClassVar[int | None] = 0
    weights: ClassVar[tuple[int, int]] = (1, 1)
    predicts: ClassVar[bool] = False

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    shape: Row

    @property
    def sizes(self) -> Row:
        """Of the part on each axis of the weight."""
        return tuple(end - start for start, end in zip(self.starts, self.ends, strict=True))

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape."""
        (w,) = shapes
        if not len(w) == len(self.starts) == len(self.ends) or any(
            n is None or not 0 <= start <= end <= n
            for start, end, n in zip(self.starts, self.ends, w, strict=True)
        ):
            raise ConfigError(f"{self} is no part of a weight of shape {w}")
        if prod(self.sizes) != prod(self.shape):
            raise ConfigError(f"{self} has another number of elements than its shape")
        return self.shape


@dataclass(frozen=True)
class PartGradient(Op):
    """The gradient through a Part: in its place, and 0 elsewhere. Operand: the gradient on the part."""

    predicts: ClassVar[bool] = False

    of: Part
    shape: Row

    def output_shape(self, *shapes: Shape) -> Shape:
        """The weight's shape."""
        return self.shape


@dataclass(frozen=True)
class JoinColumns(Op):
    """Matrices without rows of data, side by side: a gradient on a kernel that was computed in parts."""

    data: ClassVar[int | None] = None
    predicts: ClassVar[bool] = False

    def output_shape(self, *shapes: Shape) -> Shape:
        """The first axis of each, and the sum of their columns."""
        if any(len(s) != 2 or s[0] != shapes[0][0] for s in shapes):
            raise ConfigError(f"matrices of shapes {shapes} cannot lie side by side")
        return (shapes[0][0], sum(int(s[1] or 0) for s in shapes))
