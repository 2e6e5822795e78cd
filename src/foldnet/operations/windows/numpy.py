"""Pooling in NumPy: window by window position, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.kernels import Kernel, StepContext
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
    match op.kind:
        case "max":
            return _combined(np.maximum, _padded(x, windows, -np.inf), windows)
        case "average":
            return _combined(np.add, _padded(x, windows, 0), windows) / _counts(x, windows)
        case _:
            assert_never(op.kind)


def _combined(function: np.ufunc, padded: Array, windows: list[Window]) -> Array:
    """The values at each position within the windows, combined in order."""
    parts = (padded[place] for place in _positions(padded.ndim, windows))
    y: Array = next(parts).copy()
    for part in parts:
        y = function(y, part)
    return y


def pool_gradient(op: PoolGradient, context: StepContext, x: Array, y: Array, g: Array) -> Array:
    """To the first of the largest values, or shared equally."""
    windows = op.of.windows(x.shape[1:])
    padded = _padded(x, windows, -np.inf)
    inside = _padded(np.ones((1, *x.shape[1:]), bool), windows, False)
    on_padded, left = np.zeros_like(padded), np.ones(g.shape, bool)
    if op.of.kind == "average":
        g = g / _counts(x, windows)
    for place in _positions(x.ndim, windows):
        match op.of.kind:
            case "average":
                on_padded[place] += g
            case "max":
                # No comparison with NaN is true, so the first position gets its gradient.
                hit = left & inside[place] & ~(padded[place] < y)
                left &= ~hit
                on_padded[place] += np.where(hit, g, 0)
            case _:
                assert_never(op.of.kind)
    own = [slice(None)] * x.ndim
    for w in windows:
        own[w.axis + 1] = slice(w.before, w.before + x.shape[w.axis + 1])
    return on_padded[tuple(own)]


RULES: dict[type[Op], Kernel] = {
    Pool: Kernel(pool),
    PoolGradient: Kernel(None, pool_gradient),
}
