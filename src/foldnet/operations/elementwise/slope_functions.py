"""Slopes that are functions of their own, because in float32 one number is not enough for what is between.

Each is computed in float64 here, and by a function of ``slopes.h`` in C, whose results differ by rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from foldnet.arrays import Array

ROOT = math.sqrt(8 / math.pi)
CUBIC = 0.044715
"""Of ``gelu(approximate=True)``, which is x * sigmoid(ROOT * (x + CUBIC * x^3))."""

_erf = np.frompyfunc(math.erf, 1, 1)


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def _silu_slope(x: Array) -> Array:
    return _sigmoid(x) * (1 + x * _sigmoid(-x))


def _gelu_slope(x: Array) -> Array:
    phi = 0.5 + 0.5 * np.asarray(_erf(x / math.sqrt(2)), np.float64)
    return np.asarray(phi + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))


def _gelu_tanh_slope(x: Array) -> Array:
    x = np.clip(x, -12, 12) + (x - x)  # no number for an infinite x, as of the other gates
    u = ROOT * (x + CUBIC * x**3)
    return _sigmoid(u) * (1 + ROOT * (x + 3 * CUBIC * x**3) * _sigmoid(-u))


def _mish_slope(x: Array) -> Array:
    # tanh(log(1 + e)) = w / (w + 2) with w = e * (e + 2), so that 1 less its square is 4 * (e + 1)^2 / (w + 2)^2.
    e = np.exp(np.minimum(x, 20))
    w = e * (e + 2)
    return np.asarray(w / (w + 2) + 4 * np.minimum(x, 20) * e * (e + 1) / (w + 2) ** 2)


def _softsign_slope(x: Array) -> Array:
    return np.asarray(1 / np.square(1 + np.abs(x)))


def _tanh_shrink_slope(x: Array) -> Array:
    return np.square(np.tanh(x))


def _erf_slope(x: Array) -> Array:
    return np.asarray(2 / math.sqrt(math.pi) * np.exp(-x * x))


def _silu_bend(o: Any, x: Any) -> Any:
    s = o.sigmoid(x)
    return s * (1.0 - s) * (2.0 + x * (1.0 - 2.0 * s))


def _gelu_bend(o: Any, x: Any) -> Any:
    return (2.0 - x * x) * o.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))


def _gelu_tanh_bend(o: Any, x: Any) -> Any:
    s = o.sigmoid(ROOT * (x + CUBIC * x * x * x))
    first, second = ROOT * (1.0 + 3 * CUBIC * x * x), 6 * ROOT * CUBIC * x
    return s * (1.0 - s) * (2.0 * first + x * ((1.0 - 2.0 * s) * first * first + second))


def _mish_bend(o: Any, x: Any) -> Any:
    s, t = o.sigmoid(x), o.tanh(o.softplus(x))
    return (1.0 - t * t) * s * (2.0 + x * (1.0 - s - 2.0 * t * s))


def _softsign_bend(o: Any, x: Any) -> Any:
    d = 1.0 + o.abs(x)
    return -2.0 * o.sign(x) / (d * d * d)


def _tanh_shrink_bend(o: Any, x: Any) -> Any:
    t = o.tanh(x)
    return 2.0 * t * (1.0 - t * t)


def _erf_bend(o: Any, x: Any) -> Any:
    return -2.0 * x * o.erf_slope(x)


COMPUTED: dict[str, tuple[Callable[[Array], Array], str, Callable[..., Any]]] = {
    "silu_slope": (_silu_slope, "sigmoid({0}) * (1 + {0} * sigmoid(-{0}))", _silu_bend),
    "gelu_slope": (
        _gelu_slope,
        "0.5 + 0.5 * np.vectorize(math.erf, otypes=[np.float32])({0} * 0.7071067811865476)"
        " + {0} * np.exp(-0.5 * {0} * {0}) * 0.3989422804014327",
        _gelu_bend,
    ),
    "gelu_tanh_slope": (
        _gelu_tanh_slope,
        "sigmoid(1.5957691216057308 * ({0} + 0.044715 * {0} ** 3)) * (1 + 1.5957691216057308"
        " * ({0} + 0.134145 * {0} ** 3) * sigmoid(-1.5957691216057308 * ({0} + 0.044715 * {0} ** 3)))",
        _gelu_tanh_bend,
    ),
    "mish_slope": (
        _mish_slope,
        "np.tanh(softplus({0})) + {0} * sigmoid({0}) * (1 - np.square(np.tanh(softplus({0}))))",
        _mish_bend,
    ),
    "softsign_slope": (_softsign_slope, "1 / np.square(1 + np.abs({0}))", _softsign_bend),
    "tanh_shrink_slope": (_tanh_shrink_slope, "np.square(np.tanh({0}))", _tanh_shrink_bend),
    "erf_slope": (_erf_slope, "1.1283791670955126 * np.exp(-{0} * {0})", _erf_bend),
}
"""By name: on arrays in float64, in NumPy source, and the derivative, given the functions of ``foldnet.ops``."""
