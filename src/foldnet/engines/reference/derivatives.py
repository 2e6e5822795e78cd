"""Derivatives of the elementwise activations: what their graph's slope is at each x.

At a kink the slope is the one that JAX derives from Keras's formula: mostly the one from below, 0.5 where Keras cuts
with ``clip``, and 1 for ``leaky_relu`` at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from foldnet import activations
from foldnet.errors import UnsupportedError
from foldnet.graph.op import Elementwise

Array = np.ndarray[Any, Any]


def _relu(x: Array, negative_slope: float, max_value: float, threshold: float) -> Array:
    if max_value == np.inf and threshold == 0 and negative_slope:
        return _leaky_relu(x, negative_slope)  # as Keras computes it
    above = np.where(x > threshold, 1.0, 0.0)
    if max_value == 6 and threshold == 0:
        above *= x < 6  # relu6, which has another slope at 6 than clip
    elif max_value != np.inf:
        above *= (0.5 + 0.5 * np.sign(x)) * (0.5 + 0.5 * np.sign(max_value - x))
    return above + np.where(x < threshold, negative_slope, 0.0)


def _leaky_relu(x: Array, negative_slope: float) -> Array:
    return np.where(x >= 0, 1.0, negative_slope)


def _elu(x: Array, alpha: float) -> Array:
    return np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0)))


def _celu(x: Array, alpha: float) -> Array:
    return np.where(x > 0, 1.0, np.exp(np.minimum(x, 0) / alpha))


def _selu(x: Array) -> Array:
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * _elu(x, alpha)


def _sigmoid_slope(x: Array) -> Array:
    s = activations.sigmoid(x)
    return s * (1 - s)


def _silu(x: Array) -> Array:
    s = activations.sigmoid(x)
    return s * (1 + x * (1 - s))


def _gelu(x: Array, approximate: float) -> Array:
    if approximate:
        c = math.sqrt(2 / math.pi)
        t = np.tanh(c * (x + 0.044715 * x**3))
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x)
    erf = np.vectorize(math.erf, otypes=[np.float64])(x / math.sqrt(2.0))
    density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return (0.5 * (1 + erf) + x * density).astype(x.dtype)


def _mish(x: Array) -> Array:
    t = np.tanh(np.logaddexp(0, x))
    return t + x * (1 - t * t) * activations.sigmoid(x)


def _inside(x: Array, low: float, high: float, slope: float = 1.0) -> Array:
    return np.where((x > low) & (x < high), slope, 0.0)


def _hard_silu(x: Array) -> Array:
    return np.clip(x / 6 + 0.5, 0, 1) + x * _inside(x, -3, 3, 1 / 6)


DERIVATIVES: dict[str, Callable[..., Array]] = {
    "celu": _celu,
    "elu": _elu,
    "exponential": np.exp,
    "gelu": _gelu,
    "hard_shrink": lambda x, threshold: np.where(np.abs(x) > threshold, 1.0, 0.0),
    "hard_sigmoid": lambda x: _inside(x, -3, 3, 1 / 6),
    "hard_sigmoid_keras2": lambda x: _inside(x, -2.5, 2.5, 0.2),
    "hard_silu": _hard_silu,
    "hard_tanh": lambda x: np.where((x >= -1) & (x <= 1), 1.0, 0.0),
    "leaky_relu": _leaky_relu,
    "linear": np.ones_like,
    "log_sigmoid": lambda x: activations.sigmoid(-x),
    "mish": _mish,
    "relu": _relu,
    "relu6": lambda x: _inside(x, 0, 6),
    "selu": _selu,
    "sigmoid": _sigmoid_slope,
    "silu": _silu,
    "soft_shrink": lambda x, threshold: np.where(np.abs(x) > threshold, 1.0, 0.0),
    "softplus": activations.sigmoid,
    "softsign": lambda x: 1 / (1 + np.abs(x)) ** 2,
    "sparse_plus": lambda x: np.where(x <= -1, 0.0, np.where(x < 1, 0.5 * (x + 1), 1.0)),
    "sparse_sigmoid": lambda x: 0.25 * (np.sign(x + 1) + np.sign(1 - x)),
    "squareplus": lambda x, b: 0.5 * (1 + x / np.sqrt(x * x + b)),
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
    "tanh_shrink": lambda x: np.tanh(x) ** 2,
    "thresholded_relu": lambda x, theta: np.where(x > theta, 1.0, 0.0),
    "threshold": lambda x, threshold, default_value: np.where(x > threshold, 1.0, 0.0),
}
"""Slope of each activation, with the activation's own parameters."""


def slope(function: Elementwise, x: Array) -> Array:
    """Derivative of an activation at x, in x's dtype.

    Raises:
        UnsupportedError: the activation was supplied as a plain function, whose derivative nobody knows.
    """
    if function.function is not None or function.name not in DERIVATIVES:
        raise UnsupportedError(
            f"the activation {function.name!r} was supplied as a function, so its derivative is not known and the "
            "network cannot be trained; use functools.partial of one of foldnet.activations, if one of them fits"
        )
    return np.asarray(DERIVATIVES[function.name](x, **dict(function.params)), dtype=x.dtype)
