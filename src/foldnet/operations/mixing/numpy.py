"""Images that take something from the others of their batch, in NumPy."""

from __future__ import annotations

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.batch import philox
from foldnet.operations.kernels import Kernel, StepContext
from foldnet.operations.mixing.op import LEVELS, Equalize, EqualizeGradient, Shuffle, ShuffleGradient


def shuffle(op: Shuffle, context: StepContext, x: Array) -> Array:
    """The rows in another order."""
    return x[_order(op, context, len(x))]


def shuffle_gradient(op: ShuffleGradient, context: StepContext, y: Array, g: Array) -> Array:
    """Each row's goes back to the row that it was."""
    found = np.empty_like(g)
    found[_order(op.of, context, len(g))] = g
    return found


def _order(op: Shuffle, context: StepContext, rows: int) -> Array:
    if not context.training:
        return np.arange(rows)
    return philox.permutation(context.seed, op.stream, context.step, rows)


def _levels(scaled: Array) -> Array:
    """Numbers of levels: cut to whole numbers, held to those that there are."""
    with np.errstate(invalid="ignore"):
        return np.where(scaled >= 0, np.minimum(scaled, LEVELS - 1), 0).astype(np.int64)


def _table(values: Array) -> Array | None:
    """What each level becomes, in float32 as Keras computes it; None if there are no two levels."""
    most = np.float32(LEVELS - 1)
    counts = np.bincount(_levels(values.astype(np.float32) * most / most), minlength=LEVELS)
    if np.count_nonzero(counts) <= 1:
        return None
    upto = np.cumsum(counts)
    first = upto[np.argmax(upto > 0)]
    numbers = ((upto - first) * 255).astype(np.float32) / np.float32(max(upto[-1] - first, 1))
    return np.clip(np.rint(numbers), 0, 255)


def equalize(op: Equalize, context: StepContext, x: Array) -> Array:
    """Each position of the axis by its table."""
    channels, most = np.moveaxis(x, op.axis, 0), x.dtype.type(LEVELS - 1)
    found = np.array(channels)
    for channel, result in zip(channels, found, strict=True):
        table = _table(channel.reshape(-1))
        if table is not None:
            result[...] = table[_levels(channel / most * most)]
    return np.ascontiguousarray(np.moveaxis(found, 0, op.axis))


def equalize_gradient(op: EqualizeGradient, context: StepContext, g: Array, x: Array) -> Array:
    """Of the positions that have no two levels."""
    same = [_table(channel.reshape(-1)) is None for channel in np.moveaxis(x, op.axis, 0)]
    shape = [-1 if axis == op.axis else 1 for axis in range(x.ndim)]
    return g * np.array(same, g.dtype).reshape(shape)


RULES: dict[type[Op], Kernel] = {
    Equalize: Kernel(None, equalize),
    EqualizeGradient: Kernel(None, equalize_gradient),
    Shuffle: Kernel(None, shuffle),
    ShuffleGradient: Kernel(None, shuffle_gradient),
}
