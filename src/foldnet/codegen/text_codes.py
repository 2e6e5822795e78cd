"""C of the functions that turn the texts of an input into the codes that a network takes: see ``graph/texts.py``."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from foldnet.codegen.names import plain
from foldnet.graph.texts import Texts

FLASH = """\
/* On AVR the known texts stay in flash, and each byte is read from there. */
#if defined(__AVR__)
#include <avr/pgmspace.h>
#define TEXT_FLASH PROGMEM
#define TEXT_BYTE(place) pgm_read_byte(&(place))
#define TEXT_START(place) pgm_read_dword(&(place))
#else
#define TEXT_FLASH
#define TEXT_BYTE(place) (place)
#define TEXT_START(place) (place)
#endif
"""
"""What ``fn_find_text`` reads its texts with."""


def declaration(function: str) -> str:
    """That of a function from a text to its code, without the semicolon."""
    return f"int32_t {function}(const char *text, size_t length)"


def code_functions(texts: Mapping[str, Texts]) -> str:
    """C of a function for each table, after the texts that it knows.

    Texts are bytes as numbers: they may hold NUL, quotes and trigraphs, be longer than a literal may be, and ``char``
    may be signed or not.

    Args:
        texts: each table under its function's name.
    """
    return "\n".join(
        part
        for number, (function, table) in enumerate(texts.items(), 1)
        for part in (_table(table, number), _function(function, table, number))
        if part
    )


def _table(table: Texts, number: int) -> str:
    known = [text.encode() for text in table.known]
    if not known:
        return ""
    starts = list(accumulate(map(len, known), initial=0))
    lines = [
        f"  {''.join(f'{byte},' for byte in encoded)} /* {code}: {plain(text)} */"
        for code, (text, encoded) in enumerate(zip(table.known, known, strict=True))
    ]
    # An array has at least one element, and this one has none if the only known text is empty.
    lines += [] if starts[-1] else ["  0"]
    places = [f"  {' '.join(f'{n},' for n in starts[k : k + 12])}" for k in range(0, len(starts), 12)]
    return "\n".join(
        [
            "/* The known texts in UTF-8, one after the other in rising order. The code of each is its place. */",
            f"static const unsigned char known_{number}[{max(starts[-1], 1)}] TEXT_FLASH = {{",
            *lines,
            "};\n",
            "/* Where each begins, and where the last ends. */",
            f"static const uint32_t starts_{number}[{len(starts)}] TEXT_FLASH = {{",
            *places,
            "};\n",
        ]
    )


def _function(function: str, table: Texts, number: int) -> str:
    searched = f"fn_find_text((const unsigned char *)text, length, known_{number}, starts_{number}, {len(table.known)})"
    other = "-1"
    if table.bins > 1:
        rest = f"fn_text_hash((const unsigned char *)text, length) % {table.bins}u"
        other = f"(int32_t)((int64_t)({rest}) - {table.bins})"
    lines = [f"  return {other};"]
    if table.known:
        lines = [f"  const int32_t place = {searched};", f"  return place >= 0 ? place : {other};"]
    unused = [] if table.known or table.bins > 1 else ["  (void)text;", "  (void)length;"]
    return "\n".join([f"{declaration(function)} {{", *unused, *lines, "}\n"])
