"""Rows to train on and rows to judge by, from what the user says about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError, InputError
from foldnet.training.arguments import count
from foldnet.training.data import is_arraylike
from foldnet.training.user_data import split_validation

Fold = tuple[dict[str, Any], dict[str, Any]]
"""The rows to train on, and those to judge by: each as ``x``, ``y`` and ``sample_weight``."""


def folds_of(x: Any, y: Any, weight: Any, cv: Any, split: float, data: Any) -> list[Fold]:
    """The arguments of ``fit`` and those of ``evaluate``, for each fold.

    Raises:
        ConfigError: not exactly one way to find rows to judge by.
    """
    if (cv is not None) + bool(split) + (data is not None) != 1:
        raise ConfigError(
            "a setting is judged by rows that it was not trained on: give one of cv=5, validation_split=0.2 and "
            "validation_data=(x, y)"
        )
    whole = {"x": x, "y": y, "sample_weight": weight}
    if data is not None:
        if not isinstance(data, tuple | list) or not 2 <= len(data) <= 3:
            raise ConfigError("validation_data must be (x, y) or (x, y, sample_weight)")
        return [(whole, dict(zip(whole, (*data, None)[:3], strict=True)))]
    rows = _rows(x)
    pairs: Iterable[Any]
    if split:
        cut = split_validation(rows, split)
        pairs = [(np.arange(cut), np.arange(cut, rows))]
    elif hasattr(cv, "split"):
        pairs = cv.split(x, y)
    elif isinstance(cv, Iterable):
        pairs = cv
    else:
        pairs = _shuffled(rows, count(cv, "cv", 2))
    parts = [tuple(np.asarray(part) for part in pair) for pair in pairs]
    return [
        ({k: taken(v, train) for k, v in whole.items()}, {k: taken(v, test) for k, v in whole.items()})
        for train, test in parts
    ]


def _shuffled(rows: int, number: int) -> Iterator[tuple[Array, Array]]:
    if number > rows:
        raise ConfigError(f"cv={number} folds need as many rows, and there are {rows}")
    order = np.random.default_rng(0).permutation(rows)
    for test in np.array_split(order, number):
        left = np.ones(rows, bool)
        left[test] = False
        yield np.flatnonzero(left), np.sort(test)


def _rows(x: Any) -> int:
    while isinstance(x, Mapping | tuple | list) and not _is_rows(x):
        x = next(iter(x.values() if isinstance(x, Mapping) else x))
    try:
        return len(x)
    except TypeError:
        raise InputError(f"x must be an array or a table, got {type(x).__name__}") from None


def taken(data: Any, rows: Array) -> Any:
    """Some rows of an array, of a table, or of each in a tuple, list or dict of them."""
    if data is None:
        return None
    if isinstance(data, Mapping):
        return {name: taken(value, rows) for name, value in data.items()}
    if isinstance(data, tuple | list) and not _is_rows(data):
        return type(data)(taken(value, rows) for value in data)
    if hasattr(data, "iloc"):
        return data.iloc[rows]
    return data[rows] if is_arraylike(data) else np.asarray(data)[rows]


def _is_rows(data: Any) -> bool:
    """Whether a tuple or list is the rows themselves, and not several arrays."""
    return isinstance(data, tuple | list) and not any(is_arraylike(v) and np.ndim(v) for v in data)
