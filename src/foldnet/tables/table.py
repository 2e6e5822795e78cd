"""What every table is, whatever file it is read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Self

import numpy as np

from foldnet.arrays import Array

BLOCK_VALUES = 2**17  # a CSV cell takes about 100 bytes while it is text, so a block stays near 13 MB


class Table(ABC):
    """A table open for reading; close it, or use it in a ``with`` statement.

    Attributes:
        name: for messages.
        columns: names of the columns in use, if the file has names.
        row_shape: shape of one row; ``(width,)`` except for NPY files of higher rank.
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


def block_rows(rows: int | None, row_shape: Sequence[int]) -> int:
    """How many rows a block has: as many as asked for, else as many as stay small."""
    return rows or max(1, BLOCK_VALUES // max(1, int(np.prod(row_shape))))
