"""Select columns of a table by name, position or range."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from foldnet.errors import InputError


@dataclass(frozen=True)
class Selection:
    """The columns of a table to use, and in which order.

    Attributes:
        columns: names, positions from 1, or ranges, separated by commas: ``"1-11"`` or ``"pH,alcohol"``.
            None means every column. A name with a comma must be in double quotes. A tuple holds whole names, and no
            positions.
        drop: columns to leave out, in the same form.
    """

    columns: str | tuple[str, ...] | None = None
    drop: str | tuple[str, ...] | None = None

    def places(self, width: int, names: Sequence[str] | None, where: str) -> list[int]:
        """The positions (from 0) of the columns to use in a table of ``width`` columns.

        Raises:
            InputError: the table does not have a column, or no column is left.

        >>> Selection("pH,1-2").places(4, ["a", "b", "c", "pH"], "t.csv")
        [3, 0, 1]
        >>> Selection(("1-2",)).places(3, ["a", "b", "1-2"], "t.csv")
        [2]
        """
        chosen = range(width) if self.columns is None else _places(self.columns, width, names, where)
        dropped = set() if self.drop is None else set(_places(self.drop, width, names, where))
        left = [place for place in chosen if place not in dropped]
        if not left:
            raise InputError(f"{where}: no column is left to use; the table has {describe(width, names)}")
        return left

    def names_one_of(self, cells: Sequence[str]) -> bool:
        """Whether it chooses one of these cells by its text, so that they name columns.

        >>> Selection("colour,2").names_one_of(["size", "colour"]), Selection("1-2").names_one_of(["1", "2"])
        (True, False)
        """
        items = {item for text in (self.columns, self.drop) if text is not None for item in _items(text)}
        return any(cell in items and not _POSITIONS.fullmatch(cell) for cell in cells)


_POSITIONS = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


def _items(text: str | tuple[str, ...]) -> list[str]:
    if isinstance(text, tuple):
        return list(text)
    return [item.strip() for item in next(csv.reader([text], skipinitialspace=True), [])]


def _places(text: str | tuple[str, ...], width: int, names: Sequence[str] | None, where: str) -> list[int]:
    exact = isinstance(text, tuple)
    return [place for item in _items(text) for place in _place(item, width, names, where, exact=exact)]


def _place(item: str, width: int, names: Sequence[str] | None, where: str, *, exact: bool) -> list[int]:
    if names is not None and item in names:
        if names.count(item) > 1:
            raise InputError(
                f"{where}: {names.count(item)} columns are named {item!r}; choose by position, from 1"
            )
        return [names.index(item)]
    match = _POSITIONS.fullmatch(item)
    if match and not exact:
        first = int(match[1])
        last = int(match[2] or first)
        if 1 <= first <= last <= width:
            return list(range(first - 1, last))
    unnamed = "" if names is not None else ", which are chosen by position, from 1"
    raise InputError(f"{where}: there is no column {item!r}; the table has {describe(width, names)}{unnamed}")


def describe(width: int, names: Sequence[str] | None) -> str:
    """A description of the columns, for messages."""
    if names is None:
        return f"{width} column{'s' * (width != 1)} without names"
    shown = list(names) if width <= 16 else [*names[:12], "...", names[-1]]
    return f"{width} column{'s' * (width != 1)}: {', '.join(shown)}"
