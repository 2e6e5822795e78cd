"""What each op means, on arrays with the batch axis first.

The kernels work in the dtype they are given. Results of a row must not depend on the rows beside it, so sums run
in an order that the batch size cannot change: no BLAS, whose blocking depends on the number of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from foldnet import activations
from foldnet.graph import ops

Array = np.ndarray[Any, Any]


def apply_elementwise(function: ops.Elementwise | None, x: Array) -> Array:
    """An elementwise activation by its settings; None is linear."""
    if function is None:
        return x
    if function.function is not None:
        return np.asarray(function.function(x), dtype=x.dtype)
    return activations.FUNCTIONS[function.name](x, **dict(function.params))


def dense(op: ops.Dense, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """``x @ kernel + bias``, summed over the inputs in order."""
    y = np.zeros((*x.shape[:-1], kernel.shape[1]), x.dtype)
    if bias is not None:
        y += bias
    for i in range(kernel.shape[0]):
        y += x[..., i : i + 1] * kernel[i]
    return apply_elementwise(op.activation, y)


def affine(op: ops.Affine, x: Array, scale: Array, offset: Array, shift: Array | None = None) -> Array:
    """``(x - shift) * scale + offset``."""
    y = (x if shift is None else x - shift) * scale + offset
    return apply_elementwise(op.activation, y)


def activation(op: ops.Activation, x: Array) -> Array:
    """The activation."""
    return apply_elementwise(op.function, x)


def softmax(op: ops.Softmax, x: Array) -> Array:
    """Softmax or its logarithm along the axis."""
    return activations.softmax(x, axis=op.axis)


def reshape(op: ops.Reshape, x: Array) -> Array:
    """The same values under another shape."""
    return x.reshape(len(x), *op.target)


def identity(op: ops.Identity, x: Array) -> Array:
    """The operand."""
    return x


def cast(op: ops.Cast, x: Array, dtype: np.dtype[Any]) -> Array:
    """To indices or to the working precision."""
    return x.astype(np.int32 if op.dtype == ops.INT else dtype)


KERNELS: dict[type[ops.Op], Callable[..., Array]] = {
    ops.Dense: dense,
    ops.Affine: affine,
    ops.Activation: activation,
    ops.Softmax: softmax,
    ops.Reshape: reshape,
    ops.Identity: identity,
}
