"""How much each old position of an axis counts for each new one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from foldnet.arrays import Array
from foldnet.operations.resampling.op import REACH, Interpolation, Mix

NOTHING = 1e-12
"""Weights below this would be 0 if numbers had no rounding; positions with them do not count at all."""


def _triangle(x: Array) -> Array:
    return np.maximum(0, 1 - x)


def _cubic(x: Array) -> Array:
    """Keys, "Cubic convolution interpolation for digital image processing", 1981, with a = -0.5."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(radius: int) -> Callable[[Array], Array]:
    """``sinc(x) sinc(x / radius)``; 1 up to a distance of 0.001, as in JAX."""
    return lambda x: np.where(x <= 1e-3, 1, np.where(x > radius, 0, np.sinc(x) * np.sinc(x / radius)))


KERNELS: dict[Interpolation, Callable[[Array], Array]] = {
    "bilinear": _triangle,
    "bicubic": _cubic,
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
}
"""By distance: how much an old position counts for a new one, before the sum of all is made 1."""


def windows(n: int, count: int) -> list[range]:
    """Positions of ``count`` windows over ``n``: from ``floor(i n / count)`` up to ``ceil((i + 1) n / count)``.

    >>> windows(5, 3)
    [range(0, 2), range(1, 4), range(3, 5)]
    """
    return [range(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]


def evened(n: int, count: int) -> tuple[tuple[int, ...], int]:
    """The positions of one window after the other, the last again where a window is shorter; and their one size.

    >>> evened(5, 3)
    ((0, 1, 1, 1, 2, 3, 3, 4, 4), 3)
    """
    found = windows(n, count)
    size = max(len(window) for window in found)
    return tuple(min(window.start + k, window.stop - 1) for window in found for k in range(size)), size


@dataclass(frozen=True)
class Band:
    """The old positions that may count for each new one, and how much.

    Attributes:
        first: for each new position, the first of them.
        weights: for each new position, of ``first`` and those after it, 0 where there is none: (new positions, most).
    """

    first: Array
    weights: Array

    def places(self, number: int) -> tuple[Array, Array, Array]:
        """New positions for which the old one with this number, counted from ``first``, counts; these; the weights."""
        new = np.flatnonzero(self.weights[:, number])
        return new, self.first[new] + number, self.weights[new, number]


def band(op: Mix, n: int) -> Band:
    """How much ``n`` old positions count for each new one.

    The new position ``i`` of ``size`` lies at ``(i + 0.5) n / size - 0.5`` among the old ones, whose distances the
    kernel takes. If there are fewer new positions, ``antialias`` makes the kernel wider by ``n / size``. This is
    ``jax.image.resize``. Of a mean all positions of a window count the same.
    """
    size = op.size(n)
    if op.kind == "mean":
        found = windows(n, size)
        first, end = np.array([(window.start, window.stop) for window in found]).T
        places = first[:, None] + np.arange((end - first).max())
        weights = np.ones(places.shape)
    else:
        at = (np.arange(size) + 0.5) * n / size - 0.5
        wide = max(n / size, 1) if op.antialias else 1
        first = np.maximum(np.ceil(at - REACH[op.kind] * wide), 0).astype(int)
        end = np.minimum(np.floor(at + REACH[op.kind] * wide) + 1, n).astype(int)
        places = first[:, None] + np.arange((end - first).max())
        weights = KERNELS[op.kind](np.abs(at[:, None] - places) / wide)
        weights = np.where(np.abs(weights) < NOTHING, 0, weights)
    weights = np.where(places < end[:, None], weights, 0)
    return Band(first, weights / weights.sum(axis=1, keepdims=True))


def as_matrix(op: Mix, n: int) -> Array:
    """How much each of ``n`` old positions counts for each new one: an array (new positions, n)."""
    found = band(op, n)
    result = np.zeros((len(found.first), n))
    for number in range(found.weights.shape[1]):
        new, old, weights = found.places(number)
        result[new, old] = weights
    return result
