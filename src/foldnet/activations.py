"""Keras's activation functions on NumPy arrays.

These are the definitions: layers name them, the reference engine calls them, and every compiled form is tested
against them. Each works in the floating dtype of its input (integers become float64), keeps the shape unless
it says otherwise, and passes NaN through.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from foldnet.errors import ConfigError, UnsupportedError

Array = np.ndarray[Any, Any]
Function = Callable[..., Array]


def _float(x: Any) -> Array:
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def linear(x: Any) -> Array:
    """``x``.

    >>> linear([1, 2]).tolist()
    [1.0, 2.0]
    """
    return _float(x)


def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Array:
    """``x`` from ``threshold`` on, at most ``max_value``; below it ``negative_slope * (x - threshold)``.

    >>> relu([-2.0, 0.5, 9.0], negative_slope=0.1, max_value=6).tolist()
    [-0.2, 0.5, 6.0]
    """
    x = _float(x)
    below = x.dtype.type(negative_slope) * (x - x.dtype.type(threshold))
    at_most = np.inf if max_value is None else max_value
    above = np.minimum(x, x.dtype.type(at_most))
    at_threshold = x >= threshold if negative_slope else x > threshold
    return np.where(np.isnan(x), x, np.where(at_threshold, above, below + x.dtype.type(0)))


def sigmoid(x: Any) -> Array:
    """``1 / (1 + exp(-x))``, computed without overflow.

    >>> sigmoid([0.0]).tolist()
    [0.5]
    """
    x = _float(x)
    e = np.exp(-np.abs(x))
    one = x.dtype.type(1)
    return np.where(x >= 0, one, e) / (one + e)


def tanh(x: Any) -> Array:
    """Hyperbolic tangent.

    >>> tanh([0.0]).tolist()
    [0.0]
    """
    return np.tanh(_float(x))


def softmax(x: Any, axis: int = -1) -> Array:
    """``exp(x - max) / sum(exp(x - max))`` along ``axis``.

    >>> softmax([[0.0, 0.0]]).tolist()
    [[0.5, 0.5]]
    """
    x = _float(x)
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


FUNCTIONS: dict[str, Function] = {f.__name__: f for f in (linear, relu, sigmoid, tanh, softmax)}
"""Every activation by its Keras name."""

ALONG_AXIS = frozenset({"softmax"})
"""Those that are not elementwise, and take an ``axis``."""


def get(identifier: Any, supplied: Mapping[str, Function] | None = None) -> Function:
    """The activation that ``identifier`` means: a name, a Keras config, a function, or None for ``linear``.

    Args:
        identifier: as in ``Dense(activation=...)`` or as stored in a file's configuration.
        supplied: functions for names that a file cannot say, such as ``{"<lambda>": fn}``.

    Raises:
        UnsupportedError: the name is not one of Keras's and was not supplied.

    >>> get("relu") is relu
    True
    """
    if identifier is None:
        return linear
    if callable(identifier):
        return identifier  # type: ignore[no-any-return]
    name = identifier
    if isinstance(identifier, Mapping):
        config = identifier.get("config")
        name = config if isinstance(config, str) else identifier.get("class_name")
    if not isinstance(name, str):
        raise ConfigError(f"an activation is a name, a function or a Keras configuration, not {identifier!r}")
    if supplied and name in supplied:
        return supplied[name]
    if name not in FUNCTIONS:
        raise UnsupportedError(
            f"the file names the activation {name!r} but cannot say what it computes. "
            f"Supply it: load_model(path, activations={{{name!r}: fn}}) with a NumPy function, or with "
            "functools.partial of one of foldnet.activations so that it compiles, too."
        )
    return FUNCTIONS[name]


def known(function: Function) -> tuple[str, dict[str, Any]] | None:
    """Name and full parameters of one of these functions, or of a ``functools.partial`` of one; else None.

    >>> known(functools.partial(relu, max_value=6))
    ('relu', {'negative_slope': 0.0, 'max_value': 6, 'threshold': 0.0})
    """
    keywords: dict[str, Any] = {}
    base = function
    while isinstance(base, functools.partial):
        if base.args:
            return None
        keywords = {**base.keywords, **keywords}
        base = base.func
    name = getattr(base, "__name__", "")
    if FUNCTIONS.get(name) is not base:
        return None
    defaults = {
        p.name: p.default for p in inspect.signature(base).parameters.values() if p.default is not p.empty
    }
    if unknown := set(keywords) - set(defaults):
        raise ConfigError(f"activation {name} takes {sorted(defaults)}, not {sorted(unknown)}")
    return name, {**defaults, **keywords}
