"""Checks of the plain arguments of ``compile``, ``fit``, ``evaluate`` and ``predict``."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from foldnet import backend
from foldnet.errors import ConfigError
from foldnet.warn import warn

Verbosity = Literal["auto", 0, 1, 2]
"""What ``fit`` prints: 0 nothing, 1 a progress bar (on a terminal only), 2 a line per epoch; ``"auto"`` is 1."""

DEFAULT_BATCH_SIZE = 32


def count(value: Any, name: str, least: int = 1) -> int:
    """Check that a value is a whole number of at least ``least``.

    Raises:
        ConfigError: it is not a whole number, or too small.
    """
    try:
        number = operator.index(value) if not isinstance(value, bool | np.bool_) else None
    except TypeError:
        number = None
    if number is None or number < least:
        raise ConfigError(f"{name} must be a whole number, at least {least}; got {value!r}")
    return number


def optional_count(value: Any, name: str) -> int | None:
    """Check that a value is a whole number of at least 1, or None.

    Raises:
        ConfigError: it is neither.
    """
    return None if value is None else count(value, name)


def batch_size_or_default(value: Any) -> int:
    """The number of rows in a batch, 32 by default.

    Raises:
        ConfigError: it is not a whole number, or less than 1.
    """
    return DEFAULT_BATCH_SIZE if value is None else count(value, "batch_size")


def limited_epochs(epochs: int) -> int:
    """The number of epochs, limited by ``config.set_max_epochs``."""
    most = backend.max_epochs()
    if most is None or most >= epochs:
        return epochs
    warn(f"Limiting epochs to {most}, by config.set_max_epochs")
    return most


def limited_steps(steps: int | None, known: int | None = None) -> int | None:
    """The number of steps, limited by ``config.set_max_steps_per_epoch``.

    Args:
        steps: requested; None for all.
        known: how many there are; None if this is not known.
    """
    most = backend.max_steps_per_epoch()
    if most is None or any(n is not None and n <= most for n in (steps, known)):
        return steps
    warn(f"Limiting steps_per_epoch to {most}, by config.set_max_steps_per_epoch")
    return most


def fraction(value: Any, name: str) -> float:
    """Check that a value is a fraction: 0 or more and below 1.

    Raises:
        ConfigError: it is not.
    """
    plain = isinstance(value, int | float | np.floating | np.integer) and not isinstance(value, bool)
    if not plain or not 0 <= value < 1:
        raise ConfigError(f"{name} must be a number from 0 up to 1, such as 0.2; got {value!r}")
    return float(value)


def class_weights(value: Any) -> Mapping[int, float] | None:
    """Check weights by class; None stays None.

    Raises:
        ConfigError: not a dict from class numbers to finite numbers.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"class_weight must be a dict from classes to weights, such as {{0: 1.0, 1: 2.5}}; got {value!r}. "
            'For "balanced" weights give {class: rows / (classes * rows of the class)}'
        )
    found = {}
    for key, weight in value.items():
        if isinstance(weight, str | bytes) or np.ndim(weight) or not _is_number(weight):
            raise ConfigError(f"class_weight of class {key!r} must be a number, got {weight!r}")
        found[count(key, "a class in class_weight", 0)] = float(weight)
    return found


def validation_frequency(value: Any) -> int | Sequence[int]:
    """Check ``validation_freq``: validate every n epochs, or after the epochs listed.

    Raises:
        ConfigError: it is neither.
    """
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return count(value, "validation_freq")
    return [count(epoch, "an epoch in validation_freq") for epoch in value]


def verbosity(value: Any) -> Verbosity:
    """Check ``verbose``.

    Raises:
        ConfigError: it is none of ``"auto"``, 0, 1 and 2.
    """
    if isinstance(value, str | int | np.integer):
        for known in get_args(Verbosity):
            if value == known:
                return known
    raise ConfigError(f'verbose must be "auto", 0, 1 or 2; got {value!r}')


def boolean(value: Any, name: str) -> bool:
    """Check that a value is True or False (or 1 or 0).

    Raises:
        ConfigError: it is neither.
    """
    if not isinstance(value, bool | np.bool_ | int) or value not in (0, 1):
        raise ConfigError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def _is_number(value: Any) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except (TypeError, ValueError):
        return False
