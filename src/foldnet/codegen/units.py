"""A program in two units of C, so that two compilers work on it at once.

Its text is one. Without ``UNIT`` it is one unit, all of whose functions are its own. With ``UNIT`` 1 or 2 it is a part
of the program; what the other part calls is left to the linker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

UNITS = """\
#ifndef UNIT
#define UNIT 0
#endif
#if UNIT
#define PART __attribute__((visibility("hidden")))
#else
#define PART static
#endif
"""
"""What such a text begins with."""

_FUNCTION = re.compile(r"^static (?!inline)([^;{=#]*?\)) \{$", re.M)


def only(unit: int, code: str) -> str:
    """C that only this unit has.

    >>> print(only(1, "int x;"))
    #if UNIT != 2
    int x;
    #endif
    """
    return f"#if UNIT != {3 - unit}\n{code}\n#endif"


def is_apart(piece: str) -> bool:
    """Whether a piece of C is a function that may be in the other unit than its callers: none to be inlined."""
    return _FUNCTION.search(piece) is not None and "\n#if" not in piece


def for_both(unit: int, pieces: Iterable[str]) -> str:
    """Functions that one unit has and both may call.

    >>> print(for_both(1, ["static long two(long x) {\\n  return 2 * x;\\n}"]))
    #if UNIT == 2
    PART long two(long x);
    #else
    PART long two(long x) {
      return 2 * x;
    }
    #endif
    """
    pieces = list(pieces)
    if not pieces:
        return ""
    heads = [f"PART {head};" for piece in pieces for head in _FUNCTION.findall(piece)]
    functions = [_FUNCTION.sub(r"PART \1 {", piece) for piece in pieces]
    return "\n".join([f"#if UNIT == {3 - unit}", *heads, "#else", "\n\n".join(functions), "#endif"])
