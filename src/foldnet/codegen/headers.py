"""The C that is written by hand: files beside the modules that use them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cache


def header(module: str, name: str) -> str:
    """The text of a file of C.

    Args:
        module: ``__file__`` of a module in the same folder.
        name: of the file.
    """
    path = os.path.join(os.path.dirname(module), name)  # noqa: PTH118, PTH120
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slow to import
        return file.read()


_DEFINED = re.compile(
    r"^static [^;={]*?(\w+)\(|^#define (\w+)|^typedef (?:[^{;]|{[^}]*})*?(\w+)(?: __attribute__[^;]*)?;"
    r"|^SUM_(LANES|ROWS)\((\w+)",
    re.M,
)


@cache
def _pieces(library: str) -> list[tuple[str, set[str], set[str]]]:
    """Pieces of C between empty lines, the names that each defines, and all that it names."""
    pieces = []
    for text in re.split(r"\n{2,}", library.strip()):
        defined = set()
        for function, macro, kind, sums, name in _DEFINED.findall(_plain(text)):
            defined.add(f"{name}_{sums.lower()}" if sums else function or macro or kind)
        pieces.append((text, defined, _named(text)))
    return pieces


def _plain(code: str) -> str:
    return re.sub(r"__attribute__\(\((always_inline|noinline)\)\) ", "", code)


def _named(code: str) -> set[str]:
    names = set(re.findall(r"[A-Za-z_]\w*", re.sub(r"/\*.*?\*/", "", code, flags=re.S)))
    # What the macros of sums.h put together.
    names |= {f"{name}_lanes" for name in re.findall(r"^SUM_ROWS\((\w+)", code, re.M)}
    return names


def needed(library: str, code: str) -> str:
    """What a piece of code needs of a library of C, in the library's order, as one text; see ``needed_pieces``."""
    return joined(needed_pieces(library, code))


def joined(pieces: Iterable[str]) -> str:
    """Pieces of C as one text."""
    return "\n\n".join(pieces) + "\n"


def needed_pieces(library: str, code: str) -> list[str]:
    """The pieces that a piece of code needs of a library of C, in the library's order.

    Args:
        library: pieces of C, an empty line between them: functions with their comments, types, macros. What defines
            nothing is always needed.
        code: what calls it.
    """
    names, pieces = _named(code), _pieces(library)
    taken: set[int] = set()
    while True:
        more = {
            k
            for k, (_, defined, _) in enumerate(pieces)
            if k not in taken and (not defined or not defined.isdisjoint(names))
        }
        if not more:
            return [pieces[k][0] for k in sorted(taken)]
        taken |= more
        names = names.union(*(pieces[k][2] for k in more))
