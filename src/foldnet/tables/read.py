"""Read a table block by block: CSV, NPY and Parquet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FileFormatError, InputError, UnsupportedError
from foldnet.tables.csv_table import CsvTable, Dialect
from foldnet.tables.csv_texts import CsvTexts
from foldnet.tables.npy_table import NpyTable
from foldnet.tables.select import Selection, describe
from foldnet.tables.table import OTHER_COLUMNS, Table


def open_table(
    path: str | Path,
    selection: Selection | None = None,
    *,
    delimiter: str | None = None,
    header: bool | None = None,
    decimal: str = ".",
    missing: Collection[str] = (),
    encoding: str = "utf-8",
    texts: bool = False,
    advice: str = OTHER_COLUMNS,
) -> Table:
    """Open a table by the ending of its name: ``.npy``, ``.parquet``, else CSV; ``-`` is CSV on stdin.

    Args:
        path: of the file; a CSV may be compressed, as ``.csv.gz``.
        selection: which columns to use; all of them by default.
        delimiter: of a CSV; by default ``;``, tab or ``,``, depending on the first line.
        header: whether the first line of a CSV names the columns; by default, if no cell of it is a number, or if
            it counts from 0, as pandas names columns that have no names (which a warning says).
        decimal: the decimal sign in a CSV.
        missing: cells of a CSV for missing values, which are read as NaN.
        encoding: of a CSV.
        texts: whether the columns hold texts, which come as arrays of ``str``. Whether the first line of a CSV names
            the columns can then be told only from names in the selection, or from numbers in other columns.
        advice: what to do about a column that holds something else, for messages.

    Raises:
        InputError: a cell is not a number (the message has line and column), or a column or encoding is unknown; or
            a first line may be a row or names.
        FileFormatError: the file does not have the format of its ending.
        OSError: the file cannot be read.
    """
    selection = selection or Selection()
    ending = Path(path).suffix.lower()
    if ending == ".npy":
        return NpyTable(Path(path), selection, texts=texts, advice="" if advice == OTHER_COLUMNS else advice)
    if ending in (".parquet", ".pq"):
        return ParquetTable(Path(path), selection, texts=texts, advice=advice)
    if ending in (".npz", ".xlsx", ".xls", ".json", ".feather", ".h5", ".zip", ".bz2", ".xz", ".zst"):
        raise UnsupportedError(
            f"{path}: tables are read from CSV (also .csv.gz), .npy and .parquet files, not from {ending}"
        )
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder; give the name of a table in it")
    dialect = Dialect(delimiter, header, decimal, frozenset(text.strip() for text in missing), encoding)
    return (CsvTexts if texts else CsvTable)(str(path), selection, dialect, advice)


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

    def __init__(
        self, path: Path, selection: Selection, *, texts: bool = False, advice: str = OTHER_COLUMNS
    ) -> None:
        self.name = str(path)
        self._texts, self._advice = texts, advice
        self._arrow = arrow = load_pyarrow()
        if not path.is_file():
            raise FileNotFoundError(2, "No such file or directory", self.name)
        with ExitStack() as opening:
            with self._readable():
                # Checksums of pages are compared where a file has them.
                self._file = opening.enter_context(
                    arrow.parquet.ParquetFile(path, page_checksum_verification=True)
                )
                schema = self._file.schema_arrow
            places = selection.places(len(schema.names), schema.names, self.name)
            for place in places:
                self._check_type(schema, place)
            self._open = opening.pop_all()
        self.schema = schema
        self.columns = tuple(schema.names[p] for p in places)
        if len(set(self.columns)) < len(self.columns):
            self._open.close()
            raise InputError(f"{path} has several columns with the same name: {', '.join(self.columns)}")
        self.rows = int(self._file.metadata.num_rows)
        self.row_shape = (len(places),)

    def blocks(self, rows: int | None = None) -> Iterator[Array]:
        """Arrays of shape (some rows, columns in use), in the precision that holds every column, or of texts."""
        done = 0
        for batch in self.batches(rows or self.block_rows(), self.columns or ()):
            yield self.array(batch, done)
            done += batch.num_rows

    def batches(self, rows: int, names: Sequence[str]) -> Iterator[Any]:
        """Record batches of at most so many rows with columns of the file, whether in use or not.

        Raises:
            FileFormatError: the file is damaged.
        """
        with self._readable():
            yield from self._file.iter_batches(rows, columns=list(names))

    def array(self, batch: Any, done: int) -> Array:
        """The columns in use of a record batch.

        Args:
            batch: which has at least these columns.
            done: the number of rows before it, for messages.

        Raises:
            InputError: a value is missing.
        """
        names = list(self.columns or ())
        for name in names:
            if batch.column(name).null_count:
                row = batch.column(name).is_null().to_pylist().index(True)
                raise InputError(
                    f"{self.name}, row {done + row + 1}, column {name!r}: the value is missing. Fill it, "
                    + (
                        "for instance with an empty text."
                        if self._texts
                        else "for instance with NaN; the prediction for that row is then nan."
                    )
                )
        return np.column_stack([batch.column(name).to_numpy(zero_copy_only=False) for name in names])

    def _check_type(self, schema: Any, place: int) -> None:
        field, kinds = schema.field(place), self._arrow.types
        tests = [kinds.is_integer, kinds.is_floating, kinds.is_boolean]
        kind, wanted = field.type, "numbers"
        if self._texts:
            kind = kind.value_type if kinds.is_dictionary(kind) else kind
            tests, wanted = [kinds.is_string, kinds.is_large_string], "texts"
        if not any(test(kind) for test in tests):
            raise InputError(
                f"{self.name}: column {field.name!r} holds {field.type}, not {wanted}. {self._advice} The table has "
                f"{describe(len(schema.names), schema.names)}"
            )

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Errors of pyarrow about what is in the file; those of the system have a number, and pass."""
        try:
            yield
        except (self._arrow.ArrowException, OSError) as error:
            if getattr(error, "errno", None) is not None:
                raise
            raise FileFormatError(f"{self.name} is not a readable Parquet file: {error}") from None
        except UnicodeEncodeError:
            raise InputError(f"{self.name} cannot be read: pyarrow needs names in UTF-8; rename it") from None
