"""Operations along axes of a row in NumPy."""

from __future__ import annotations

from math import prod
from typing import assert_never

import numpy as np

from foldnet import activations
from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.along.op import (
    CumulativeSum,
    Glu,
    GluGradient,
    GroupMoments,
    Moments,
    MomentsGradient,
    Reduce,
    ReduceGradient,
    Softmax,
    SoftmaxGradient,
    Sparsemax,
    SparsemaxGradient,
)
from foldnet.operations.kernels import Kernel, StepContext, mean_over, sum_over


def softmax(op: Softmax, x: Array) -> Array:
    """Softmax or its logarithm along the axis."""
    return (activations.log_softmax if op.log else activations.softmax)(x, axis=op.axis)


def sparsemax(op: Sparsemax, x: Array) -> Array:
    """Keras's sparsemax along the axis."""
    return activations.sparsemax(x, axis=op.axis)


def glu(op: Glu, x: Array) -> Array:
    """Half of the axis, gated by the other half."""
    return activations.glu(x, axis=op.axis)


def moments(op: Moments, x: Array) -> Array:
    """Each row by its own statistics over the axes.

    Layer normalization (Ba et al., 2016), root mean square (Zhang and Sennrich, 2019), Euclidean length.
    """
    match op.kind:
        case "rms":
            return x / np.sqrt(mean_over(x * x, op.axes) + op.epsilon)
        case "l2":
            return x / np.sqrt(np.maximum(sum_over(x * x, op.axes), op.epsilon))
        case "standard" | "variance":
            centred = x - mean_over(x, op.axes)
            deviation = np.sqrt(mean_over(centred * centred, op.axes) + op.epsilon)
            return (x if op.kind == "variance" else centred) / deviation
        case _:
            assert_never(op.kind)


def group_moments(op: GroupMoments, x: Array) -> Array:
    """Each row's groups of channels by their own mean and variance (Wu and He, 2018)."""
    size = x.shape[op.axis] // op.groups
    shape = (*x.shape[: op.axis], op.groups, size, *x.shape[op.axis + 1 :])
    grouped = x.reshape(shape)
    axes = tuple(a for a in range(1, grouped.ndim) if a != op.axis)
    return moments(Moments(axes, op.epsilon), grouped).reshape(x.shape)


def reduce(op: Reduce, x: Array) -> Array:
    """Sum, mean, max, min or the position of the largest value; sums in order."""
    match op.kind:
        case "sum":
            y = sum_over(x, op.axes)
        case "mean":
            y = mean_over(x, op.axes)
        case "max" | "min" | "argmax":
            return reduce_in_step(op, StepContext(training=False), x)
        case _:
            assert_never(op.kind)
    return y if op.keepdims else y.reshape([n for a, n in enumerate(y.shape) if a not in op.axes])


def reduce_in_step(op: Reduce, context: StepContext, x: Array) -> Array:
    """Sum, mean, max, min or the position of the largest value."""
    if op.kind == "argmax":
        place = np.argmax(x, axis=op.axes[0]).astype(x.dtype)
        return np.expand_dims(place, op.axes[0]) if op.keepdims else place
    function = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min}[op.kind]
    return np.asarray(function(x, axis=op.axes, keepdims=op.keepdims))  # type: ignore[operator]


def cumulative_sum(op: CumulativeSum, x: Array) -> Array:
    """Running sums."""
    if op.reverse:
        return np.flip(np.cumsum(np.flip(x, op.axis), axis=op.axis), op.axis)
    return np.cumsum(x, axis=op.axis)


def softmax_gradient(op: SoftmaxGradient, context: StepContext, y: Array, g: Array) -> Array:
    """Computed from the result."""
    if op.log:
        return g - np.exp(y) * g.sum(axis=op.axis, keepdims=True)
    return y * (g - (g * y).sum(axis=op.axis, keepdims=True))


def sparsemax_gradient(op: SparsemaxGradient, context: StepContext, x: Array, y: Array, g: Array) -> Array:
    """Keras's tau is (the sum of the support's k running sums - 1) / k: the j-th largest x is in k - j of them."""
    x, y, g = (np.moveaxis(v, op.axis, -1) for v in (x, y, g))
    order = np.argsort(-x, axis=-1, kind="stable")
    place = np.argsort(order, axis=-1, kind="stable")
    down = np.take_along_axis(x, order, axis=-1)
    numbers = np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    k = (down - (np.cumsum(down, axis=-1) - 1) / numbers > 0).sum(axis=-1, keepdims=True)
    share = np.where(place < k, (k - place) / np.maximum(k, 1), 0)
    through = np.where(y > 0, g, 0)
    on_x = through - share * through.sum(axis=-1, keepdims=True)
    return np.moveaxis(on_x, -1, op.axis).astype(g.dtype)


def glu_gradient(op: GluGradient, context: StepContext, x: Array, g: Array) -> Array:
    """For the value and for its gate."""
    value, gate = np.split(x, 2, axis=op.axis)
    s = activations.sigmoid(gate)
    return np.concatenate([g * s, g * value * s * (1 - s)], axis=op.axis)


def moments_gradient(op: MomentsGradient, context: StepContext, x: Array, y: Array, g: Array) -> Array:
    """Includes the gradient through the statistics."""
    if isinstance(op.of, GroupMoments):
        at, groups = op.of.axis, op.of.groups
        split = (*x.shape[:at], groups, x.shape[at] // groups, *x.shape[at + 1 :])
        inner = Moments(tuple(a for a in range(1, len(split)) if a != at), op.of.epsilon)
        parts = (v.reshape(split) for v in (x, y, g))
        return moments_gradient(MomentsGradient(inner), context, *parts).reshape(x.shape)
    axes, kind, epsilon = op.of.axes, op.of.kind, x.dtype.type(op.of.epsilon)

    def mean(v: Array) -> Array:
        return v.mean(axis=axes, keepdims=True)

    match kind:
        case "standard":
            centre = x - mean(x)
            inverse = 1 / np.sqrt(mean(centre * centre) + epsilon)
            return (g - mean(g) - y * mean(g * y)) * inverse
        case "rms":
            inverse = 1 / np.sqrt(mean(x * x) + epsilon)
            return (g - y * mean(g * y)) * inverse
        case "variance":  # the variance depends on the deviations of x, although x itself is not centred
            centre = x - mean(x)
            inverse = 1 / np.sqrt(mean(centre * centre) + epsilon)
            return (g - centre * inverse * mean(g * y)) * inverse
        case "l2":
            total = (x * x).sum(axis=axes, keepdims=True)
            inverse = 1 / np.sqrt(np.maximum(total, epsilon))
            pull = np.where(total > epsilon, (g * y).sum(axis=axes, keepdims=True), 0)
            return (g - y * pull) * inverse
        case _:
            assert_never(kind)


def reduce_gradient(op: ReduceGradient, context: StepContext, x: Array, y: Array, g: Array) -> Array:
    """To every element, or shared equally among the largest."""
    axes = op.of.axes
    if not op.of.keepdims:
        g, y = np.expand_dims(g, axes), np.expand_dims(y, axes)
    match op.of.kind:
        case "sum":
            return np.broadcast_to(g, x.shape)
        case "mean":
            return np.broadcast_to(g / prod(x.shape[a] for a in axes), x.shape)
        case "max" | "min":
            ties = x == y
            return np.where(ties, g / ties.sum(axis=axes, keepdims=True), 0).astype(g.dtype)
        case "argmax":
            raise AssertionError("argmax has no gradient")
        case _:
            assert_never(op.of.kind)


RULES: dict[type[Op], Kernel] = {
    Softmax: Kernel(softmax),
    Sparsemax: Kernel(sparsemax),
    Glu: Kernel(glu),
    Moments: Kernel(moments),
    GroupMoments: Kernel(group_moments),
    Reduce: Kernel(reduce, reduce_in_step),
    CumulativeSum: Kernel(cumulative_sum),
    GluGradient: Kernel(None, glu_gradient),
    MomentsGradient: Kernel(None, moments_gradient),
    ReduceGradient: Kernel(None, reduce_gradient),
    SoftmaxGradient: Kernel(None, softmax_gradient),
    SparsemaxGradient: Kernel(None, sparsemax_gradient),
}
