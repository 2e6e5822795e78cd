"""Read numbers as text: CSV in any of its dialects."""

from __future__ import annotations

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter
from typing import IO, Any, cast

import numpy as np

from foldnet.arrays import Array
from foldnet.disk.opening import open_stream
from foldnet.errors import FileFormatError, InputError
from foldnet.tables.select import Selection
from foldnet.tables.table import BLOCK_VALUES, OTHER_COLUMNS, Table
from foldnet.warn import warn

MISSING = {"", "na", "n/a", "null", "none", "?"}


@dataclass(frozen=True)
class Dialect:
    """How numbers are written in a CSV.

    Attributes:
        delimiter: between cells; None for ``;``, tab or ``,``, depending on the first line.
        header: whether the first line names the columns; None to detect it from the line.
        decimal: the decimal sign.
        missing: texts for a missing value, which is read as NaN.
        encoding: of the text.
    """

    delimiter: str | None = None
    header: bool | None = None
    decimal: str = "."
    missing: frozenset[str] = frozenset()
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        if self.delimiter == self.decimal:
            raise InputError(
                f"{self.decimal!r} cannot be both the delimiter of the cells and the decimal sign of the numbers"
            )
        try:
            "".encode(self.encoding)
        except LookupError:
            raise InputError(
                f"there is no text encoding {self.encoding!r}; there are utf-8, latin-1, cp1252, utf-16 and others"
            ) from None

    def number(self, cell: str) -> float:
        """The value of a cell.

        Raises:
            ValueError: it is not a number.
        """
        if self.missing and cell.strip() in self.missing:
            return float("nan")
        if self.decimal != ".":
            if "." in cell:
                raise ValueError(cell)
            cell = cell.replace(self.decimal, ".")
        if "_" in cell:  # Python reads 1_0 as ten, but no table means that
            raise ValueError(cell)
        return float(cell)

    def is_number(self, cell: str) -> bool:
        """Whether a cell has a value."""
        try:
            self.number(cell)
        except ValueError:
            return False
        return True


class CsvTable(Table):
    """Numbers as text, one line per row."""

    dtype: type[Any] = np.float64
    """Of the arrays that it gives."""

    def __init__(
        self, path: str, selection: Selection, dialect: Dialect, advice: str = OTHER_COLUMNS
    ) -> None:
        self._advice = advice
        self.name = "standard input" if path == "-" else path
        self._dialect = dialect
        with ExitStack() as opening:
            lines = self._decoded(self._text(path, opening))
            first = next(lines, "").removeprefix("\ufeff")
            if not first.strip():
                raise InputError(f"{self.name}: the table is empty; expected rows of numbers")
            sign = dialect.delimiter or self._delimiter(first)
            self._cells = csv.reader(chain([first], lines), delimiter=sign, strict=True)
            self._pending: list[list[str]] = []
            row = self._ahead() or []
            names = row if self._is_header(row, selection) else None
            self._width = len(row)
            self._places = selection.places(self._width, names, self.name)
            self._open = opening.pop_all()
        if names is not None:
            del self._pending[0]
        self._names = names
        self.columns = None if names is None else tuple(names[p] for p in self._places)
        self.row_shape = (len(self._places),)

    # -- the text -------------------------------------------------------------------------------------------

    def _text(self, path: str, opening: ExitStack) -> IO[str]:
        encoding = (
            "utf-8-sig" if self._dialect.encoding.lower() in ("utf-8", "utf8") else self._dialect.encoding
        )
        if path == "-":
            # The table's encoding may differ from the terminal's.
            if isinstance(sys.stdin, io.TextIOWrapper):
                sys.stdin.reconfigure(encoding=encoding, errors="strict", newline="")
            return sys.stdin
        file = opening.enter_context(open_stream(path))
        if path.lower().endswith(".gz"):
            return cast(
                "IO[str]", opening.enter_context(gzip.open(file, "rt", encoding=encoding, newline=""))
            )
        return opening.enter_context(io.TextIOWrapper(file, encoding=encoding, newline=""))

    def _decoded(self, file: IO[str]) -> Iterator[str]:
        try:
            yield from file
        except UnicodeError as error:
            reason = getattr(error, "reason", error)
            raise FileFormatError(
                f"{self.name} is not a CSV in {self._dialect.encoding.upper()}: {reason}. If it is a CSV in another "
                "encoding, give --encoding latin-1, cp1252 or utf-16, for example."
            ) from None
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileFormatError(f"{self.name} is not a whole gzip file: {error}") from None

    def _next_row(self) -> list[str] | None:
        try:
            return next(self._cells, None)
        except csv.Error as error:
            raise FileFormatError(f"{self.name}, line {self._cells.line_num}: {error}") from None

    def _ahead(self) -> list[str] | None:
        """The next row, which stays the next one of the table."""
        row = self._next_row()
        if row is not None:
            self._pending.append(row)
        return row

    def _delimiter(self, line: str) -> str:
        signs = [sign for sign in (";", "\t", ",") if sign != self._dialect.decimal]
        found = next((sign for sign in signs if sign in line), None)
        if found is None and "|" in line:
            raise InputError(
                f"{self.name}: the first line has no delimiter except '|'; "
                "if that is the delimiter, give --delimiter '|'"
            )
        return found or signs[-1]

    def _is_header(self, row: Sequence[str], selection: Selection) -> bool:
        """Whether the first line names the columns."""
        if self._dialect.header is not None:
            return self._dialect.header
        if [cell.strip() for cell in row] == [str(i) for i in range(len(row))]:
            return self._is_numbered(row)
        numbers = [cell for cell in row if self._dialect.is_number(cell)]
        if numbers and len(numbers) < len(row):
            text = next(c for c in row if not self._dialect.is_number(c))
            raise InputError(
                f"{self.name}: the first line has both numbers and text ({numbers[0][:40]!r} and {text[:40]!r}). "
                "Say with --header that it names the columns, or with --no-header that it is a row."
            )
        return not numbers

    def _is_numbered(self, row: Sequence[str]) -> bool:
        """The first line counts its columns from 0, as pandas writes columns that have no names."""
        if len(row) == 1:
            raise InputError(
                f"{self.name}: the first line is 0 alone, which may be a value, or the name that pandas gives to a "
                "column without one. Say with --header that it names the column, or with --no-header that it is a row."
            )
        warn(
            f"{self.name}: the first line counts from 0 to {len(row) - 1}, as pandas names columns that have no names; "
            "it is taken as names, not as a row (--no-header says that it is a row)"
        )
        return True

    # -- the numbers ----------------------------------------------------------------------------------------

    def blocks(self, rows: int | None = None) -> Iterator[Array]:
        """Arrays of shape (some rows, columns in use) in ``dtype``."""
        count = rows or max(1, BLOCK_VALUES // max(1, self._width))
        values = self._values()
        while block := list(islice(values, count)):
            yield np.array(block, dtype=self.dtype)

    def _values(self) -> Iterator[list[Any]]:
        pick = _picker(self._places, self._width)
        width, blank_line = self._width, 0
        for row in chain(self._pending, iter(self._next_row, None)):
            if not row:
                blank_line = blank_line or self._blank_line()
                continue
            if blank_line:
                raise InputError(f"{self.name}, line {blank_line} is empty, but there are rows after it")
            if len(row) != width:
                raise InputError(
                    f"{self.name}, line {self._cells.line_num} has {len(row)} cells, the first line {width}"
                )
            yield self._read_cells(pick(row))

    def _blank_line(self) -> int:
        """The number of the line, which is empty; rows may not follow it."""
        return self._cells.line_num

    def _read_cells(self, cells: Sequence[str]) -> list[Any]:
        """The values of the columns in use.

        Raises:
            InputError: a cell is no value; the message says where.
        """
        dialect = self._dialect
        try:
            if dialect.decimal == "." and not dialect.missing and "_" not in "".join(cells):
                return [float(cell) for cell in cells]
            return [dialect.number(cell) for cell in cells]
        except ValueError:
            pairs = zip(self._places, cells, strict=True)
            place, cell = next((p, c) for p, c in pairs if not dialect.is_number(c))
        raise InputError(f"{self._where(place)}: {cell[:40]!r} is not a number. {self._mend(cell)}")

    def _where(self, place: int) -> str:
        """A cell of the last row, for messages."""
        column = f"column {place + 1}" + (f" ({self._names[place]})" if self._names else "")
        return f"{self.name}, line {self._cells.line_num}, {column}"

    def _mend(self, cell: str) -> str:
        """Advice for a cell that is not a number."""
        if cell.strip().lower() in MISSING:
            return (
                "A missing value may be written as nan, or its text named with --na; the network then says nan for "
                "that row."
            )
        other = {".": ",", ",": "."}.get(self._dialect.decimal)
        if other is not None and Dialect(decimal=other, delimiter=";").is_number(cell):
            return f"Give --decimal {other} if that is the sign before its fraction."
        signs = [sign for sign in (" ", ":", "|") if self._width == 1 and sign in cell.strip()]
        if signs:
            return f"Give --delimiter {signs[0]!r} if that separates the cells."
        return self._advice


def _picker(places: Sequence[int], width: int) -> Callable[[list[str]], Any]:
    if list(places) == list(range(width)):
        return lambda row: row
    if len(places) == 1:
        return lambda row: [row[places[0]]]
    return itemgetter(*places)
