"""Batches of rows that can be iterated several times, from any source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, assert_never

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError
from foldnet.graph.graph import Graph
from foldnet.insight.rows import input_parts, read_rows

Batch = tuple[list[Array], tuple[Any, ...]]
DataKind = Literal["rows", "batches", "callable"]


class Stream:
    """Batches of a network's inputs; every iteration gives the same rows.

    Args:
        graph: of the network, for names and shapes of its inputs.
        x: rows, as for ``recalibrate``.
        batch_size: rows at a time, if x is not in batches.

    Raises:
        InputError: x can be read only once, or is not data.
    """

    def __init__(self, graph: Graph, x: Any, batch_size: int) -> None:
        self._graph, self._x, self._size = graph, x, batch_size
        self._kind = _kind(graph, x)

    def __iter__(self) -> Iterator[Batch]:
        """For each batch the inputs' arrays, and the targets and weights, if any.

        Raises:
            InputError: rows of another shape, no numbers, or no rows at all.
        """
        empty = True
        for batch in self._batches():
            x, *rest = batch if isinstance(batch, tuple) else (batch,)
            yield read_rows(self._graph, x), tuple(rest)
            empty = False
        if empty:
            raise InputError("the data gave no rows. A callable must give a new iterator at every call.")

    def _batches(self) -> Iterator[Any]:
        match self._kind:
            case "rows":
                return self._slices()
            case "batches":
                return self._given(self._x)
            case "callable":
                return self._given(self._x())
            case _:
                assert_never(self._kind)

    def _slices(self) -> Iterator[list[Array]]:
        parts = [_sliceable(part) for part in input_parts(self._graph, self._x)]
        if not parts or any(np.ndim(part) == 0 for part in parts):
            raise InputError("the data must be rows: an array of shape (rows, ...) for each input")
        if len({len(part) for part in parts}) > 1:
            raise InputError(
                f"every input needs the same number of rows; got {[len(part) for part in parts]}"
            )
        for start in range(0, len(parts[0]), self._size):
            yield [part[start : start + self._size] for part in parts]

    def _given(self, source: object) -> Iterator[Any]:
        if not isinstance(source, Iterable):
            raise InputError(f"the callable must give an iterable of batches, not {type(source).__name__}")
        return iter(source)


def _kind(graph: Graph, x: object) -> DataKind:
    if isinstance(x, Iterator):
        raise InputError(
            f"{type(x).__name__} can be read only once, and several passes over the data are needed. "
            "Give an array, a list of batches, or a function that makes a new iterator: lambda: batches()"
        )
    if isinstance(x, Mapping | tuple) or hasattr(x, "__array__") or hasattr(x, "to_numpy"):
        return "rows"
    if isinstance(x, list):
        return "batches" if _holds_batches(graph, x) else "rows"
    if callable(x):
        return "callable"
    if isinstance(x, Iterable) and not isinstance(x, str | bytes):
        return "batches"
    raise InputError(f"expected rows of data, got {type(x).__name__}")


def _holds_batches(graph: Graph, x: list[Any]) -> bool:
    """Whether a list holds batches: tuples ``(x, y)``, or, for one input, arrays of rows. A single array is always
    the rows themselves."""
    if not x:
        return False
    rank = len(graph.types[graph.inputs[0]].shape)
    rows = len(graph.inputs) == 1 and all(isinstance(b, np.ndarray) and b.ndim == rank for b in x)
    return rows or all(isinstance(b, tuple) and len(b) in (2, 3) and np.ndim(b[0]) > 0 for b in x)


def _sliceable(part: object) -> Array:
    """Rows that can be sliced cheaply: a memory-mapped array stays one."""
    if isinstance(part, np.ndarray):
        return part
    if hasattr(part, "to_numpy"):
        part = part.to_numpy()
    try:
        array = np.asarray(part)
    except (TypeError, ValueError) as error:
        raise InputError(f"the data is no table of numbers: {error}") from None
    if array.ndim == 0:
        raise InputError(f"expected rows of data, got {part!r}")
    return array
