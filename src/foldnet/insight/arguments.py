"""Checks of arguments of the insight functions; errors say what was expected."""

from __future__ import annotations

import math
import operator
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from foldnet.errors import ConfigError


def whole(name: str, value: Any, least: int | None = None) -> int:
    """A whole number.

    Raises:
        ConfigError: it is not a whole number, or less than ``least``.

    >>> whole("rows", 3, 1)
    3
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or (least is not None and number < least):
        expected = "a whole number" + (f" of at least {least}" if least is not None else "")
        raise ConfigError(f"{name} must be {expected}, not {_brief(value)}")
    return number


def positive(name: str, value: Any, *, zero: bool = False) -> float:
    """A finite number above 0, or 0 as well if ``zero``.

    Raises:
        ConfigError: it is not such a number.
    """
    try:
        number = math.nan if isinstance(value, str | bytes | bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise ConfigError(
            f"{name} must be a number {'of 0 or more' if zero else 'above 0'}, not {_brief(value)}"
        )
    return number


def names(name: str, value: object) -> list[str]:
    """One name, or several.

    Raises:
        ConfigError: it is neither.

    >>> names("layers", "bn"), names("layers", ("a", "b"))
    (['bn'], ['a', 'b'])
    """
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, list | tuple | set | frozenset) or not all(
        isinstance(n, str) for n in several
    ):
        raise ConfigError(f"{name} must be a name or a list of names, not {_brief(value)}")
    return list(several)


def path_of(value: object) -> Path:
    """A path to write to.

    Raises:
        ConfigError: it is not a path.
    """
    if not isinstance(value, str | PathLike) or not isinstance(fspath(value), str):
        raise ConfigError(f"path must be the name of a file to write, not {_brief(value)}")
    return Path(value)


def _brief(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"a {type(value).__name__}"
