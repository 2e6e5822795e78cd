"""Read JSON strictly, and get settings from it with clear error messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from foldnet.errors import FileFormatError

MAX_JSON = 16 << 20
MAX_DEPTH = 200
MAX_DIGITS = 4000
"""Of a whole number; Python itself refuses a few more, in words for programmers."""


def parse(text: bytes | str, what: str, most: int = MAX_JSON) -> dict[str, Any]:
    """Parse a JSON object.

    Args:
        text: UTF-8.
        what: its name in errors.
        most: bytes that are read.

    Raises:
        FileFormatError: not a JSON object, too large or too deep, or a repeated key.
    """
    if len(text) > most:
        raise FileFormatError(f"{what} is {len(text):,} bytes of JSON; at most {most:,} are read")
    try:
        value = json.loads(
            text, parse_constant=NotFinite, parse_float=_number, parse_int=_integer, object_pairs_hook=_object
        )
    except RecursionError:
        raise FileFormatError(
            f"{what} nests deeper than {MAX_DEPTH} levels, deeper than any network"
        ) from None
    except ValueError as error:
        raise FileFormatError(f"{what} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise FileFormatError(f"{what} should be a JSON object, not {type(value).__name__}")
    _check_depth(value, what)
    return value


class NotFinite:
    """``Infinity``, ``-Infinity`` or ``NaN`` in JSON: allowed in constants of operations, not in layer settings.

    It is not a number, so code that needs a number refuses it, unless ``numbers`` has converted it.
    """

    def __init__(self, name: str) -> None:
        self._name, self.value = name, float(name)

    def __repr__(self) -> str:
        return self._name


def numbers(value: object) -> Any:
    """Convert infinities and NaN in a value, or in nested lists, to floats."""
    if isinstance(value, list):
        return [numbers(item) for item in value]
    return value.value if isinstance(value, NotFinite) else value


def _number(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"the number {text[:20]} is out of range")
    return value


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(
            f"the number {text[:20]}... has {len(text)} digits, and at most {MAX_DIGITS} are read"
        )
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object in it repeats a key")
    return result


def _check_depth(value: object, what: str) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise FileFormatError(f"{what} nests deeper than {MAX_DEPTH} levels, deeper than any network")


def mapping(value: object, what: str) -> Mapping[str, Any]:
    """Check that a value is an object."""
    if not isinstance(value, Mapping):
        raise FileFormatError(f"{what} should be an object, not {_short(value)}")
    return value


def listing(value: object, what: str) -> list[Any]:
    """Check that a value is a list."""
    if not isinstance(value, list | tuple):
        raise FileFormatError(f"{what} should be a list, not {_short(value)}")
    return list(value)


def text(value: object, what: str) -> str:
    """Check that a value is a non-empty string."""
    if not isinstance(value, str) or not value:
        raise FileFormatError(f"{what} should be a name, not {_short(value)}")
    if "\0" in value or not _encodable(value):
        raise FileFormatError(f"{what} has characters that no name can have: {_short(value)}")
    return value


def _encodable(text: str) -> bool:
    """Whether it has no lone surrogates, which JSON allows but UTF-8 cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def whole(value: object, what: str) -> int:
    """Check that a value is a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise FileFormatError(f"{what} should be a whole number, not {_short(value)}")
    return value


def shape(value: object, what: str) -> tuple[int | None, ...]:
    """Check that a value is a list of sizes; a size may be None."""
    sizes = listing(value, what)
    if len(sizes) > 32 or any(
        s is not None and (not isinstance(s, int) or isinstance(s, bool) or not 0 <= s < 2**31) for s in sizes
    ):
        raise FileFormatError(f"{what} should be a shape, not {_short(value)}")
    return tuple(sizes)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
