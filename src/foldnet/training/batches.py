"""Data that comes in batches: iterators, generators, lists of batches, and datasets with a length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from foldnet.errors import InputError
from foldnet.training.data import is_arraylike


def is_stream(x: Any, y: Any = None) -> bool:
    """Whether x gives batches: an iterator, a list of tuples, or a dataset; no array, table, or dict of them."""
    if y is not None or isinstance(x, Mapping | tuple | str) or is_arraylike(x) or x is None:
        return False
    if isinstance(x, list):
        return bool(x) and all(isinstance(b, tuple) for b in x)
    return isinstance(x, Iterable) or is_dataset(x)


def is_dataset(x: Any) -> bool:
    """As Keras's PyDataset: batches by number."""
    return not isinstance(x, list) and hasattr(x, "__getitem__") and hasattr(x, "__len__")


def can_repeat(x: Any) -> bool:
    """Whether a stream can be gone through again, which an iterator cannot."""
    return not isinstance(x, Iterator)


def count_of(x: Any) -> int | None:
    """How many batches a stream has, if it knows."""
    return len(x) if isinstance(x, list) or is_dataset(x) else None


def batches(x: Any, order: Iterable[int] | None = None) -> Iterator[Any]:
    """The batches, from the first on; of a dataset in an order of their numbers, if one is given."""
    if is_dataset(x):
        return (x[int(i)] for i in (range(len(x)) if order is None else order))
    return iter(x)


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """``(x, y, sample_weight)`` of ``(x, y)`` or ``(x, y, sample_weight)``, as validation data and batches come.

    Raises:
        InputError: neither.
    """
    if not isinstance(data, tuple | list) or not 2 <= len(data) <= 3:
        raise InputError(f"expected (x, y) or (x, y, sample_weight), got {type(data).__name__}")
    return (data[0], data[1], data[2] if len(data) == 3 else None)
