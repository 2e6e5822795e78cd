"""Mean and variance of each channel over any number of blocks, in float64, without cancellation."""

from __future__ import annotations

import numpy as np

from foldnet.arrays import Array

ALL = np.ones((1, 1), bool)


class Moments:
    """Count, mean and biased variance of values that arrive block by block.

    Values are taken relative to the first of each channel, so that a mean far above the spread costs no precision.
    Each block's moments are computed in two passes and combined with the earlier ones (Chan, Golub and LeVeque, 1979).

    Attributes:
        counts: values of each channel so far.
    """

    def __init__(self) -> None:
        self.counts: Array = np.zeros(0)
        self._first: Array = np.zeros(0)
        self._mean: Array = np.zeros(0)
        self._squares: Array = np.zeros(0)

    @property
    def count(self) -> int:
        """Values of the channel that has the fewest."""
        return int(self.counts.min()) if self.counts.size else 0

    def add(self, values: Array, where: Array = ALL) -> None:
        """Add an array of shape (values, channels).

        Args:
            values: to add.
            where: which of them count, in a shape that can be spread over theirs.
        """
        if not len(values):
            return
        where = np.broadcast_to(where, values.shape)
        if not self.counts.size:
            self.counts, self._first, self._mean, self._squares = np.zeros((4, values.shape[1]))
        counts = where.sum(axis=0)
        starts = (self.counts == 0) & (counts > 0)
        self._first[starts] = values[where.argmax(axis=0), np.arange(values.shape[1])][starts]
        each = np.maximum(counts, 1)
        with np.errstate(all="ignore"):  # infinities and NaN are passed on; the caller checks the result
            relative = np.where(where, values - self._first, 0.0)
            mean = relative.sum(axis=0) / each
            relative = np.where(where, relative - mean, 0.0)
            slip = relative.sum(axis=0) / each  # correction for the rounding of the first mean
            squares = np.square(relative).sum(axis=0) - counts * np.square(slip)
            self._join(counts, mean + slip, np.maximum(squares, 0.0))

    def _join(self, counts: Array, mean: Array, squares: Array) -> None:
        total = self.counts + counts
        share = counts / np.maximum(total, 1)
        apart = np.where(counts > 0, mean - self._mean, 0.0)
        self._mean = self._mean + apart * share
        self._squares = self._squares + squares + np.square(apart) * self.counts * share
        self.counts = total

    @property
    def mean(self) -> Array:
        """Mean of each channel."""
        return self._first + self._mean

    @property
    def variance(self) -> Array:
        """Mean squared distance from the mean, of each channel."""
        return self._squares / np.maximum(self.counts, 1)
