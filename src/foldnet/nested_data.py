"""The caller's data for a network's inputs or outputs, in the network's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from foldnet.errors import InputError
from foldnet.structure import children, flatten, has, is_flat, is_nested, shown, up_to
from foldnet.warn import warn


def arranged(value: object, structure: object, names: Sequence[str], what: str = "the data") -> list[Any]:
    """One entry per leaf of the structure, in order.

    Args:
        value: nested like the structure; or a list in the structure's order; or a dict by names.
        structure: of the network's inputs or outputs; the leaves themselves are not used.
        names: of the leaves.
        what: name of the data, for errors.

    Raises:
        InputError: it is nested differently, or names are missing.
    """
    if not is_nested(structure) or len(names) == 1:
        return [_single(value, structure, names[0], what)]
    found = _several(value, structure, names)
    if found is None:
        raise InputError(
            f"{what} must be nested as the network is: {_expected(structure, names)}; got {shown(value, _leaf)}"
        )
    entries, same_structure = found
    if not same_structure:
        of_inputs = "The structure of `inputs` doesn't match the expected structure" if what == "x" else None
        warn(
            f"{of_inputs or what + ' is nested in another way than the network'}: expected "
            f"{_expected(structure, names)}, got {shown(value, _leaf)}. It was taken in the network's order, by name "
            "where there are names."
        )
    return entries


def _single(value: Any, structure: object, name: str, what: str) -> Any:
    if isinstance(value, Mapping):
        keys = [*flatten_keys(structure), name]
        key = next((k for k in keys if k in value), None)
        if key is None:
            raise InputError(f"{what} must have the entry {keys[0]!r}; it has {[str(k) for k in value]}")
        if len(value) > 1:
            others = [str(k) for k in value if k != key]
            start = (
                "The structure of `inputs` doesn't match the expected structure: x" if what == "x" else what
            )
            warn(f"{start} has the entries {others}, which the network does not take")
        value = value[key]
        return value if not isinstance(value, Mapping) else _single(value, structure, name, what)
    wrapped = isinstance(value, list | tuple) and len(value) == 1 and np.ndim(_shaped(value[0])) > 0
    return value[0] if wrapped and _is_array(value[0]) else value


def flatten_keys(structure: object) -> list[Any]:
    """The keys of a dict; empty for anything else."""
    return sorted(structure) if isinstance(structure, Mapping) else []


def _several(value: object, structure: object, names: Sequence[str]) -> tuple[list[Any], bool] | None:
    """The entries, and whether they were nested as the structure is; None if that is unclear."""
    if has(structure, value):
        extra = isinstance(value, Mapping) and isinstance(structure, Mapping) and len(value) > len(structure)
        entries = up_to(structure, value)
        plain = [_unwrapped(entry, leaf) for entry, leaf in zip(entries, flatten(structure), strict=True)]
        return plain, not extra and all(a is b for a, b in zip(entries, plain, strict=True))
    if isinstance(value, Mapping):
        named = is_flat(structure) and not isinstance(structure, Mapping)
        if named and set(names) <= set(value) and len(set(names)) == len(names):
            return [value[name] for name in names], len(value) == len(names)
        return None
    if not isinstance(value, list | tuple) or len(value) != len(names):
        return None
    if isinstance(structure, Mapping) and list(structure) != sorted(structure):
        return None  # the list may be in the dict's order or in that of its sorted keys
    if not is_flat(structure) and not all(v is None or _is_array(v) for v in value):
        return None
    return list(value), False


def _unwrapped(entry: object, leaf: object) -> Any:
    """The array in a list of one array, if the array fits the network's tensor."""
    if not isinstance(entry, list | tuple) or len(entry) != 1:
        return entry
    ranks = [len(thing.shape) if hasattr(thing, "shape") else None for thing in (entry[0], leaf)]
    return entry[0] if ranks[0] is not None and ranks[0] == ranks[1] else entry


def _expected(structure: object, names: Sequence[str]) -> str:
    rest = iter(names)
    in_order = [next(rest) for _ in flatten(structure)]
    return _with_names(structure, in_order)


def _with_names(structure: object, names: list[str]) -> str:
    if not is_nested(structure):
        return names.pop(0)
    inner = {key: _with_names(child, names) for key, child in children(structure)}
    if isinstance(structure, Mapping):
        return "{" + ", ".join(f"{str(k)!r}: {text}" for k, text in inner.items()) + "}"
    return "[" + ", ".join(inner.values()) + "]"


def _leaf(value: object) -> str:
    if value is None:
        return "None"
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__}{'' if shape is None else f' of shape {tuple(shape)}'}"


def _is_array(value: object) -> bool:
    return hasattr(value, "__array__") or hasattr(value, "to_numpy") or hasattr(value, "shape")


def _shaped(value: object) -> Any:
    return np.empty((1,) * len(value.shape)) if hasattr(value, "shape") else value
