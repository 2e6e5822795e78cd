"""Nested lists, tuples and dicts: get their leaves in order, and rebuild structures from leaves.

Dicts are in the order of their sorted keys, as in Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Path = tuple[Any, ...]


def is_nested(value: object) -> bool:
    """Whether it is a list, a tuple or a dict."""
    return isinstance(value, list | tuple | Mapping)


def flatten(structure: object) -> list[Any]:
    """Leaves of nested lists, tuples and dicts, in order."""
    if isinstance(structure, list | tuple):
        return [leaf for item in structure for leaf in flatten(item)]
    if isinstance(structure, Mapping):
        return [leaf for key in sorted(structure) for leaf in flatten(structure[key])]
    return [structure]


def map_structure(function: Callable[[Any], Any], structure: object) -> Any:
    """Apply a function to every leaf, in order; the structure stays the same.

    >>> map_structure(str, {"b": (1, 2), "a": [3]})
    {'b': ('1', '2'), 'a': ['3']}
    """
    if isinstance(structure, Mapping):
        found = {key: map_structure(function, structure[key]) for key in sorted(structure)}
        return {key: found[key] for key in structure}
    if isinstance(structure, list | tuple):
        return _like(structure, [map_structure(function, value) for value in structure])
    return function(structure)


def pack(structure: object, leaves: Sequence[Any]) -> Any:
    """The structure with other leaves, given in order.

    >>> pack({"b": (0, 0), "a": 0}, "xyz")
    {'b': ('y', 'z'), 'a': 'x'}
    """
    rest = iter(leaves)
    return map_structure(lambda _: next(rest), structure)


def without_leaves(structure: object, unwanted: Callable[[Any], bool]) -> Any:
    """The structure without some of its leaves.

    >>> without_leaves({"b": (1, 2), "a": 3}, lambda leaf: leaf > 1)
    {'b': (1,)}
    """
    if not is_nested(structure):
        return structure
    kept = [(key, child) for key, child in children(structure) if is_nested(child) or not unwanted(child)]
    inner = {key: without_leaves(child, unwanted) for key, child in kept}
    if isinstance(structure, Mapping):
        return {key: inner[key] for key in structure if key in inner}
    return list(inner.values()) if isinstance(structure, list) else tuple(inner.values())


def _like(structure: object, values: list[Any]) -> Any:
    if isinstance(structure, list):
        return values
    make = type(structure)
    return make(*values) if hasattr(make, "_fields") else tuple(values)


def children(structure: Any) -> list[tuple[Any, Any]]:
    """Keys or indices of a list, tuple or dict, with the entries, in order."""
    if isinstance(structure, Mapping):
        return [(key, structure[key]) for key in sorted(structure)]
    return list(enumerate(structure))


def is_flat(structure: object) -> bool:
    """Whether it is a list, tuple or dict of leaves."""
    return is_nested(structure) and not any(is_nested(child) for _, child in children(structure))


def same(a: Any, b: Any) -> bool:
    """Whether two structures are the same; lists and tuples count as equal.

    >>> same([1, {"a": 2}], (3, {"a": 4})), same([1], 1)
    (True, False)
    """
    if isinstance(a, Mapping) or isinstance(b, Mapping):
        both = isinstance(a, Mapping) and isinstance(b, Mapping)
        return both and set(a) == set(b) and all(same(a[key], b[key]) for key in a)
    if is_nested(a) or is_nested(b):
        return is_nested(a) and is_nested(b) and len(a) == len(b) and all(map(same, a, b))
    return True


def has(structure: Any, value: Any) -> bool:
    """Whether a value is nested at least as deeply as the structure: anything at a leaf counts as one value."""
    if not is_nested(structure):
        return True
    if isinstance(structure, Mapping):
        if not isinstance(value, Mapping) or not set(structure) <= set(value):
            return False
        return all(has(structure[key], value[key]) for key in structure)
    return (
        isinstance(value, list | tuple) and len(value) == len(structure) and all(map(has, structure, value))
    )


def up_to(structure: Any, value: Any) -> list[Any]:
    """The parts of a value at the structure's leaves, in order; see ``has``."""
    if not is_nested(structure):
        return [value]
    return [leaf for key, child in children(structure) for leaf in up_to(child, value[key])]


def paths(structure: object, path: Path = ()) -> Iterator[Path]:
    """The path to each leaf, in order."""
    if not is_nested(structure):
        yield path
        return
    for key, child in children(structure):
        yield from paths(child, (*path, key))


def plain(structure: object) -> Any:
    """The structure as plain dicts, tuples and lists, with each leaf replaced by its index."""
    if isinstance(structure, Mapping):
        return _plain_dict(numbered(structure))
    return _plain_tuples(numbered(structure))


def _plain_dict(structure: Any) -> Any:
    return {str(key): _plain_tuples(value) for key, value in structure.items()}


def _plain_tuples(structure: object) -> Any:
    if isinstance(structure, Mapping):
        return _plain_dict(structure)
    if isinstance(structure, tuple):
        return tuple(map(_plain_tuples, structure))
    return [_plain_tuples(v) for v in structure] if isinstance(structure, list) else structure


def to_text(structure: object) -> Any:
    """A structure as JSON data: dicts unchanged, lists and tuples with their kind as the first entry.

    >>> to_text({"a": (0, [1])})
    {'a': ['tuple', 0, ['list', 1]]}
    """
    if isinstance(structure, Mapping):
        return {key: to_text(value) for key, value in structure.items()}
    if isinstance(structure, list | tuple):
        return ["list" if isinstance(structure, list) else "tuple", *map(to_text, structure)]
    return structure


def from_text(text: object) -> Any:
    """The structure from the result of ``to_text``.

    Raises:
        ValueError: it is not such a result.
    """
    if isinstance(text, dict):
        return {key: from_text(value) for key, value in text.items()}
    if isinstance(text, list):
        if not text or text[0] not in ("list", "tuple"):
            raise ValueError("a structure is neither a list nor a tuple")
        values = [from_text(value) for value in text[1:]]
        return values if text[0] == "list" else tuple(values)
    if type(text) is not int:
        raise ValueError("a structure holds something other than numbers")
    return text


def numbered(structure: object) -> Any:
    """The structure with each leaf replaced by its index."""
    return pack(structure, range(len(flatten(structure))))


def shown(structure: object, leaf: Callable[[Any], str] = lambda _: "*") -> str:
    """The structure for a message, with a word for each leaf."""
    if isinstance(structure, Mapping):
        return "{" + ", ".join(f"{str(key)!r}: {shown(structure[key], leaf)}" for key in structure) + "}"
    if isinstance(structure, list | tuple):
        inner = ", ".join(shown(value, leaf) for value in structure)
        return f"[{inner}]" if isinstance(structure, list) else f"({inner})"
    return leaf(structure)
