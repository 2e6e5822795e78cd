"""Sparse tables: dense batches of rows, and statistics of columns without dense copies."""

from __future__ import annotations

from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.utils import PyDataset

ROWS = 4096
"""The number of rows that are made dense at a time in predictions."""


class SparseRows(PyDataset):
    """Batches of a sparse table in compressed rows, in a new order each epoch.

    Args:
        x: of shape (rows, columns).
        y: targets.
        weights: one per row.
        size: rows of a batch.
        seed: for shuffling.
    """

    def __init__(self, x: Any, y: Array, weights: Array, size: int, seed: int) -> None:
        super().__init__()
        self._x, self._y, self._weights, self._size = x, y, weights, size
        self._generator = np.random.default_rng(seed)
        self._order = np.arange(x.shape[0])

    def __len__(self) -> int:
        return -(-self._x.shape[0] // self._size)

    def __getitem__(self, index: int) -> Any:
        rows = self._order[index * self._size : (index + 1) * self._size]
        return self._x[rows].toarray(), self._y[rows], self._weights[rows]

    def on_epoch_begin(self) -> None:
        """Draw a new order."""
        self._generator.shuffle(self._order)


def statistics(x: Any, weight: Array) -> tuple[Array, Array]:
    """Weighted mean and variance of each column; a column of one value has the variance 1."""
    share = weight / weight.sum()
    wide = x.astype(np.float64)
    mean = np.asarray(wide.T @ share).ravel()
    # All zeros have the same squared distance, so only stored values need a correction.
    columns = wide.tocsc()
    variance = np.empty(len(mean))
    for j in range(len(mean)):
        part = slice(columns.indptr[j], columns.indptr[j + 1])
        own = share[columns.indices[part]]
        variance[j] = own @ np.square(columns.data[part] - mean[j]) + max(1 - own.sum(), 0.0) * mean[j] ** 2
    noise = np.square(mean * x.shape[0] * np.finfo(np.float64).eps)
    return mean, np.where(variance <= noise, 1.0, variance)


def batches(x: Any) -> Any:
    """The rows of a sparse table, dense, some at a time."""
    return (x[start : start + ROWS].toarray() for start in range(0, x.shape[0], ROWS))
