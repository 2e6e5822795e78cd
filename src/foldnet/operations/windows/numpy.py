"""Pooling and convolution in NumPy: window position by window position, in order."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import assert_never

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.operations.elementwise.numpy import apply_elementwise
from foldnet.operations.kernels import Kernel, StepContext
from foldnet.operations.windows.op import (
    Conv,
    ConvGradient,
    ConvKernelGradient,
    ConvTranspose,
    Pad,
    PadSame,
    Pool,
    PoolGradient,
    Window,
)


def _padded(x: Array, windows: list[Window], beyond: float) -> Array:
    """x padded so far as the windows extend beyond its ends."""
    if not any(w.before or w.after for w in windows):
        return x
    widths = [(0, 0)] * x.ndim
    for w in windows:
        widths[w.axis + 1] = (w.before, w.after)
    return np.pad(x, widths, constant_values=beyond)


def _positions(rank: int, windows: list[Window]) -> Iterator[tuple[slice, ...]]:
    """For each position within the window, in order, the slice of the padded array for all windows."""
    for place in np.ndindex(*(w.size for w in windows)):
        found = [slice(None)] * rank
        for w, k in zip(windows, place, strict=True):
            first = k * w.dilation
            found[w.axis + 1] = slice(first, first + (w.count - 1) * w.stride + 1, w.stride)
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


def pad(op: Pad | PadSame, x: Array) -> Array:
    """Zeros around x."""
    return np.pad(x, ((0, 0), *op.widths_for(x.shape[1:])))


def _by_group(x: Array, groups: int) -> Array:
    """Channels, or units, as (groups, channels of a group)."""
    return x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)


def _taps(op: Conv, x: Array, kernel: Array) -> Iterator[tuple[tuple[slice, ...], Array]]:
    """For each position within the window, in order, the slice of x and the part of the kernel (channels, units)."""
    windows = op.windows(x.shape[1:], kernel.shape)
    parts = kernel.reshape(-1, *kernel.shape[-2:])
    return zip(_positions(x.ndim, windows), parts, strict=True)


def _counts_of(op: Conv, x: Array, kernel: Array) -> tuple[int, ...]:
    return tuple(w.count for w in op.windows(x.shape[1:], kernel.shape))


def conv(op: Conv, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """Products summed over positions within the window, and within these over channels."""
    units = kernel.shape[-1]
    y = np.zeros((len(x), *_counts_of(op, x, kernel), op.groups, units // op.groups))
    for place, part in _taps(op, x, kernel):
        seen, weights = _by_group(x[place], op.groups), _by_group(part, op.groups)
        for c in range(len(part)):
            y += seen[..., c : c + 1] * weights[c]
    y = y.reshape(*y.shape[:-2], units)
    return apply_elementwise(op.activation, y if bias is None else y + bias)


WINDOWS_AT_ONCE = 2**17
"""Of so many numbers, the windows of a few rows lie side by side in memory: they fit the second-level cache."""


def conv_by_blas(op: Conv, x: Array, kernel: Array, bias: Array | None = None) -> Array | None:
    """The same with the sums in BLAS's order; for one group and no activation."""
    if op.activation is not None or op.groups != 1:
        return None
    places = [place for place, _ in _taps(op, x, kernel)]
    counts, weights = _counts_of(op, x, kernel), kernel.reshape(-1, kernel.shape[-1])
    y = np.empty((len(x), *counts, kernel.shape[-1]))
    rows = max(1, WINDOWS_AT_ONCE // max(1, prod(counts) * len(weights)))
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        seen = np.stack([part[place] for place in places], axis=-2)
        y[start : start + rows] = (seen.reshape(-1, len(weights)) @ weights).reshape(len(part), *y.shape[1:])
    return y if bias is None else y + bias


def conv_transpose(op: ConvTranspose, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """Each position's products added where its window lies, position within the window by position."""
    y = np.zeros((len(x), *(int(n or 0) for n in op.output_shape(x.shape, kernel.shape)[1:])))
    dims = len(op.strides)
    for place in np.ndindex(*kernel.shape[:dims]):
        steps = zip(place, op.dilations, op.strides, x.shape[1:-1], strict=True)
        to = (slice(None), *(slice(k * d, k * d + (n - 1) * s + 1, s) for k, d, s, n in steps))
        part = np.zeros((*x.shape[:-1], kernel.shape[-2]))
        for c in range(x.shape[-1]):
            part += x[..., c : c + 1] * kernel[place][:, c]
        y[to] += part
    return apply_elementwise(op.activation, y if bias is None else y + bias)


def conv_gradient(op: ConvGradient, context: StepContext, x: Array, kernel: Array, g: Array) -> Array:
    """Each window's gradient times the kernel, added where the window lies."""
    found, g = np.zeros_like(x), _by_group(g, op.of.groups)
    for place, part in _taps(op.of, x, kernel):
        on_part = np.einsum("...gu,cgu->...gc", g, _by_group(part, op.of.groups))
        found[place] += on_part.reshape(*on_part.shape[:-2], x.shape[-1])
    return found


def conv_kernel_gradient(op: ConvKernelGradient, context: StepContext, x: Array, g: Array) -> Array:
    """Each channel times each unit's gradient, over rows and windows."""
    groups, found = op.of.groups, np.zeros(op.shape, x.dtype)
    parts = found.reshape(-1, *op.shape[-2:])
    by_group = _by_group(g, groups).reshape(-1, groups, op.shape[-1] // groups)
    for (place, _), part in zip(_taps(op.of, x, found), parts, strict=True):
        seen = _by_group(x[place], groups).reshape(-1, groups, op.shape[-2])
        part[...] = np.einsum("pgc,pgu->cgu", seen, by_group).reshape(part.shape)
    return found


RULES: dict[type[Op], Kernel] = {
    Pool: Kernel(pool),
    PoolGradient: Kernel(None, pool_gradient),
    Pad: Kernel(pad),
    PadSame: Kernel(pad),
    Conv: Kernel(conv, quick=conv_by_blas),
    ConvTranspose: Kernel(conv_transpose),
    ConvGradient: Kernel(None, conv_gradient),
    ConvKernelGradient: Kernel(None, conv_kernel_gradient),
}
