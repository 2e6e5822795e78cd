"""Example rows for a network: the caller's, or random ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError
from foldnet.graph.graph import Graph
from foldnet.graph.op import INT
from foldnet.graph.tables import sample_numbers, smallest_tables


def example_rows(graph: Graph, rows: int, seed: int = 0) -> list[Array]:
    """Random rows for each input; indices are inside their smallest table, and texts are their codes.

    Args:
        graph: with all sizes known but that of the batch.
        rows: how many.
        seed: for the same rows each time.
    """
    rng = np.random.default_rng(seed)
    tables, numbers = smallest_tables(graph), sample_numbers(graph)
    data = []
    for name in graph.inputs:
        kind = graph.types[name]
        shape = (rows, *(n or 1 for n in kind.shape[1:]))
        is_int = kind.dtype == INT
        if numbers.get(name):
            array = rng.choice(numbers[name], shape)
        elif is_int or name in tables:
            array = rng.integers(0, tables.get(name, 2), shape)
        else:
            array = rng.normal(size=shape)
        data.append(array.astype(np.int32 if is_int else np.float32))
    return data


def given_arrays(graph: Graph, x: object) -> list[Array]:
    """An array for each input, of the caller's rows; texts as their codes.

    Args:
        graph: of the network.
        x: rows as ``predict`` takes them, for several inputs a list of them.

    Raises:
        InputError: they are not numbers, or for other inputs.
    """
    given = x if isinstance(x, list | tuple) and len(graph.inputs) > 1 else [x]
    if len(given) != len(graph.inputs):
        raise InputError(f"x holds {len(given)} arrays, and the network has {len(graph.inputs)} inputs")
    try:
        return [
            graph.texts[name].read(data, name) if name in graph.texts else np.asarray(data)
            for name, data in zip(graph.inputs, given, strict=True)
        ]
    except ValueError as error:  # lists of different lengths
        raise InputError(f"x is not an array of numbers for each input: {error}") from None


def given_rows(graph: Graph, given: Sequence[Array]) -> list[Array]:
    """The arrays in the types of the inputs.

    Args:
        graph: of the network, with all sizes known.
        given: an array for each input.

    Raises:
        InputError: they have other shapes, no row, or not equally many.
    """
    rows = []
    for value, data in zip(graph.inputs, given, strict=True):
        kind = graph.types[value]
        array = data.astype(np.int32 if kind.dtype == "int" else np.float32)
        if array.ndim == 0 or array.shape[1:] != kind.shape[1:] or len(array) == 0:
            raise InputError(
                f"x for input {value!r} has shape {array.shape}, expected (rows, {kind.shape[1:]})"
            )
        rows.append(array)
    if len({len(array) for array in rows}) != 1:
        raise InputError(f"x has {[len(array) for array in rows]} rows for the inputs; give each as many")
    return rows
