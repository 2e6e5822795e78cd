"""The base class of tables of all file formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from math import prod
from typing import Self

from foldnet.arrays import Array

BLOCK_VALUES = 2**17  # a CSV cell takes about 100 bytes as text, so a block takes about 13 MB


OTHER_COLUMNS = "Leave the column out with --drop or choose others with --columns."
"""What to do about a column that is not numbers."""


class Table(ABC):
    """A table open for reading; close it, or use it in a ``with`` statement.

    Attributes:
        name: for messages.
        columns: names of the columns in use, if the file has names.
        row_shape: shape of one row; ``(width,)`` except for NPY files of higher rank.
        rows: the number of rows, if it is known without reading all of them.
    """

    name: str
    columns: tuple[str, ...] | None = None
    row_shape: tuple[int, ...]
    rows: int | None = None
    _open: ExitStack

    @abstractmethod
    def blocks(self, rows: int | None = None) -> Iterator[Array]:
        """Arrays of shape (some rows, *row_shape), in order; all but the last have ``rows`` rows."""

    def block_rows(self, *, large: bool = False) -> int:
        """The number of rows per block that keeps blocks small.

        Args:
            large: whether blocks are used up at once, so that they may be larger where they cost no memory.
        """
        del large  # where a row must be converted, it costs memory
        return max(1, BLOCK_VALUES // max(1, prod(self.row_shape)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
