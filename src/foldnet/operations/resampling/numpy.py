"""Axes of another length in NumPy."""

from __future__ import annotations

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Op, Row
from foldnet.operations.kernels import Kernel, StepContext
from foldnet.operations.resampling.op import AdaptiveMax, CutToShape, Mix, MixGradient, Nearest, PadToShape
from foldnet.operations.resampling.weights import band, windows


def nearest(op: Nearest, x: Array) -> Array:
    """The nearest positions."""
    return x.take(op.places(x.shape[op.axis]), axis=op.axis)


def mix(op: Mix, x: Array) -> Array:
    """Position after position that counts, added in order; those that do not count are not touched."""
    found = band(op, x.shape[op.axis])
    along = np.moveaxis(x, op.axis, -1)
    y = np.full((*along.shape[:-1], len(found.first)), -0.0, x.dtype)  # to which even -0.0 can be added
    for number in range(found.weights.shape[1]):
        new, old, weights = found.places(number)
        y[..., new] += along[..., old] * weights
    return np.moveaxis(y, -1, op.axis)


def mix_gradient(op: MixGradient, context: StepContext, x: Array, g: Array) -> Array:
    """Each new position's gradient, added to those of the positions that count for it."""
    found = band(op.of, x.shape[op.of.axis])
    result, along = np.zeros_like(x), np.moveaxis(g, op.of.axis, -1)
    target = np.moveaxis(result, op.of.axis, -1)
    for number in range(found.weights.shape[1]):
        for new, old, weight in zip(*found.places(number), strict=True):
            target[..., old] += along[..., new] * weight.astype(x.dtype)
    return result


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
