"""Data that comes in batches: iterators, generators, lists of batches, and datasets with a length."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from foldnet.errors import InputError
from foldnet.training.data import is_arraylike


def is_stream(x: Any, y: Any = None) -> bool:
    """Whether x yields batches: an iterator, a list of tuples or a dataset, not an array, a table or a dict."""
    if y is not None or isinstance(x, Mapping | tuple | str) or is_arraylike(x) or x is None:
        return False
    if isinstance(x, list):
        return bool(x) and all(isinstance(b, tuple) for b in x)
    return isinstance(x, Iterable) or is_dataset(x)


def is_dataset(x: Any) -> bool:
    """Whether x is like Keras's PyDataset: batches can be read by number."""
    numbered = hasattr(x, "__len__") or hasattr(type(x), "num_batches")
    return not isinstance(x, list) and hasattr(x, "__getitem__") and numbered


def can_repeat(x: Any) -> bool:
    """Whether a stream can be read more than once; an iterator cannot."""
    return not isinstance(x, Iterator)


def count_of(x: Any) -> int | None:
    """How many batches a stream has; None if unknown or endless.

    Raises:
        InputError: its ``num_batches`` is not a number.
    """
    if not isinstance(x, list) and not is_dataset(x):
        return None
    if not hasattr(type(x), "num_batches"):
        return len(x)
    count = x.num_batches
    if count is not None and (not isinstance(count, int) or count < 0):
        raise InputError(f"num_batches of {type(x).__name__} must be a number or None, got {count!r}")
    return count


def is_endless(x: Any) -> bool:
    """Whether it is a dataset whose ``num_batches`` is None, so that it never ends."""
    return is_dataset(x) and count_of(x) is None


def batches(x: Any, order: Iterable[int] | None = None) -> Iterator[Any]:
    """The batches from the first on; a dataset's batches in ``order``, if given."""
    if is_dataset(x):
        number = count_of(x)
        numbers = itertools.count() if number is None else range(number)
        return (x[int(i)] for i in (numbers if order is None else order))
    return iter(x)


def call_hook(x: Any, hook: str) -> None:
    """Call a dataset's hook, if it has one."""
    function = getattr(x, hook, None)
    if function is not None:
        function()


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """Unpack ``(x, y)`` or ``(x, y, sample_weight)`` to three values; a missing weight is None.

    Raises:
        InputError: it is neither.
    """
    if not isinstance(data, tuple | list) or not 2 <= len(data) <= 3:
        size = f" of {len(data)}" if isinstance(data, tuple | list) else ""
        raise InputError(f"expected (x, y) or (x, y, sample_weight), got a {type(data).__name__}{size}")
    return (data[0], data[1], data[2] if len(data) == 3 else None)
