"""The caller's rows as arrays for a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError
from foldnet.graph.graph import Graph
from foldnet.graph.op import INT
from foldnet.structure import flatten


def read_rows(graph: Graph, x: object) -> list[Array]:
    """One array per input, float32 or int32, in the graph's order; texts as their codes.

    Args:
        graph: of the network.
        x: an array-like; for several inputs a list or tuple of them, or a dict by the inputs' names.

    Raises:
        InputError: not numbers, another number of inputs, other shapes, no rows, or different numbers of rows.
    """
    arrays = input_parts(graph, x)
    if len(arrays) != len(graph.inputs):
        raise InputError(f"the network takes {len(graph.inputs)} inputs {graph.inputs}, got {len(arrays)}")
    inputs = []
    for name, array in zip(graph.inputs, arrays, strict=True):
        kind = graph.types[name]
        if name in graph.texts:
            array = graph.texts[name].read(array, name)
        else:
            array = _numbers(array, name, np.int32 if kind.dtype == INT else np.float32)
        fits = array.ndim == len(kind.shape) and all(
            n in (None, m) for n, m in zip(kind.shape[1:], array.shape[1:], strict=True)
        )
        if not fits:
            raise InputError(
                f"input {name!r} takes rows of shape {kind.shape}, got an array of {array.shape}"
            )
        inputs.append(array)
    count = len(inputs[0])
    if count == 0 or any(len(a) != count for a in inputs):
        raise InputError(
            f"at least one row is needed, and as many for each input; got {[len(a) for a in inputs]}"
        )
    return inputs


def _numbers(array: Any, name: str, dtype: type[Any]) -> Array:
    try:
        return np.asarray(array).astype(dtype)
    except (TypeError, ValueError) as error:
        raise InputError(f"input {name!r} does not hold numbers: {error}") from None


def input_parts(graph: Graph, x: Any) -> list[Any]:
    """The caller's data for each input, unchanged."""
    if isinstance(x, Mapping):
        return [x[name] for name in graph.inputs] if set(x) == set(graph.inputs) else flatten(x)
    if len(graph.inputs) > 1:
        return flatten(x)
    wrapped = (
        isinstance(x, list | tuple)
        and len(x) == 1
        and np.ndim(x[0]) == len(graph.types[graph.inputs[0]].shape)
    )
    return [x[0]] if wrapped else [x]
