"""Axes of another length in NumPy."""

from __future__ import annotations

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Op, Row
from foldnet.operations.kernels import Kernel, StepContext
from foldnet.operations.resampling.op import AdaptiveMax, CutToShape, Mix, MixGradient, Nearest, PadToShape
from foldnet.operations.resampling.weights import weights, windows


def nearest(op: Nearest, x: Array) -> Array:
    """The nearest positions."""
    return x.take(op.places(x.shape[op.axis]), axis=op.axis)


def mix(op: Mix, x: Array) -> Array:
    """Position after position that counts, added in order; those that do not count are not touched."""
    matrix = weights(op, x.shape[op.axis])
    counts = matrix != 0
    ordered = np.argsort(~counts, axis=1, kind="stable")  # of each row, those that count come first
    along = np.moveaxis(x, op.axis, -1)
    y = np.empty((*along.shape[:-1], len(matrix)), x.dtype)
    for number in range(counts.sum(axis=1).max()):
        rows = np.flatnonzero(counts.sum(axis=1) > number)
        places = ordered[rows, number]
        part = along[..., places] * matrix[rows, places]
        y[..., rows] = y[..., rows] + part if number else part
    return np.moveaxis(y, -1, op.axis)


def mix_gradient(op: MixGradient, context: StepContext, x: Array, g: Array) -> Array:
    """Each new position's gradient, added to those of the positions that count for it."""
    matrix = weights(op.of, x.shape[op.of.axis])
    found, along = np.zeros_like(x), np.moveaxis(g, op.of.axis, -1)
    target = np.moveaxis(found, op.of.axis, -1)
    for number, row in enumerate(matrix):
        places = np.flatnonzero(row)
        target[..., places] += along[..., number, np.newaxis] * row[places].astype(x.dtype)
    return found


def adaptive_max(op: AdaptiveMax, x: Array) -> Array:
    """The largest value of each window."""
    found = windows(x.shape[op.axis], op.count)
    return np.stack([x.take(window, op.axis).max(axis=op.axis) for window in found], op.axis)


def cut_to_shape(op: CutToShape, x: Array) -> Array:
    """The part around the middle."""
    starts = op.starts(x.shape[1:])
    return x[_within(starts, op.output_shape(x.shape)[1:])]


def pad_to_shape(op: PadToShape, x: Array) -> Array:
    """The value, with the number around it."""
    y = np.full((len(x), *(int(n or 0) for n in op.output_shape(x.shape)[1:])), op.value, x.dtype)
    y[_within(op.before(x.shape[1:]), x.shape[1:])] = x
    return y


def _within(starts: Row, sizes: tuple[int | None, ...]) -> tuple[slice, ...]:
    """The part that begins there on each axis but the first, and has these sizes."""
    return (slice(None), *(slice(first, first + int(n or 0)) for first, n in zip(starts, sizes, strict=True)))


RULES: dict[type[Op], Kernel] = {
    Nearest: Kernel(nearest),
    Mix: Kernel(mix),
    MixGradient: Kernel(None, mix_gradient),
    AdaptiveMax: Kernel(adaptive_max),
    CutToShape: Kernel(cut_to_shape),
    PadToShape: Kernel(pad_to_shape),
}
