"""What works along axes of a row, in NumPy."""

from __future__ import annotations

import numpy as np

from foldnet import activations
from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.along.op import CumulativeSum, Glu, GroupMoments, Moments, Reduce, Softmax, Sparsemax
from foldnet.operations.kernels import Kernel, Moment, mean_over, sum_over


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
    if op.kind == "rms":
        return x / np.sqrt(mean_over(x * x, op.axes) + op.epsilon)
    if op.kind == "l2":
        return x / np.sqrt(np.maximum(sum_over(x * x, op.axes), op.epsilon))
    centred = x - mean_over(x, op.axes)
    deviation = np.sqrt(mean_over(centred * centred, op.axes) + op.epsilon)
    return (x if op.kind == "variance" else centred) / deviation


def group_moments(op: GroupMoments, x: Array) -> Array:
    """Each row's groups of channels by their own mean and variance (Wu and He, 2018)."""
    size = x.shape[op.axis] // op.groups
    shape = (*x.shape[: op.axis], op.groups, size, *x.shape[op.axis + 1 :])
    grouped = x.reshape(shape)
    axes = tuple(a for a in range(1, grouped.ndim) if a != op.axis)
    return moments(Moments(axes, op.epsilon), grouped).reshape(x.shape)


def reduce(op: Reduce, x: Array) -> Array:
    """Sum, mean, max, min or the place of the largest; sums in order."""
    if op.kind in ("sum", "mean"):
        y = (sum_over if op.kind == "sum" else mean_over)(x, op.axes)
        return y if op.keepdims else y.reshape([n for a, n in enumerate(y.shape) if a not in op.axes])
    return reduce_in_step(op, Moment(training=False), x)


def reduce_in_step(op: Reduce, moment: Moment, x: Array) -> Array:
    """Sum, mean, max, min or the place of the largest."""
    if op.kind == "argmax":
        place = np.argmax(x, axis=op.axes[0]).astype(x.dtype)
        return np.expand_dims(place, op.axes[0]) if op.keepdims else place
    function = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min}[op.kind]
    return np.asarray(function(x, axis=op.axes, keepdims=op.keepdims))  # type: ignore[operator]


def cumulative_sum(op: CumulativeSum, x: Array) -> Array:
    """Running sums."""
    return np.cumsum(x, axis=op.axis)


RULES: dict[type[Op], Kernel] = {
    Softmax: Kernel(softmax),
    Sparsemax: Kernel(sparsemax),
    Glu: Kernel(glu),
    Moments: Kernel(moments),
    GroupMoments: Kernel(group_moments),
    Reduce: Kernel(reduce, reduce_in_step),
    CumulativeSum: Kernel(cumulative_sum),
}
