"""The C that is written by hand: files beside the modules that use them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class _Piece:
    """C between empty lines, the names that it defines, and all that it names."""

    text: str
    defined: frozenset[str]
    named: frozenset[str]


@cache
def _piece(text: str) -> _Piece:
    defined = {
        f"{name}_{sums.lower()}" if sums else function or macro or kind
        for function, macro, kind, sums, name in _DEFINED.findall(_plain(text))
    }
    return _Piece(text, frozenset(defined), frozenset(_named(text)))


@cache
def _pieces(library: str) -> tuple[str, ...]:
    return tuple(re.split(r"\n{2,}", library.strip()))


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
    return needed_of(_pieces(library), code)


def needed_of(pieces: Sequence[str], code: str) -> list[str]:
    """The same of pieces of a library, which stay in their order."""
    names, left = _named(code), [_piece(text) for text in pieces]
    taken: set[str] = set()
    while True:
        more = [p for p in left if not p.defined or not p.defined.isdisjoint(names)]
        if not more:
            return [text for text in pieces if text in taken]
        taken |= {p.text for p in more}
        left = [p for p in left if p.text not in taken]
        names = names.union(*(p.named for p in more))
