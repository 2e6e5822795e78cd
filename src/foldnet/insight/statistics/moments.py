"""Mean and variance of each channel over any number of blocks, in float64, without cancellation."""

from __future__ import annotations

import numpy as np

from foldnet.arrays import Array


class Moments:
    """Count, mean and biased variance of values that arrive block by block.

    Values are taken relative to the first row, so that a mean far above the spread costs no precision. Each block's
    moments are computed in two passes and combined with the earlier ones (Chan, Golub and LeVeque, 1979).

    Attributes:
        count: values per channel so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._first: Array = np.zeros(0)
        self._mean: Array = np.zeros(0)
        self._squares: Array = np.zeros(0)

    def add(self, values: Array) -> None:
        """Add an array of shape (values, channels)."""
        if not len(values):
            return
        if not self.count:
            self._first = values[0].astype(np.float64)
            self._mean, self._squares = np.zeros_like(self._first), np.zeros_like(self._first)
        with np.errstate(all="ignore"):  # infinities and NaN are passed on; the caller checks the result
            relative = values - self._first
            mean = relative.mean(axis=0)
            relative -= mean
            slip = relative.mean(axis=0)  # correction for the rounding of the first mean
            squares = np.square(relative).sum(axis=0) - len(values) * np.square(slip)
            self._join(len(values), mean + slip, np.maximum(squares, 0.0))

    def _join(self, count: int, mean: Array, squares: Array) -> None:
        total = self.count + count
        apart = mean - self._mean
        self._mean = self._mean + apart * (count / total)
        self._squares = self._squares + squares + np.square(apart) * (self.count * (count / total))
        self.count = total

    @property
    def mean(self) -> Array:
        """Mean of each channel."""
        return self._first + self._mean

    @property
    def variance(self) -> Array:
        """Mean squared distance from the mean, of each channel."""
        return self._squares / max(self.count, 1)


def by_channel(x: Array, kept: tuple[int, ...]) -> Array:
    """The values as (values, channels): the kept axes flattened to channels, all others to values."""
    others = tuple(a for a in range(x.ndim) if a not in kept)
    channels = int(np.prod([x.shape[a] for a in kept]))
    return x.transpose(*others, *kept).reshape(-1, channels)
