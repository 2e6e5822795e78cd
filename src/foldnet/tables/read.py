"""Read a table block by block: CSV, NPY (memory-mapped) and Parquet."""

from __future__ import annotations

import csv
import io
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from foldnet.errors import FileFormatError, InputError, UnsupportedError
from foldnet.files.opening import open_file, open_stream
from foldnet.tables.select import Selection, describe

Array = np.ndarray[Any, Any]

BLOCK_VALUES = 2**17  # a CSV cell takes about 100 bytes while it is text, so a block stays near 13 MB
MISSING = {"", "na", "n/a", "null", "none", "?"}


class Table(ABC):
    """A table open for reading; close it, or use it in a ``with`` statement.

    Attributes:
        name: for messages.
        columns: names of the columns in use, if the file has names.
        row_shape: shape of one row; ``(width,)`` but for NPY files of higher rank.
        rows: how many there are, where that can be known without reading them all.
    """

    name: str
    columns: tuple[str, ...] | None = None
    row_shape: tuple[int, ...]
    rows: int | None = None
    _open: ExitStack

    @abstractmethod
    def blocks(self, rows: int | None = None) -> Iterator[Array]:
        """Arrays of shape (some rows, *row_shape), in order; all but the last have ``rows`` rows."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


def open_table(
    path: str | Path,
    selection: Selection | None = None,
    *,
    delimiter: str | None = None,
    header: bool | None = None,
) -> Table:
    """Open a table by the ending of its name: ``.npy``, ``.parquet``, else CSV; ``-`` is CSV on stdin.

    Args:
        path: of the file.
        selection: which columns to use; all of them by default.
        delimiter: of a CSV; by default ``;``, tab or ``,``, whichever the first line has.
        header: whether the first line of a CSV names the columns; by default, if no cell of it is a number.

    Raises:
        InputError: a cell that is not a number (named by line and column), or no such column.
        FileFormatError: a file that is not what its name says.
        OSError: a file that cannot be read.
    """
    selection = selection or Selection()
    ending = Path(path).suffix.lower()
    if ending == ".npy":
        return NpyTable(Path(path), selection)
    if ending in (".parquet", ".pq"):
        return ParquetTable(Path(path), selection)
    if ending in (".npz", ".xlsx", ".xls", ".json", ".feather", ".h5"):
        raise UnsupportedError(
            f"{path}: tables are read from CSV, .npy and .parquet files, not from {ending}"
        )
    return CsvTable(str(path), selection, delimiter, header)


def _block_rows(rows: int | None, row_shape: Sequence[int]) -> int:
    return rows or max(1, BLOCK_VALUES // max(1, int(np.prod(row_shape))))


# -- CSV ----------------------------------------------------------------------------------------------------


class CsvTable(Table):
    """Numbers as text, one line a row."""

    def __init__(self, path: str, selection: Selection, delimiter: str | None, header: bool | None) -> None:
        self.name = "standard input" if path == "-" else path
        with ExitStack() as opening:
            lines = self._decoded(self._text(path, opening))
            first = next(lines, "").removeprefix("\ufeff")
            if not first.strip():
                raise InputError(f"{self.name}: the table is empty; expected rows of numbers")
            sign = delimiter or _delimiter(first)
            self._cells = csv.reader(chain([first], lines), delimiter=sign, strict=True)
            row = self._next_row() or []
            names = row if _is_header(row, header, self.name) else None
            self._width = len(row)
            self._places = selection.places(self._width, names, self.name)
            self._open = opening.pop_all()
        self._pending = [] if names is not None else [row]
        self._names = names
        self.columns = None if names is None else tuple(names[p] for p in self._places)
        self.row_shape = (len(self._places),)

    def _text(self, path: str, opening: ExitStack) -> IO[str]:
        if path == "-":
            return sys.stdin
        file = opening.enter_context(open_stream(path))
        return opening.enter_context(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))

    def _decoded(self, file: IO[str]) -> Iterator[str]:
        try:
            yield from file
        except UnicodeDecodeError as error:
            raise FileFormatError(f"{self.name} is not a CSV in UTF-8: {error.reason}") from None

    def _next_row(self) -> list[str] | None:
        try:
            return next(self._cells, None)
        except csv.Error as error:
            raise FileFormatError(f"{self.name}, line {self._cells.line_num}: {error}") from None

    def blocks(self, rows: int | None = None) -> Iterator[Array]:
        """Arrays of shape (some rows, columns in use) in float64."""
        count = _block_rows(rows, (self._width,))
        values = self._values()
        while block := list(islice(values, count)):
            yield np.array(block, dtype=np.float64)

    def _values(self) -> Iterator[list[float]]:
        pick = _picker(self._places, self._width)
        width, blank_line = self._width, 0
        for row in chain(self._pending, iter(self._next_row, None)):
            if not row:
                blank_line = blank_line or self._cells.line_num
                continue
            if blank_line:
                raise InputError(f"{self.name}, line {blank_line} is empty, but there are rows after it")
            if len(row) != width:
                raise InputError(
                    f"{self.name}, line {self._cells.line_num} has {len(row)} cells, the first line {width}"
                )
            cells = pick(row)
            try:
                values = [float(cell) for cell in cells]
            except ValueError:
                raise self._bad_cell(cells) from None
            if "_" in "".join(cells):  # Python reads 1_0 as ten; no table means that
                raise self._bad_cell(cells)
            yield values

    def _bad_cell(self, cells: Sequence[str]) -> InputError:
        place, cell = next((p, c) for p, c in zip(self._places, cells, strict=True) if not _is_number(c))
        column = f"column {place + 1}" + (f" ({self._names[place]})" if self._names else "")
        mend = "Leave the column out with --drop or choose others with --columns."
        if cell.strip().lower() in MISSING:
            mend = "A missing value may be written as nan; the network then says nan for that row."
        return InputError(
            f"{self.name}, line {self._cells.line_num}, {column}: {cell[:40]!r} is not a number. {mend}"
        )


def _delimiter(line: str) -> str:
    return next((sign for sign in (";", "\t", ",") if sign in line), ",")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _is_header(row: Sequence[str], said: bool | None, name: str) -> bool:
    if said is not None:
        return said
    numbers = [cell for cell in row if _is_number(cell)]
    if numbers and len(numbers) < len(row):
        raise InputError(
            f"{name}: the first line has both numbers and text ({numbers[0][:40]!r} and "
            f"{next(c for c in row if not _is_number(c))[:40]!r}). Say with --header that it names the "
            "columns, or with --no-header that it is a row."
        )
    return not numbers


def _picker(places: Sequence[int], width: int) -> Any:
    if list(places) == list(range(width)):
        return lambda row: row
    if len(places) == 1:
        return lambda row: [row[places[0]]]
    return itemgetter(*places)


# -- NPY ----------------------------------------------------------------------------------------------------


class NpyTable(Table):
    """A NumPy array in a file, memory-mapped."""

    def __init__(self, path: Path, selection: Selection) -> None:
        self._open = ExitStack()  # the mapping goes with the array
        self.name = str(path)
        open_file(path).close()  # an ordinary file: NumPy would wait at a pipe
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except OSError:
            raise
        except Exception as error:  # a damaged header can fail in NumPy's parser in any way
            raise FileFormatError(f"{path} is not a readable .npy array of numbers: {error}") from None
        if not isinstance(array, np.ndarray):
            raise FileFormatError(f"{path} is an archive of several arrays; expected a single .npy array")
        if array.dtype.kind not in "biuf":
            raise InputError(f"{path} holds {array.dtype}; expected integers or floating-point numbers")
        if array.ndim == 0:
            raise InputError(f"{path} holds a single number; expected one row or more, rows first")
        self._array = array if array.ndim > 1 else array[:, None]
        self._places: list[int] | None = None
        if selection != Selection():
            if self._array.ndim != 2:
                raise InputError(
                    f"{path} has shape {array.shape}; columns can be chosen from rows of numbers only"
                )
            self._places = selection.places(self._array.shape[1], None, self.name)
        self.rows = int(array.shape[0])
        self.row_shape = (
            tuple(int(n) for n in self._array.shape[1:]) if self._places is None else (len(self._places),)
        )

    def blocks(self, rows: int | None = None) -> Iterator[Array]:
        """Arrays of shape (some rows, *row_shape) in the file's own precision."""
        count = _block_rows(rows, self._array.shape[1:])
        for start in range(0, len(self._array), count):
            block = np.array(self._array[start : start + count])
            if self._places is not None:
                block = block[:, self._places]
            yield block.astype(block.dtype.newbyteorder("="), copy=False)


# -- Parquet ------------------------------------------------------------------------------------------------


def load_pyarrow() -> Any:
    """The ``pyarrow`` package with its ``parquet`` module.

    Raises:
        UnsupportedError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UnsupportedError(
            "Parquet needs the package pyarrow, which is not installed: pip install 'foldnet[parquet]'"
        ) from None
    return pyarrow


class ParquetTable(Table):
    """Typed columns in a Parquet file, read by pyarrow."""

    def __init__(self, path: Path, selection: Selection) -> None:
        self.name = str(path)
        self._arrow = arrow = load_pyarrow()
        if not path.is_file():
            raise FileNotFoundError(2, "No such file or directory", self.name)
        with ExitStack() as opening:
            try:
                self._file = opening.enter_context(arrow.parquet.ParquetFile(path))
            except arrow.ArrowException as error:
                raise FileFormatError(f"{path} is not a readable Parquet file: {error}") from None
            schema = self._file.schema_arrow
            places = selection.places(len(schema.names), schema.names, self.name)
            for place in places:
                self._check_type(schema, place)
            self._open = opening.pop_all()
        self.columns = tuple(schema.names[p] for p in places)
        if len(set(self.columns)) < len(self.columns):
            raise InputError(f"{path} has several columns of one name: {', '.join(self.columns)}")
        self.rows = int(self._file.metadata.num_rows)
        self.row_shape = (len(places),)

    def blocks(self, rows: int | None = None) -> Iterator[Array]:
        """Arrays of shape (some rows, columns in use), in the precision that holds every column."""
        names = list(self.columns or ())
        done = 0
        for batch in self._batches(_block_rows(rows, self.row_shape), names):
            for name in names:
                if batch.column(name).null_count:
                    row = batch.column(name).is_null().to_pylist().index(True)
                    raise InputError(
                        f"{self.name}, row {done + row + 1}, column {name!r}: the value is missing. Fill it, "
                        "with NaN for instance; the network then says nan for that row."
                    )
            yield np.column_stack([batch.column(name).to_numpy(zero_copy_only=False) for name in names])
            done += batch.num_rows

    def _check_type(self, schema: Any, place: int) -> None:
        field, kinds = schema.field(place), self._arrow.types
        if not (
            kinds.is_integer(field.type) or kinds.is_floating(field.type) or kinds.is_boolean(field.type)
        ):
            raise InputError(
                f"{self.name}: column {field.name!r} holds {field.type}, not numbers. Leave it out with "
                f"--drop; the table has {describe(len(schema.names), schema.names)}"
            )

    def _batches(self, rows: int, names: list[str]) -> Iterator[Any]:
        try:
            yield from self._file.iter_batches(rows, columns=names)
        except self._arrow.ArrowException as error:
            raise FileFormatError(f"{self.name} is not a readable Parquet file: {error}") from None
