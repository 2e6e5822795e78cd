"""Read NPY files of any size: each block is a memory map of its own part of the file, so that it is not copied."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import ExitStack
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from foldnet.arrays import Array
from foldnet.disk.opening import open_file
from foldnet.errors import FileFormatError, InputError
from foldnet.tables.select import Selection
from foldnet.tables.table import Table

BLOCK_BYTES = 4 << 20
"""Of the file. Larger blocks leave the processor's caches, smaller ones are too little work for all threads."""

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_ZIP = b"PK\x03\x04"


class NpyTable(Table):
    """A NumPy array in a file.

    At no time is more than a block of the file in the address space of the process.
    """

    def __init__(self, path: Path, selection: Selection, *, texts: bool = False, advice: str = "") -> None:
        self.name = str(path)
        with ExitStack() as opening:
            self._file = opening.enter_context(open_file(path))
            what = "texts (of a dtype such as <U10)" if texts else "numbers"
            shape, self._by_columns, self._dtype = _header(self._file, path, what)
            self._start = self._file.tell()
            if self._dtype.kind not in ("U" if texts else "biuf"):
                expected = "texts, of a dtype such as <U10" if texts else "integers or floating-point numbers"
                raise InputError(
                    f"{path} holds {self._dtype}; expected {expected}" + (advice and f". {advice}")
                )
            size = os.fstat(self._file.fileno()).st_size - self._start
            if prod(shape) * self._dtype.itemsize > size:
                raise FileFormatError(
                    f"{path} is not a readable .npy array of {what}: its header says shape {shape} of {self._dtype}, "
                    f"and only {size:,} bytes follow: it is cut off"
                )
            if not shape:
                raise InputError(
                    f"{path} holds a single value; expected one row or more, with the rows as the first axis"
                )
            self.rows, self._row = shape[0], shape[1:] or (1,)
            self._places: list[int] | None = None
            if selection != Selection():
                if len(self._row) != 1:
                    raise InputError(f"{path} has shape {shape}; columns can be chosen from flat rows only")
                self._places = selection.places(self._row[0], None, self.name)
            self._open = opening.pop_all()
        self.row_shape = self._row if self._places is None else (len(self._places),)

    @property
    def _row_bytes(self) -> int:
        return prod(self._row) * self._dtype.itemsize

    def block_rows(self, *, large: bool = False) -> int:
        """The number of rows per block; a large one is ``BLOCK_BYTES`` of the file, which is not copied."""
        return max(1, BLOCK_BYTES // max(1, self._row_bytes)) if large else super().block_rows()

    def blocks(self, rows: int | None = None) -> Iterator[Array]:
        """Read-only arrays of shape (some rows, *row_shape) in the file's own dtype."""
        count = rows or self.block_rows()
        for first in range(0, self.rows or 0, count):
            some = min(count, (self.rows or 0) - first)
            block = self._from_columns(first, some) if self._by_columns else self._mapped(first, some)
            if self._places is not None:
                block = block[:, self._places]
            yield block.astype(block.dtype.newbyteorder("="), copy=False)

    def _mapped(self, first: int, count: int) -> Array:
        """Some rows where they are in the file: the system reads ahead, and forgets them with the array."""
        shape = (count, *self._row)
        if not self._row_bytes:
            return np.empty(shape, self._dtype)
        start = self._start + first * self._row_bytes
        skipped = start % mmap.ALLOCATIONGRANULARITY
        memory = mmap.mmap(
            self._file.fileno(),
            skipped + count * self._row_bytes,
            access=mmap.ACCESS_READ,
            offset=start - skipped,
        )
        if hasattr(memory, "madvise"):
            memory.madvise(mmap.MADV_SEQUENTIAL)
        return np.ndarray(shape, self._dtype, memory, skipped)

    def _from_columns(self, first: int, count: int) -> Array:
        """Some rows of a file in Fortran's order, where each column is in one piece."""
        block = np.empty((*self._row[::-1], count), self._dtype)
        rows, item = self.rows or 0, self._dtype.itemsize
        for number, column in enumerate(block.reshape(-1, count)):
            self._file.seek(self._start + (number * rows + first) * item)
            data = self._file.read(count * item)
            if len(data) < count * item:
                raise FileFormatError(f"{self.name} became shorter while it was read")
            column[:] = np.frombuffer(data, self._dtype)
        return block.T


def _header(file: BinaryIO, path: Path, what: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the first axis varies fastest, and dtype.

    Raises:
        FileFormatError: it is no header of an array.
    """
    if file.read(len(_ZIP)) == _ZIP:
        raise FileFormatError(f"{path} is an archive of several arrays; expected a single .npy array")
    file.seek(0)
    try:
        read = _HEADERS[np.lib.format.read_magic(file)]
        shape, by_columns, dtype = read(file)
        if any(n < 0 for n in shape):
            raise ValueError(f"the shape is {shape}")
        if dtype.hasobject:
            raise ValueError("it holds Python objects")
    except OSError:
        raise
    except Exception as error:  # a damaged header can fail in NumPy's parser in any way
        raise FileFormatError(f"{path} is not a readable .npy array of {what}: {error}") from None
    return tuple(int(n) for n in shape), bool(by_columns) and len(shape) > 1, dtype
