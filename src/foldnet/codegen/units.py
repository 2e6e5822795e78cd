"""A program in two units of C, so that two compilers work on it at once.

Its text is one. Without ``UNIT`` it is one unit, all of whose functions are its own. With ``UNIT`` 1 or 2 it is a part
of the program; what the other part calls is left to the linker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from foldnet.codegen.headers import needed_of

_FOR_GCC = (
    "vect-cost-model=dynamic", "no-tree-pre", "no-thread-jumps", "no-gcse", "no-code-hoisting", "no-tree-vrp",
)  # fmt: skip
"""At -O2 gcc vectorizes next to nothing; -O3 takes twice as long for code that is less than a tenth faster. What is
left out takes a tenth of the time, and makes no step faster."""


def gcc_options() -> list[str]:
    """Options for gcc to compile a unit with. It takes a fifteenth longer if the text has them.

    >>> gcc_options()[:2]
    ['-DTOLD', '-fvect-cost-model=dynamic']
    """
    return ["-DTOLD", *(f"-f{option}" for option in _FOR_GCC)]


UNITS = f"""\
#ifndef UNIT
#define UNIT 0
#endif
#if UNIT
#define PART __attribute__((visibility("hidden")))
#else
#define PART static
#endif
/* gcc has these options from its command, where that is known to be gcc's. */
#if defined(__GNUC__) && !defined(__clang__) && !defined(TOLD)
#pragma GCC optimize({", ".join(f'"{option}"' for option in _FOR_GCC)})
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


def divided(pieces: Sequence[str], first: str, second: str) -> tuple[list[str], list[str], list[str]]:
    """Small pieces of C by who needs them: both units, the first alone, the second alone.

    Args:
        pieces: of a library, in its order.
        first: the rest of the first unit.
        second: that of the second one.
    """
    one, two = ({*needed_of(pieces, code)} for code in (first, second))
    both = [piece for piece in pieces if piece in one & two]
    return both, [p for p in pieces if p in one - two], [p for p in pieces if p in two - one]


def is_apart(piece: str) -> bool:
    """Whether a piece of C is a function that may be in the other unit than its callers: none to be inlined."""
    return _FUNCTION.search(piece) is not None and "\n#if" not in piece


def heads(pieces: Iterable[str]) -> str:
    """What the other unit knows of functions that one unit has."""
    return "\n".join(f"PART {head};" for piece in pieces for head in _FUNCTION.findall(piece))


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
    functions = [_FUNCTION.sub(r"PART \1 {", piece) for piece in pieces]
    return "\n".join([f"#if UNIT == {3 - unit}", heads(pieces), "#else", "\n\n".join(functions), "#endif"])
