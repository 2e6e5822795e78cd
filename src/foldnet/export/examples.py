"""Example rows for a network, if the caller gives none."""

from __future__ import annotations

import numpy as np

from foldnet.arrays import Array
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
