"""Checks of optimizer settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from foldnet.errors import ConfigError


def number(name: str, value: Any, what: str = "") -> float:
    """Check that a setting is a finite number.

    Raises:
        ConfigError: it is not.
    """
    try:
        number = float(value) if np.ndim(value) == 0 and not isinstance(value, str | bytes) else None
    except (TypeError, ValueError):
        number = None
    if number is None or not np.isfinite(number):
        raise ConfigError(f"{name} must be a number{what}, got {value!r}")
    return number


def is_positive_int(value: Any) -> bool:
    """Whether it is a whole number of at least 1."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 1


def takes_step(function: Callable[..., Any]) -> bool:
    """Whether a function can be called with one argument."""
    try:
        inspect.signature(function).bind(0)
    except TypeError:
        return False
    except ValueError:  # its signature is not known
        return True
    return True
