"""Suggestions for misspelled names, for error messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


def suggestion(name: Any, known: Iterable[str]) -> str:
    """The end of an error message: similar names, else all known names.

    >>> suggestion("adm", ["adam", "sgd"]), suggestion("x", ["adam", "sgd"])
    ("; did you mean 'adam'?", '; there are adam, sgd')
    """
    names = {n.lower(): n for n in known}
    near = [names[n] for n in get_close_matches(str(name)[:100].lower(), names, n=3)]
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    return f"; there are {', '.join(dict.fromkeys(names.values()))}"
