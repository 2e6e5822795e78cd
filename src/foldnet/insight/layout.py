"""Text layout for a terminal of some width: paragraphs, and tables that become lists if they do not fit."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

WIDTH = 80


def wrapped(text: str, width: int, indent: str = "  ", first: str = "") -> list[str]:
    """The lines of a paragraph; those after the first are indented."""
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False
    )  # fmt: skip


def shortened(name: str, width: int) -> str:
    """The end of a name that is too long, because it distinguishes layers better than the start."""
    return name if len(name) <= width else "…" + name[len(name) - width + 1 :]


def name_width(width: int, others: int) -> int | None:
    """The width for the names of a table whose other columns take ``others`` characters; None if there is no room."""
    room = min(width, 100) - others
    return room if room >= LEAST else None


LEAST = 14
"""The smallest width at which names can still be distinguished."""


def stacked(name: str, cells: Sequence[tuple[str, str]], width: int) -> list[str]:
    """A row of a table if there is no room for columns: the name, with its values below."""
    said = ", ".join(f"{header} {cell}" for header, cell in cells)
    return [shortened(name, width), *wrapped(said, width, "    ", "    ")]
