"""Read columns of texts from a CSV, each cell as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from foldnet.errors import InputError
from foldnet.tables.csv_table import CsvTable
from foldnet.tables.select import Selection

SAY = "Say with --header that it names the columns, or with --no-header that it is a row."


class CsvTexts(CsvTable):
    """Texts, one line per row; an empty cell is an empty text, and 007 stays "007"."""

    dtype = object

    def _is_header(self, row: Sequence[str], selection: Selection) -> bool:
        """Whether the first line names the columns, if that can be told from what is not read as texts."""
        if self._dialect.header is not None:
            return self._dialect.header
        if selection.names_one_of(row):
            return True
        if not super()._is_header(row, selection):
            return False
        used = set(selection.places(len(row), None, self.name))
        others = [k for k in range(len(row)) if k not in used]
        second = self._ahead() or []
        if len(second) == len(row) and any(self._dialect.is_number(second[k]) for k in others):
            return True  # numbers under a text
        raise InputError(f"{self.name}: the first line may name the columns, or be a row of texts. {SAY}")

    def _blank_line(self) -> int:
        if self._width == 1:
            raise InputError(
                f'{self.name}, line {self._cells.line_num} is empty: write "" for an empty text, or remove the line'
            )
        return super()._blank_line()

    def _read_cells(self, cells: Sequence[str]) -> list[Any]:
        missing = self._dialect.missing
        for place, cell in zip(self._places, cells, strict=True) if missing else ():
            if cell.strip() in missing:
                raise InputError(
                    f"{self._where(place)}: {cell[:40]!r} means a missing value (--na), and a text cannot be missing. "
                    "Leave that --na out to read it as a text"
                )
        return list(cells)
