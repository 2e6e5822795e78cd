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
from foldnet.engines.functions import COMBINE, UNARY
from foldnet.engines.reference import train_kernels
from foldnet.errors import InputError, UnsupportedError
from foldnet.graph.op import INT, Elementwise, Op
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import CumulativeSum, Glu, GroupMoments, Moments, Reduce, Softmax, Sparsemax
from foldnet.operations.elementwise.op import Activation, Binary, Combine, PRelu, Unary, Where
from foldnet.operations.matrix.op import Dense, Dot, Product
from foldnet.operations.structure.op import (
    Cast,
    Concatenate,
    Gather,
    Identity,
    OneHot,
    Pick,
    Repeat,
    Reshape,
    Slice,
    Transpose,
)

Array = np.ndarray[Any, Any]


def apply_elementwise(function: Elementwise | None, x: Array) -> Array:
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


def dense(op: Dense, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """``x @ kernel + bias``, summed over the inputs in order."""
    y = np.zeros((*x.shape[:-1], kernel.shape[1]))
    for i in range(kernel.shape[0]):
        y += x[..., i : i + 1] * kernel[i]
    return apply_elementwise(op.activation, y if bias is None else y + bias)


def affine(op: Affine, x: Array, scale: Array, offset: Array, shift: Array | None = None) -> Array:
    """``(x - shift) * scale + offset``."""
    y = (x if shift is None else x - shift) * scale + offset
    return apply_elementwise(op.activation, y)


def activation(op: Activation, x: Array) -> Array:
    """The activation."""
    return apply_elementwise(op.function, x)


def p_relu(op: PRelu, x: Array, alpha: Array) -> Array:
    """``relu(x) - alpha * relu(-x)`` (He et al., 2015)."""
    return np.maximum(x, 0) - alpha * np.maximum(-x, 0)


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
        return x / np.sqrt(_mean(x * x, op.axes) + op.epsilon)
    if op.kind == "l2":
        return x / np.sqrt(np.maximum(_sum(x * x, op.axes), op.epsilon))
    centred = x - _mean(x, op.axes)
    deviation = np.sqrt(_mean(centred * centred, op.axes) + op.epsilon)
    return (x if op.kind == "variance" else centred) / deviation


def group_moments(op: GroupMoments, x: Array) -> Array:
    """Each row's groups of channels by their own mean and variance (Wu and He, 2018)."""
    size = x.shape[op.axis] // op.groups
    shape = (*x.shape[: op.axis], op.groups, size, *x.shape[op.axis + 1 :])
    grouped = x.reshape(shape)
    axes = tuple(a for a in range(1, grouped.ndim) if a != op.axis)
    return moments(Moments(axes, op.epsilon), grouped).reshape(x.shape)


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


def binary(op: Binary, a: Array, b: Array) -> Array:
    """Two operands, value by value."""
    return apply_elementwise(op.activation, COMBINE[op.kind].compute(a, b))


def concatenate(op: Concatenate, *parts: Array) -> Array:
    """The parts one after the other along the axis."""
    return np.concatenate(parts, axis=op.axis)


def dot(op: Dot, a: Array, b: Array) -> Array:
    """The sum over one axis of each, row by row."""
    left, right = np.moveaxis(a, op.axes[0], 1), np.moveaxis(b, op.axes[1], 1)
    y = np.zeros((len(a), *left.shape[2:], *right.shape[2:]))
    ones_left, ones_right = [1] * (left.ndim - 2), [1] * (right.ndim - 2)
    for k in range(left.shape[1]):
        p, q = left[:, k], right[:, k]
        y += p.reshape(*p.shape, *ones_right) * q.reshape(len(q), *ones_left, *q.shape[1:])
    return y if y.ndim > 1 else y[:, np.newaxis]


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


def cast(op: Cast, x: Array, dtype: np.dtype[Any]) -> Array:
    """To 32-bit indices, or to the working precision.

    Raises:
        InputError: a value has no 32-bit integer.
    """
    return to_index(x) if op.dtype == INT else x.astype(dtype)


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


def unary(op: Unary, x: Array) -> Array:
    """One value, elementwise."""
    return np.asarray(UNARY[op.kind].compute(x), dtype=np.float64)


def combine(op: Combine, a: Array, b: Array) -> Array:
    """Two values, elementwise."""
    return np.asarray(COMBINE[op.kind].compute(a, b), dtype=np.float64)


def where(op: Where, condition: Array, a: Array, b: Array) -> Array:
    """A choice, elementwise."""
    return np.where(condition != 0, a, b).astype(np.float64)


def reduce(op: Reduce, x: Array) -> Array:
    """Sum, mean, max, min or the place of the largest; sums in order."""
    if op.kind in ("sum", "mean"):
        y = (_sum if op.kind == "sum" else _mean)(x, op.axes)
        return y if op.keepdims else y.reshape([n for a, n in enumerate(y.shape) if a not in op.axes])
    return train_kernels.reduce(op, train_kernels.Moment(training=False), x)


def one_hot(op: OneHot, indices: Array) -> Array:
    """Indices as rows of 0 and 1."""
    return (indices[..., None] == np.arange(op.size)).astype(np.float64)


def _sum(x: Array, axes: Sequence[int]) -> Array:
    """Sum over axes, which are kept with size 1, first over the last of them."""
    for axis in sorted(axes, reverse=True):
        x = in_order(x, axis)
    return x


def _mean(x: Array, axes: Sequence[int]) -> Array:
    count = np.prod([x.shape[a] for a in axes], dtype=np.float64)
    return _sum(x, axes) / count


_EXACT: dict[type[Op], Callable[..., Array]] = {
    Activation: activation,
    Affine: affine,
    Binary: binary,
    Concatenate: concatenate,
    Dense: dense,
    Dot: dot,
    Gather: gather,
    Glu: glu,
    GroupMoments: group_moments,
    Identity: identity,
    Moments: moments,
    PRelu: p_relu,
    Repeat: repeat,
    Reshape: reshape,
    Softmax: softmax,
    Sparsemax: sparsemax,
    Transpose: transpose,
    Combine: combine,
    CumulativeSum: train_kernels.cumulative_sum,
    OneHot: one_hot,
    Pick: train_kernels.pick,
    Product: train_kernels.product,
    Reduce: reduce,
    Slice: train_kernels.slice_,
    Unary: unary,
    Where: where,
}


def _rounded(kernel: Callable[..., Array]) -> Callable[..., Array]:
    """The kernel on operands of any floating dtype: computed in float64, rounded once to that dtype."""

    def run(op: Op, *operands: Array) -> Array:
        floats = [a.dtype for a in operands if a.dtype.kind == "f"]
        wide = [np.asarray(a, np.float64 if a.dtype.kind == "f" else None, order="C") for a in operands]
        y = kernel(op, *wide)
        return y.astype(floats[0] if floats else np.float32) if y.dtype.kind == "f" else y

    return run


KERNELS: dict[type[Op], Callable[..., Array]] = {op: _rounded(k) for op, k in _EXACT.items()}
"""The kernel of every op; ``cast`` stands apart, as only the program knows the working precision."""
