"""Sorting, searching and counting; for arrays only, since a compiled program cannot depend on the data's order."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from foldnet.arrays import Array
from foldnet.operations import expression as e
from foldnet.ops.records import operation
from foldnet.promotion import as_array, floating


class TopK(NamedTuple):
    """The largest values along the last axis, and their indices."""

    values: Array
    indices: Array


def _array(name: str, x: Any, instead: str) -> Array:
    if isinstance(x, e.Expression):
        raise e.refuse(name, instead)
    return as_array(x)


@operation("Sort", settings=("axis",))
def sort(x: Any, axis: int = -1) -> Array:
    """Values sorted in ascending order along an axis.

    Raises:
        UnsupportedError: x is an expression.
    """
    return np.sort(_array("sort", x, "use ops.max, ops.min or ops.argmax, which need no order"), axis=axis)


@operation("Argsort", settings=("axis",))
def argsort(x: Any, axis: int | None = -1) -> Array:
    """Indices that sort the values in ascending order along an axis.

    Raises:
        UnsupportedError: x is an expression.
    """
    x = _array("argsort", x, "use ops.argmax or ops.argmin")
    return np.argsort(x, axis=axis, kind="stable").astype(np.int32)


@operation("TopK", "math", settings=("k", "sorted"))
def top_k(x: Any, k: int, sorted: bool = True) -> TopK:
    """The ``k`` largest values along the last axis, largest first, and their indices.

    Raises:
        UnsupportedError: x is an expression.
    """
    x = _array("top_k", x, "use ops.max and ops.argmax for the first; metrics have top_k of their own")
    places = np.argsort(-x if x.dtype.kind == "f" else -x.astype(np.int64), axis=-1, kind="stable")[..., :k]
    return TopK(np.take_along_axis(x, places, -1), places.astype(np.int32))


@operation("InTopK", "math", settings=("k",))
def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Whether each row's target is among its ``k`` largest predictions.

    Raises:
        UnsupportedError: an argument is an expression.
    """
    targets = _array("in_top_k", targets, "use metrics.SparseTopKCategoricalAccuracy")
    predictions = _array("in_top_k", predictions, "use metrics.SparseTopKCategoricalAccuracy")
    own = np.take_along_axis(predictions, targets.astype(int)[..., None], -1)
    return np.asarray((predictions > own).sum(-1) < k)


@operation("TakeAlongAxis", settings=("axis",))
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Array:
    """Values along an axis at the given indices.

    Raises:
        UnsupportedError: an argument is an expression.
    """
    instead = "multiply with ops.one_hot(indices, n) and sum"
    x, indices = _array("take_along_axis", x, instead), _array("take_along_axis", indices, instead)
    return np.take_along_axis(x, indices.astype(int), axis)


def nonzero(x: Any) -> tuple[Array, ...]:
    """The indices of values that are not 0, one array per axis.

    Raises:
        UnsupportedError: x is an expression.
    """
    found = np.nonzero(_array("nonzero", x, "use ops.where with two values to choose from"))
    return tuple(places.astype(np.int32) for places in found)


def unique(x: Any) -> Array:
    """The sorted unique values.

    Raises:
        UnsupportedError: x is an expression.
    """
    return np.unique(_array("unique", x, "a program's shapes do not depend on its data"))


def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Array:
    """How often each whole number from 0 occurs, or the sum of its weights.

    Raises:
        UnsupportedError: x is an expression.
    """
    x = _array("bincount", x, "sum ops.one_hot(x, n) over an axis")
    found = np.bincount(x, None if weights is None else as_array(weights), minlength)
    return found.astype(np.int32 if weights is None else as_array(weights).dtype)


def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Array:
    """The indices at which values would be inserted into a sorted array.

    Raises:
        UnsupportedError: an argument is an expression.
    """
    instead = "sum ops.greater(x[..., None], limits) over the last axis"
    found = np.searchsorted(
        _array("searchsorted", sorted_sequence, instead),
        _array("searchsorted", values, instead),
        side,  # type: ignore[call-overload]
    )
    return np.asarray(found, np.int32)


def digitize(x: Any, bins: Any) -> Array:
    """The index of each value's bin.

    Raises:
        UnsupportedError: x is an expression.
    """
    return np.digitize(
        _array("digitize", x, "sum ops.greater_equal(x[..., None], bins)"), as_array(bins)
    ).astype(np.int32)


def quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Array:
    """The value below which a fraction ``q`` of the values lies.

    Raises:
        UnsupportedError: x is an expression.
    """
    x = _array("quantile", x, "take the mean, which needs no order")
    found = np.quantile(x.astype(floating(x)), as_array(q), axis=axis, method=method, keepdims=keepdims)  # type: ignore[call-overload]
    return np.asarray(found, floating(x))
