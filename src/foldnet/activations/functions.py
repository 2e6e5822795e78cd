"""Keras's activation functions on NumPy arrays.

These are the definitions: layers name them, the reference engine calls them, and every compiled form is
tested against them. Each computes in the floating dtype of its input (integers become float64) and keeps the
shape unless documented otherwise. The formulas are Keras 3's, also for NaN and infinities: most pass NaN on,
only ``soft_shrink``, ``hard_shrink``, ``threshold`` and ``relu`` with a threshold turn it into a number.

Two functions exist for files of Keras 1 and 2, whose meaning Keras 3 has changed: ``hard_sigmoid_keras2`` and
``thresholded_relu``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from foldnet.arrays import Array

Function = Callable[..., Array]

_erfc = np.frompyfunc(math.erfc, 1, 1)


def _float(x: Any) -> Array:
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def linear(x: Any) -> Array:
    """``x``.

    >>> linear([1, 2]).tolist()
    [1.0, 2.0]
    """
    return _float(x)


def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Array:
    """``x`` from ``threshold`` on, at most ``max_value``; below it ``negative_slope * (x - threshold)``.

    With a threshold and no slope, NaN gives 0, as in Keras.

    >>> relu([-2.0, 0.5, 9.0], negative_slope=0.1, max_value=6).tolist()
    [-0.2, 0.5, 6.0]
    """
    x = _float(x)
    at_most = np.inf if max_value is None else max_value
    y = np.where(x > threshold, x, 0) if threshold else np.maximum(x, 0)
    if at_most != np.inf:
        y = np.clip(y, 0, at_most)
    if negative_slope:
        y = y - negative_slope * np.maximum(threshold - x, 0)
    return y.astype(x.dtype)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Array:
    """``x`` where positive, else ``negative_slope * x``. (The layer LeakyReLU has another default, 0.3.)"""
    x = _float(x)
    return np.where(x >= 0, x, x.dtype.type(negative_slope) * x)


def relu6(x: Any) -> Array:
    """``min(max(x, 0), 6)``."""
    return np.minimum(np.maximum(_float(x), 0), 6)


def thresholded_relu(x: Any, theta: float = 1.0) -> Array:
    """``x`` where above ``theta``, else 0: Keras 2's layer ThresholdedReLU, which keeps NaN."""
    x = _float(x)
    return x * (x > theta).astype(x.dtype)


def threshold(x: Any, threshold: float, default_value: float) -> Array:
    """``x`` where above ``threshold``, else ``default_value``."""
    x = _float(x)
    return np.where(x > threshold, x, x.dtype.type(default_value))


def elu(x: Any, alpha: float = 1.0) -> Array:
    """``x`` where positive, else ``alpha * (exp(x) - 1)`` (Clevert et al., 2015)."""
    x = _float(x)
    return np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0)))


def selu(x: Any) -> Array:
    """``1.0507 * elu(x, 1.6733)`` (Klambauer et al., 2017)."""
    x = _float(x)
    return x.dtype.type(1.0507009873554804934193349852946) * elu(x, 1.6732632423543772848170429916717)


def celu(x: Any, alpha: float = 1.0) -> Array:
    """``max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1)`` (Barron, 2017)."""
    x = _float(x)
    a = x.dtype.type(alpha)
    return np.maximum(x, 0) + a * np.expm1(np.minimum(x, 0) / a)


def sigmoid(x: Any) -> Array:
    """``1 / (1 + exp(-x))``, computed without overflow.

    >>> sigmoid([0.0]).tolist()
    [0.5]
    """
    x = _float(x)
    e = np.exp(-np.abs(x))
    one = x.dtype.type(1)
    return np.where(x >= 0, one, e) / (one + e)


def hard_sigmoid(x: Any) -> Array:
    """``relu6(x + 3) / 6``: what Keras 3 computes under this name."""
    return relu6(_float(x) + 3) / 6


def hard_sigmoid_keras2(x: Any) -> Array:
    """``min(max(0.2 * x + 0.5, 0), 1)``: what Keras 1, Keras 2 and tf_keras compute as ``hard_sigmoid``."""
    x = _float(x)
    return np.minimum(np.maximum(x * x.dtype.type(0.2) + x.dtype.type(0.5), 0), 1)


def sparse_sigmoid(x: Any) -> Array:
    """``min(max(x + 1, 0), 2) / 2``."""
    return np.minimum(np.maximum(_float(x) + 1, 0), 2) / 2


def log_sigmoid(x: Any) -> Array:
    """``log(sigmoid(x))``, as ``-softplus(-x)``."""
    return -softplus(-_float(x))


def silu(x: Any) -> Array:
    """``x * sigmoid(x)``, also called swish."""
    x = _float(x)
    return x * sigmoid(x)


def hard_silu(x: Any) -> Array:
    """``x * hard_sigmoid(x)``, also called hard_swish."""
    x = _float(x)
    return x * hard_sigmoid(x)


def tanh(x: Any) -> Array:
    """Hyperbolic tangent.

    >>> tanh([0.0]).tolist()
    [0.0]
    """
    return np.tanh(_float(x))


def hard_tanh(x: Any) -> Array:
    """``min(max(x, -1), 1)``."""
    return np.minimum(np.maximum(_float(x), -1), 1)


def tanh_shrink(x: Any) -> Array:
    """``x - tanh(x)``."""
    x = _float(x)
    return x - np.tanh(x)


def soft_shrink(x: Any, threshold: float = 0.5) -> Array:
    """``x`` moved towards 0 by ``threshold``, and 0 within it (and for NaN, as in Keras)."""
    x = _float(x)
    t = x.dtype.type(threshold)
    zero = x.dtype.type(0)
    return np.where(x > t, x - t, np.where(x < -t, x + t, zero))


def hard_shrink(x: Any, threshold: float = 0.5) -> Array:
    """``x`` where ``|x|`` is above ``threshold``, else 0 (and for NaN, as in Keras)."""
    x = _float(x)
    return np.where(np.abs(x) > threshold, x, x.dtype.type(0))


def exponential(x: Any) -> Array:
    """``exp(x)``."""
    return np.exp(_float(x))


def softplus(x: Any) -> Array:
    """``log(1 + exp(x))``, computed without overflow."""
    x = _float(x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softsign(x: Any) -> Array:
    """``x / (1 + |x|)``."""
    x = _float(x)
    return x / (np.abs(x) + 1)


def sparse_plus(x: Any) -> Array:
    """``x`` from 1 on, 0 up to -1, ``(x + 1)² / 4`` between."""
    x = _float(x)
    return np.where(x <= -1, x.dtype.type(0), np.where(x >= 1, x, (x + 1) ** 2 / 4))


def squareplus(x: Any, b: float = 4) -> Array:
    """``(x + sqrt(x² + b)) / 2`` (Barron, 2021)."""
    x = _float(x)
    return (x + np.sqrt(x * x + x.dtype.type(b))) / 2


def mish(x: Any) -> Array:
    """``x * tanh(softplus(x))`` (Misra, 2019)."""
    x = _float(x)
    return x * np.tanh(softplus(x))


def gelu(x: Any, approximate: bool = False) -> Array:
    """``x * Φ(x)`` with the normal distribution Φ, or its approximation by tanh (Hendrycks and Gimpel, 2016).

    >>> gelu([0.0, 1.0]).round(4).tolist()
    [0.0, 0.8413]
    """
    x = _float(x)
    half = x.dtype.type(0.5)
    if approximate:
        cubed = x + x.dtype.type(0.044715) * x * x * x
        # (1 + tanh(u)) / 2 is sigmoid(2 u), which keeps its digits where tanh comes close to -1.
        return x * sigmoid(x.dtype.type(2 * math.sqrt(2 / math.pi)) * cubed)
    tail = _erfc((x * x.dtype.type(-math.sqrt(0.5))).astype(np.float64)).astype(x.dtype)
    return half * x * np.asarray(tail)


def glu(x: Any, axis: int = -1) -> Array:
    """The first half of ``axis`` times the sigmoid of the second half; the result's axis is half as long."""
    first, second = np.split(_float(x), 2, axis=axis)
    return first * sigmoid(second)


def _along_several(function: Function, x: Array, axes: Sequence[int]) -> Array:
    """Apply a function of one axis along several axes together."""
    last = range(x.ndim - len(axes), x.ndim)
    moved = np.moveaxis(x, axes, last)
    joined = moved.reshape(*moved.shape[: x.ndim - len(axes)], -1)
    return np.moveaxis(function(joined).reshape(moved.shape), last, axes)


def softmax(x: Any, axis: int | Sequence[int] = -1) -> Array:
    """``exp(x - max) / sum(exp(x - max))`` along ``axis``, or along several axes together.

    >>> softmax([[0.0, 0.0]]).tolist()
    [[0.5, 0.5]]
    """
    x = _float(x)
    if not isinstance(axis, int):
        return _along_several(softmax, x, axis)
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / in_order(e, axis)


def log_softmax(x: Any, axis: int | Sequence[int] = -1) -> Array:
    """``x - max - log(sum(exp(x - max)))`` along ``axis``, or along several axes together."""
    x = _float(x)
    if not isinstance(axis, int):
        return _along_several(log_softmax, x, axis)
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(in_order(np.exp(shifted), axis))


def sparsemax(x: Any, axis: int = -1) -> Array:
    """``max(x - tau, 0)`` along ``axis``, with the ``tau`` that Keras computes.

    With the values sorted downwards, ``c`` their running sums and the support the ``k`` first places where
    ``z_i - (c_i - 1) / i > 0``, Martins and Astudillo (2016) set ``tau = (c_k - 1) / k``, so that the result
    sums to 1. Keras (3.15) adds up *all* running sums of the support: ``tau = (c_1 + ... + c_k - 1) / k``. A
    network trained with Keras was trained with that, so it is what foldnet computes; the two agree where
    ``k`` is 1.

    >>> sparsemax([[3.0, 1.0]]).tolist()
    [[1.0, 0.0]]
    """
    z = np.moveaxis(_float(x), axis, -1)
    downwards = -np.sort(-z, axis=-1)
    sums = np.cumsum(downwards, axis=-1)
    place = np.arange(1, z.shape[-1] + 1, dtype=z.dtype)
    support = downwards - (sums - 1) / place > 0
    k = support.sum(axis=-1, keepdims=True).astype(z.dtype)
    tau = (in_order(np.where(support, sums, z.dtype.type(0)), -1) - 1) / k
    return np.moveaxis(np.maximum(z - tau, 0), -1, axis)


def in_order(x: Array, axis: int) -> Array:
    """Sum along an axis, which is kept, one term after the other.

    ``numpy.sum`` picks the order of its additions by the shape and strides of the whole array, batch axis
    included, so that a row's sum could depend on the other rows.
    """
    axis %= x.ndim
    total = np.zeros((*x.shape[:axis], *x.shape[axis + 1 :]), x.dtype)
    for term in x.transpose(axis, *range(axis), *range(axis + 1, x.ndim)):
        total += term
    return total.reshape(*x.shape[:axis], 1, *x.shape[axis + 1 :])


ALONG_AXIS: dict[str, Function] = {f.__name__: f for f in (glu, log_softmax, softmax, sparsemax)}
"""The activations that work along an ``axis``, by name."""

ELEMENTWISE: dict[str, Function] = {
    f.__name__: f
    for f in (
        celu, elu, exponential, gelu, hard_shrink, hard_sigmoid, hard_sigmoid_keras2, hard_silu, hard_tanh,
        leaky_relu, linear, log_sigmoid, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softplus,
        softsign, sparse_plus, sparse_sigmoid, squareplus, tanh, tanh_shrink, threshold, thresholded_relu,
    )
}  # fmt: skip
"""The elementwise activations, by name."""

FUNCTIONS: dict[str, Function] = {**ELEMENTWISE, **ALONG_AXIS}
"""Every activation by its Keras name."""

swish, hard_swish = silu, hard_silu
ALIASES: dict[str, Function] = {"swish": silu, "hard_swish": hard_silu}
"""Other names that Keras has for some."""
