"""Operations that move values, in NumPy."""

from __future__ import annotations

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError
from foldnet.graph.op import INT, Op
from foldnet.operations.kernels import Kernel, StepContext
from foldnet.operations.structure.op import (
    Cast,
    Concatenate,
    Gather,
    Identity,
    JoinColumns,
    OneHot,
    Part,
    PartGradient,
    Pick,
    PickGradient,
    Repeat,
    Reshape,
    Slice,
    SliceGradient,
    Stretch,
    TableGradient,
    Transpose,
)


def reshape(op: Reshape, x: Array) -> Array:
    """The same values in row-major order."""
    rows = op.output_shape(x.shape)
    return x.reshape([0 if n is None else n for n in rows])


def transpose(op: Transpose, x: Array) -> Array:
    """The axes in another order."""
    return x.transpose(op.permutation)


def repeat(op: Repeat, x: Array) -> Array:
    """Copies of the row along a new axis after the batch axis."""
    return np.repeat(x[:, np.newaxis], op.count, axis=1)


def concatenate(op: Concatenate, *parts: Array) -> Array:
    """The parts one after the other along the axis."""
    return np.concatenate(parts, axis=op.axis)


def gather(op: Gather, indices: Array, table: Array) -> Array:
    """Rows of the table.

    Raises:
        InputError: an index that the table does not have. (Keras gives NaN or the nearest row for it.)
    """
    outside = (indices < 0) | (indices >= len(table))
    if outside.any():
        raise InputError(
            f"the index {indices[outside][0]} has no row in an embedding of {len(table)} rows; "
            f"indices must lie between 0 and {len(table) - 1}"
        )
    return table[indices]


def identity(op: Identity, x: Array) -> Array:
    """The operand."""
    return x


def cast(op: Cast, x: Array) -> Array:
    """To 32-bit indices, or to floats.

    Raises:
        InputError: a value has no 32-bit integer.
    """
    return to_index(x) if op.dtype == INT else x.astype(np.float64)


def to_index(x: Array) -> Array:
    """Whole numbers of 32 bits, truncated towards zero.

    Raises:
        InputError: a value is not finite, or too large.
    """
    if x.dtype.kind != "b" and x.size:
        limits = np.iinfo(np.int32)
        fits = (x >= limits.min) & (x <= limits.max)
        if not fits.all():
            raise InputError(f"{x[~fits][0]} cannot be an index: indices are whole numbers of 32 bits")
    return x.astype(np.int32)


def one_hot(op: OneHot, indices: Array) -> Array:
    """Indices as rows of 0 and 1."""
    return (indices[..., None] == np.arange(op.size)).astype(np.float64)


def slice_(op: Slice, x: Array) -> Array:
    """A slice of each axis."""
    return x[(slice(None), *(slice(*entry) for entry in op.slices))]


def pick(op: Pick, x: Array) -> Array:
    """Positions of one axis."""
    return np.take(x, op.places, axis=op.axis)


def stretch(op: Stretch, x: Array) -> Array:
    """Each position again and again."""
    for axis, count in enumerate(op.counts, start=1):
        x = np.repeat(x, count, axis=axis) if count != 1 else x
    return x


def slice_gradient(op: SliceGradient, context: StepContext, x: Array, g: Array) -> Array:
    """At the positions that were taken, 0 elsewhere."""
    on_x = np.zeros_like(x)
    on_x[(slice(None), *(slice(*entry) for entry in op.of.slices))] = g
    return on_x


def part(op: Part, context: StepContext, w: Array) -> Array:
    """The positions of the part."""
    found = w[tuple(map(slice, op.starts, op.ends))]
    return found.reshape(op.output_shape(w.shape))


def part_gradient(op: PartGradient, context: StepContext, g: Array) -> Array:
    """In its place, 0 elsewhere."""
    on_w = np.zeros(op.shape, g.dtype)
    on_w[tuple(map(slice, op.of.starts, op.of.ends))] = g.reshape(op.of.sizes)
    return on_w


def join_columns(op: JoinColumns, context: StepContext, *parts: Array) -> Array:
    """Side by side."""
    return np.concatenate(parts, axis=1)


def pick_gradient(op: PickGradient, context: StepContext, x: Array, g: Array) -> Array:
    """Summed over each position's copies."""
    on_x = np.zeros_like(x)
    np.add.at(np.moveaxis(on_x, op.of.axis, 0), list(op.of.places), np.moveaxis(g, op.of.axis, 0))
    return on_x


def table_gradient(op: TableGradient, context: StepContext, indices: Array, g: Array) -> Array:
    """Summed over all indices that read a row."""
    on_table = np.zeros((op.count, g.shape[-1]), g.dtype)
    np.add.at(on_table, indices, g)
    return on_table


RULES: dict[type[Op], Kernel] = {
    Reshape: Kernel(reshape),
    Transpose: Kernel(transpose),
    Repeat: Kernel(repeat),
    Concatenate: Kernel(concatenate),
    Gather: Kernel(gather),
    Cast: Kernel(cast),
    Identity: Kernel(identity),
    OneHot: Kernel(one_hot),
    Slice: Kernel(slice_),
    Stretch: Kernel(stretch),
    Pick: Kernel(pick),
    PickGradient: Kernel(None, pick_gradient),
    SliceGradient: Kernel(None, slice_gradient),
    Part: Kernel(None, part),
    PartGradient: Kernel(None, part_gradient),
    JoinColumns: Kernel(None, join_columns),
    TableGradient: Kernel(None, table_gradient),
}
