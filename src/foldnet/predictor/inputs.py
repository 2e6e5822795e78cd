"""Convert the caller's data to arrays of rows; anything that is not data is a clear error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError
from foldnet.graph.graph import Graph, Type
from foldnet.graph.op import FLOAT
from foldnet.graph.texts import Texts

_INT32 = np.iinfo(np.int32)


def read_inputs(x: object, graph: Graph, names: Sequence[str]) -> list[Array]:
    """One array per input, rows first, of any numeric dtype and any strides; copied only if necessary.

    Args:
        x: an array-like; for several inputs a list, tuple or dict of them.
        graph: whose inputs' shapes the arrays must have.
        names: of the inputs, for dicts and for errors.

    Raises:
        InputError: not data, or arrays of another number, dtype or shape than the graph takes.
    """
    given = by_input(x, graph, names)
    arrays = [
        _read(value, graph.types[value_name], name, graph.texts.get(value_name))
        for value, value_name, name in zip(given, graph.inputs, names, strict=True)
    ]
    rows = {name: len(a) for name, a in zip(names, arrays, strict=True)}
    if len(set(rows.values())) > 1:
        raise InputError(f"all inputs must have the same number of rows, got {rows}")
    return arrays


def by_input(x: Any, graph: Graph, names: Sequence[str]) -> list[Any]:
    """What the caller gave for each input, in order.

    Raises:
        InputError: not one thing for each input.
    """
    if isinstance(x, Mapping):
        keys = next((k for k in (tuple(names), graph.inputs) if set(x) == set(k)), None)
        if keys is None:
            raise InputError(
                f"the network's inputs are {list(names)}, and it was given {[str(k) for k in x]}"
            )
        return [x[key] for key in keys]
    if len(names) == 1:
        rank = len(graph.types[graph.inputs[0]].shape)
        single = isinstance(x, list | tuple) and len(x) == 1 and getattr(x[0], "ndim", None) == rank
        return [x[0]] if single else [x]
    if not isinstance(x, list | tuple):
        raise InputError(
            f"the network has {len(names)} inputs, {list(names)}; pass a list or a dict of arrays, "
            f"not {type(x).__name__}"
        )
    if len(x) != len(names):
        raise InputError(f"the network has {len(names)} inputs, {list(names)}, and was given {len(x)}")
    return list(x)


def _read(value: object, wanted: Type, name: str, texts: Texts | None) -> Array:
    expected = "(rows, " + ", ".join("any" if n is None else str(n) for n in wanted.shape[1:]) + ")"
    if value is None:
        raise InputError(f"input {name!r} is None; expected an array of shape {expected}")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InputError(f"input {name!r} has masked values; fill them first: x.filled(value)")
    array = _numbers(value, name, expected) if texts is None else texts.read(value, name)
    sizes = zip(array.shape[1:], wanted.shape[1:], strict=False)
    if array.ndim != len(wanted.shape) or any(n is not None and m != n for m, n in sizes):
        one = array.ndim == len(wanted.shape) - 1 and all(
            n is None or m == n for m, n in zip(array.shape, wanted.shape[1:], strict=True)
        )
        hint = "; for a single row pass x[None]" if one else ""
        raise InputError(f"input {name!r} has shape {array.shape}; expected {expected}{hint}")
    return array


def _numbers(value: object, name: str, expected: str) -> Array:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"input {name!r}: {type(value).__name__} is not an array of numbers: {error}"
        ) from None
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"input {name!r} has dtype {array.dtype}; expected numbers of shape {expected}. Turn other columns "
            "into numbers first, as in training."
        )
    return array


def working(block: Array, wanted: Type, dtype: np.dtype[Any], name: str) -> Array:
    """A block of rows in the engine's dtype, C-contiguous; the same array if possible.

    Raises:
        InputError: an index that is not a whole number of 32 bits.
    """
    if wanted.dtype == FLOAT:
        with np.errstate(all="ignore"):  # values beyond float32's range become infinite, as in NumPy
            return np.require(block, dtype, ["C", "A"])
    if block.dtype.kind == "f" and not (block == np.trunc(block)).all():
        raise InputError(f"input {name!r} takes whole numbers (indices), and was given fractions or NaN")
    if block.size and (block.max() > _INT32.max or block.min() < _INT32.min):
        raise InputError(f"input {name!r} takes whole numbers of 32 bits, and was given larger ones")
    return np.require(block, np.int32, ["C", "A"])
