"""Pooling in NumPy: window by window position, in order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.kernels import Kernel, Moment
from foldnet.operations.windows.op import Pool, PoolGradient, Window


def _padded(x: Array, windows: list[Window], beyond: float) -> Array:
    """x padded so far as the windows extend beyond its ends."""
    widths = [(0, 0)] * x.ndim
    for w in windows:
        widths[w.axis + 1] = (w.before, w.after)
    return np.pad(x, widths, constant_values=beyond)


def _positions(rank: int, windows: list[Window]) -> Iterator[tuple[slice, ...]]:
    """For each position within the window, in order, the slice of the padded array for all windows."""
    for place in np.ndindex(*(w.size for w in windows)):
        found = [slice(None)] * rank
        for w, k in zip(windows, place, strict=True):
            found[w.axis + 1] = slice(k, k + (w.count - 1) * w.stride + 1, w.stride)
        yield tuple(found)


def _counts(x: Array, windows: list[Window]) -> Array:
    """The number of positions of each window that are inside."""
    ones = _padded(np.ones((1, *x.shape[1:]), x.dtype), windows, 0)
    found = [ones[place] for place in _positions(x.ndim, windows)]
    return np.sum(found, axis=0, dtype=x.dtype)


def pool(op: Pool, x: Array) -> Array:
    """The largest value or the mean of each window."""
    windows = op.windows(x.shape[1:])
    largest = op.kind == "max"
    padded = _padded(x, windows, -np.inf if largest else 0)
    y: Array | None = None
    for place in _positions(x.ndim, windows):
        part = padded[place]
        y = part.copy() if y is None else np.maximum(y, part) if largest else y + part
    assert y is not None  # a window has at least one position
    return y if largest else y / _counts(x, windows)


def pool_gradient(op: PoolGradient, moment: Moment, x: Array, y: Array, g: Array) -> Array:
    """To the first of the largest values, or shared equally."""
    windows = op.of.windows(x.shape[1:])
    padded = _padded(x, windows, -np.inf)
    inside = _padded(np.ones((1, *x.shape[1:]), bool), windows, False)
    on_padded, left = np.zeros_like(padded), np.ones(g.shape, bool)
    if op.of.kind == "average":
        g = g / _counts(x, windows)
    for place in _positions(x.ndim, windows):
        if op.of.kind == "average":
            on_padded[place] += g
        else:
            # No comparison with NaN is true, so the first position gets its gradient.
            hit = left & inside[place] & ~(padded[place] < y)
            left &= ~hit
            on_padded[place] += np.where(hit, g, 0)
    own = [slice(None)] * x.ndim
    for w in windows:
        own[w.axis + 1] = slice(w.before, w.before + x.shape[w.axis + 1])
    return on_padded[tuple(own)]


RULES: dict[type[Op], Kernel] = {
    Pool: Kernel(pool),
    PoolGradient: Kernel(None, pool_gradient),
}
