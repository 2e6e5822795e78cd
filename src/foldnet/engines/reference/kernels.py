"""What each op means, on arrays with the batch axis first.

Every kernel computes in float64, whatever its operands' precision, and its result is rounded once to that. A
float32 result is therefore the exact one, rounded once for each op.

A row's result must not depend on the rows beside it. So nothing here leaves the order of additions to NumPy,
which picks it by the shape of the whole array, nor to BLAS, whose blocking depends on the number of rows:
sums run ``in_order``. And every operand is made contiguous, because NumPy's loops for
``exp`` and the like may take another path, with another last bit, for strided data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from foldnet import activations
from foldnet.activations import in_order
from foldnet.engines.reference import train_kernels
from foldnet.errors import InputError, UnsupportedError
from foldnet.graph import ops, train_ops

Array = np.ndarray[Any, Any]


def apply_elementwise(function: ops.Elementwise | None, x: Array) -> Array:
    """An elementwise activation by its settings; None is linear.

    Raises:
        UnsupportedError: a function that the caller supplied does not keep the shape.
    """
    if function is None:
        return x
    if function.function is None:
        return activations.ELEMENTWISE[function.name](x, **dict(function.params))
    y = np.asarray(function.function(x), dtype=np.float64)
    if y.shape != x.shape:
        raise UnsupportedError(
            f"the supplied activation {function.name!r} made shape {y.shape} out of {x.shape}; it must treat "
            "each value alone and keep the shape"
        )
    return y


def dense(op: ops.Dense, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """``x @ kernel + bias``, summed over the inputs in order."""
    y = np.zeros((*x.shape[:-1], kernel.shape[1]))
    for i in range(kernel.shape[0]):
        y += x[..., i : i + 1] * kernel[i]
    return apply_elementwise(op.activation, y if bias is None else y + bias)


def affine(op: ops.Affine, x: Array, scale: Array, offset: Array, shift: Array | None = None) -> Array:
    """``(x - shift) * scale + offset``."""
    y = (x if shift is None else x - shift) * scale + offset
    return apply_elementwise(op.activation, y)


def activation(op: ops.Activation, x: Array) -> Array:
    """The activation."""
    return apply_elementwise(op.function, x)


def p_relu(op: ops.PRelu, x: Array, alpha: Array) -> Array:
    """``relu(x) - alpha * relu(-x)`` (He et al., 2015)."""
    return np.maximum(x, 0) - alpha * np.maximum(-x, 0)


def softmax(op: ops.Softmax, x: Array) -> Array:
    """Softmax or its logarithm along the axis."""
    return (activations.log_softmax if op.log else activations.softmax)(x, axis=op.axis)


def sparsemax(op: ops.Sparsemax, x: Array) -> Array:
    """Keras's sparsemax along the axis."""
    return activations.sparsemax(x, axis=op.axis)


def glu(op: ops.Glu, x: Array) -> Array:
    """Half of the axis, gated by the other half."""
    return activations.glu(x, axis=op.axis)


def moments(op: ops.Moments, x: Array) -> Array:
    """Each row by its own statistics over the axes.

    Layer normalization (Ba et al., 2016), root mean square (Zhang and Sennrich, 2019), Euclidean length.
    """
    if op.kind == "rms":
        return x / np.sqrt(_mean(x * x, op.axes) + op.epsilon)
    if op.kind == "l2":
        return x / np.sqrt(np.maximum(_sum(x * x, op.axes), op.epsilon))
    centred = x - _mean(x, op.axes)
    deviation = np.sqrt(_mean(centred * centred, op.axes) + op.epsilon)
    return (x if op.kind == "variance" else centred) / deviation


def group_moments(op: ops.GroupMoments, x: Array) -> Array:
    """Each row's groups of channels by their own mean and variance (Wu and He, 2018)."""
    size = x.shape[op.axis] // op.groups
    shape = (*x.shape[: op.axis], op.groups, size, *x.shape[op.axis + 1 :])
    grouped = x.reshape(shape)
    axes = tuple(a for a in range(1, grouped.ndim) if a != op.axis)
    return moments(ops.Moments(axes, op.epsilon), grouped).reshape(x.shape)


def reshape(op: ops.Reshape, x: Array) -> Array:
    """The same values in row-major order."""
    rows = op.output_shape(x.shape)
    return x.reshape([0 if n is None else n for n in rows])


def transpose(op: ops.Transpose, x: Array) -> Array:
    """The axes in another order."""
    return x.transpose(op.permutation)


def repeat(op: ops.Repeat, x: Array) -> Array:
    """Copies of the row along a new axis after the batch axis."""
    return np.repeat(x[:, np.newaxis], op.count, axis=1)


_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


def binary(op: ops.Binary, a: Array, b: Array) -> Array:
    """Two operands, value by value."""
    return apply_elementwise(op.activation, _BINARY[op.kind](a, b))


def concatenate(op: ops.Concatenate, *parts: Array) -> Array:
    """The parts one after the other along the axis."""
    return np.concatenate(parts, axis=op.axis)


def dot(op: ops.Dot, a: Array, b: Array) -> Array:
    """The sum over one axis of each, row by row."""
    left, right = np.moveaxis(a, op.axes[0], 1), np.moveaxis(b, op.axes[1], 1)
    y = np.zeros((len(a), *left.shape[2:], *right.shape[2:]))
    ones_left, ones_right = [1] * (left.ndim - 2), [1] * (right.ndim - 2)
    for k in range(left.shape[1]):
        p, q = left[:, k], right[:, k]
        y += p.reshape(*p.shape, *ones_right) * q.reshape(len(q), *ones_left, *q.shape[1:])
    return y if y.ndim > 1 else y[:, np.newaxis]


def gather(op: ops.Gather, indices: Array, table: Array) -> Array:
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


def identity(op: ops.Identity, x: Array) -> Array:
    """The operand."""
    return x


def cast(op: ops.Cast, x: Array, dtype: np.dtype[Any]) -> Array:
    """To 32-bit indices, or to the working precision.

    Raises:
        InputError: a value has no 32-bit integer.
    """
    return to_index(x) if op.dtype == ops.INT else x.astype(dtype)


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


_AT_PREDICTION = train_kernels.Moment(training=False)


def combine(op: train_ops.Combine, a: Array, b: Array) -> Array:
    """Two values, elementwise."""
    return train_kernels.combine(op, _AT_PREDICTION, a, b)


def where(op: train_ops.Where, condition: Array, a: Array, b: Array) -> Array:
    """A choice, elementwise."""
    return train_kernels.where(op, _AT_PREDICTION, condition, a, b)


def reduce(op: train_ops.Reduce, x: Array) -> Array:
    """Sums in order; the rest has no order."""
    if op.kind not in ("sum", "mean"):
        return train_kernels.reduce(op, _AT_PREDICTION, x)
    y = (_sum if op.kind == "sum" else _mean)(x, op.axes)
    return y if op.keepdims else y.squeeze(op.axes)


def _sum(x: Array, axes: Sequence[int]) -> Array:
    """Sum over axes, which are kept with size 1, first over the last of them."""
    for axis in sorted(axes, reverse=True):
        x = in_order(x, axis)
    return x


def _mean(x: Array, axes: Sequence[int]) -> Array:
    count = np.prod([x.shape[a] for a in axes], dtype=np.float64)
    return _sum(x, axes) / count


_EXACT: dict[type[ops.Op], Callable[..., Array]] = {
    ops.Activation: activation,
    ops.Affine: affine,
    ops.Binary: binary,
    ops.Concatenate: concatenate,
    ops.Dense: dense,
    ops.Dot: dot,
    ops.Gather: gather,
    ops.Glu: glu,
    ops.GroupMoments: group_moments,
    ops.Identity: identity,
    ops.Moments: moments,
    ops.PRelu: p_relu,
    ops.Repeat: repeat,
    ops.Reshape: reshape,
    ops.Softmax: softmax,
    ops.Sparsemax: sparsemax,
    ops.Transpose: transpose,
    train_ops.Combine: combine,
    train_ops.Reduce: reduce,
    train_ops.Where: where,
}


def _rounded(kernel: Callable[..., Array]) -> Callable[..., Array]:
    """The kernel on operands of any floating dtype: computed in float64, rounded once to that dtype."""

    def run(op: ops.Op, *operands: Array) -> Array:
        floats = [a.dtype for a in operands if a.dtype.kind == "f"]
        wide = [np.ascontiguousarray(a, np.float64 if a.dtype.kind == "f" else None) for a in operands]
        y = kernel(op, *wide)
        return y.astype(floats[0]) if floats and y.dtype.kind == "f" else y

    return run


KERNELS: dict[type[ops.Op], Callable[..., Array]] = {op: _rounded(k) for op, k in _EXACT.items()}
"""The kernel of every op; ``cast`` stands apart, as only the program knows the working precision."""
