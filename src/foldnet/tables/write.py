"""Write a table block by block; a file gets its name only when it is complete."""

from __future__ import annotations

import csv
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FoldnetError, InputError
from foldnet.escaping import escaped_name
from foldnet.tables.read import load_pyarrow


def create_table(path: str | Path | None, columns: Sequence[str] | None) -> TableWriter:
    """A table to write, by the ending of its name: ``.npy``, ``.parquet``, else CSV; None is CSV on stdout.

    Args:
        path: of the file, or ``-`` for stdout; it is replaced only after the table is complete.
        columns: names of the columns; None for rows of higher rank, which only ``.npy`` can hold.

    Raises:
        InputError: the folder does not exist, or the format cannot hold such rows.

    >>> with create_table(None, ["a", "b"]) as table:
    ...     table.write(np.array([[1.5, 2.0]], dtype=np.float32))
    a,b
    1.5,2.0
    """
    ending = "" if path is None else Path(path).suffix.lower()
    if ending == ".npy":
        return NpyWriter(Path(str(path)))
    if columns is None:
        raise InputError(
            "the results are arrays of more than two axes; write them to a .npy file with -o OUT.npy"
        )
    if ending in (".parquet", ".pq"):
        return ParquetWriter(Path(str(path)), columns)
    if ending not in ("", ".csv", ".tsv", ".txt") and not _is_special(Path(str(path))):
        raise InputError(f"{path}: tables are written as .csv, .npy or .parquet, not as {ending}")
    return CsvWriter(
        None if path in (None, "-") else Path(str(path)), columns, "\t" if ending == ".tsv" else ","
    )


class TableWriter(ABC):
    """A table open for writing; use it in a ``with`` statement. After an error no file remains."""

    @abstractmethod
    def write(self, block: Array) -> None:
        """Append rows: an array of shape (some rows, ...)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.finish(whole=kind is None)

    @abstractmethod
    def finish(self, *, whole: bool) -> None:
        """Close; rename the file if it is complete, else remove it."""


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


class Replacement:
    """A temporary file that replaces the target when it is complete."""

    def __init__(self, path: Path) -> None:
        if not path.parent.is_dir():
            raise InputError(f"{path}: there is no folder {path.parent}")
        if path.is_dir():
            raise InputError(f"{path} is a folder; give the name of a file")
        # A pipe or a terminal cannot be replaced: it is written to directly.
        self.path = path
        self.temporary = path if _is_special(path) else path.with_name(f".{path.name}.{os.getpid()}.part")

    def finish(self, *, whole: bool) -> None:
        """Replace the target by the file, or remove the file."""
        if self.temporary == self.path:
            return
        if whole:
            self.temporary.replace(self.path)
        else:
            self.temporary.unlink(missing_ok=True)


class CsvWriter(TableWriter):
    """Numbers as the shortest text that reads back as the same number."""

    def __init__(self, path: Path | None, columns: Sequence[str], delimiter: str) -> None:
        self._place = None if path is None else Replacement(path)
        if path is None and sys.stdout is None:
            raise InputError("there is no standard output to write to; name a file with -o OUT")
        self._file: IO[str] = (
            sys.stdout
            if self._place is None
            else self._place.temporary.open("w", encoding="utf-8", newline="")
        )
        self._rows = csv.writer(self._file, delimiter=delimiter, lineterminator="\n")
        self._rows.writerow([escaped_name(name) for name in columns])

    def write(self, block: Array) -> None:
        """Append rows: an array of shape (some rows, columns)."""
        self._rows.writerows(block.astype(str).tolist())

    def finish(self, *, whole: bool) -> None:
        """Close."""
        if self._place is None:
            self._file.flush()
            return
        self._file.close()
        self._place.finish(whole=whole)


class NpyWriter(TableWriter):
    """A NumPy array whose number of rows is written at the end."""

    def __init__(self, path: Path) -> None:
        self._place = Replacement(path)
        self._file = self._place.temporary.open("w+b")
        self._first: Array | None = None
        self._rows = 0

    def write(self, block: Array) -> None:
        """Append rows: an array of shape (some rows, ...), of one dtype and row shape throughout."""
        if self._first is None:
            self._first = block[:0]
            self._header()
        self._file.write(np.ascontiguousarray(block, dtype=self._first.dtype).data)
        self._rows += len(block)

    def _header(self) -> None:
        first = np.empty((0, 0), np.float32) if self._first is None else self._first
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(
            self._file,
            {
                "descr": np.lib.format.dtype_to_descr(first.dtype),
                "fortran_order": False,
                "shape": (self._rows, *first.shape[1:]),
            },
        )

    def finish(self, *, whole: bool) -> None:
        """Write the header again with the number of rows; NumPy reserves space for that."""
        with self._file:
            if whole:
                self._header()
        self._place.finish(whole=whole)


class ParquetWriter(TableWriter):
    """Typed columns, written by pyarrow."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._arrow = load_pyarrow()
        if len(set(columns)) < len(columns):
            raise FoldnetError(
                f"{path}: a Parquet table cannot have several columns with the same name: {columns}"
            )
        self._place = Replacement(path)
        self._columns = list(columns)
        self._writer: Any = None

    def write(self, block: Array) -> None:
        """Append rows: an array of shape (some rows, columns)."""
        arrays = [self._arrow.array(np.ascontiguousarray(column)) for column in block.T]
        table = self._arrow.table(arrays, names=self._columns)
        if self._writer is None:
            self._writer = self._arrow.parquet.ParquetWriter(self._place.temporary, table.schema)
        self._writer.write_table(table)

    def finish(self, *, whole: bool) -> None:
        """Close; a table without rows still has its columns."""
        if self._writer is None and whole:
            self.write(np.empty((0, len(self._columns)), np.float32))
        if self._writer is not None:
            self._writer.close()
        self._place.finish(whole=whole)
