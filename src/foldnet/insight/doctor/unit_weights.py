"""The weights of each unit of a layer: what it multiplies its input by, and which units have the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from foldnet.arrays import Array
from foldnet.layers.base import Layer

SAME = 1e-4
"""Columns that differ by no more than this share of their largest weight are the same: sums in another order make
differences of 1e-7 in each step, and two units that start apart are further apart."""

SAMPLE = 256
"""So many weights of each column are compared first, so that nothing is copied of large kernels."""


def unit_columns(layer: Layer) -> Array | None:
    """What each unit or filter multiplies its input by, in a column: ``(weights, units)``; None if it has no units.

    >>> from foldnet import Sequential, layers
    >>> model = Sequential([layers.Input((5, 5, 3)), layers.Conv2D(4, 2)])
    >>> unit_columns(model.layers[0]).shape
    (12, 4)
    """
    if layer.unit_axis is None:
        return None
    kernel = np.moveaxis(layer.named_weights["kernel"], layer.unit_axis, -1)
    return np.asarray(kernel.reshape(-1, kernel.shape[-1]))


def units_of(layer: Layer) -> Iterator[tuple[Array, Array]]:
    """Units that see the same input: what they multiply it by, and all weights that decide what they compute.

    Both have a column for each unit. Groups of a convolution see different channels; the units of a recurrent layer
    have columns for each gate, and for the states, which are not multiplied with the input.
    """
    weights = layer.named_weights
    columns = unit_columns(layer)
    if columns is not None:
        bias = weights.get("bias", np.zeros((0, columns.shape[1]))).reshape(-1, columns.shape[1])
        for part in np.split(np.arange(columns.shape[1]), getattr(layer, "groups", 1)):
            yield columns[:, part], np.concatenate([columns, bias])[:, part]
    elif "embeddings" in weights:
        yield weights["embeddings"], weights["embeddings"]
    for name, recurrent in weights.items():
        start, _, last = name.rpartition("recurrent_kernel")
        if last or f"{start}kernel" not in weights or recurrent.ndim != 2:
            continue
        names = [n for n in (f"{start}kernel", name, f"{start}bias") if n in weights]
        parts = [weights[n].reshape(-1, len(recurrent)) for n in names]
        yield parts[0], np.concatenate(parts)


def all_zero(layer: Layer) -> bool:
    """Whether nothing of its input reaches any unit, because all that it is multiplied by is 0.

    >>> from foldnet import Sequential, layers
    >>> model = Sequential([layers.Input((2,)), layers.Dense(3, kernel_initializer="zeros"), layers.Dense(1)])
    >>> [all_zero(layer) for layer in model.layers]
    [True, False]
    """
    kernels = [kernel for kernel, _ in units_of(layer)]
    return bool(kernels) and not any(kernel.any() for kernel in kernels)


def different_columns(columns: Array) -> int:
    """How many different columns there are; a column may be counted twice, but no two different ones once."""
    count = columns.shape[1]
    if count == 0:
        return 0
    sample = columns[:: 1 + len(columns) // SAMPLE].astype(np.float64)
    # Columns that are the same have the same product with anything, so they are neighbours in its order.
    order = np.argsort(np.random.default_rng(0).normal(size=len(sample)) @ sample, kind="stable")
    pairs = np.stack([order[:-1], order[1:]])
    for part in (sample, columns):  # few columns that differ in the whole are the same in the sample
        pairs = pairs[:, _same(part[:, pairs[0]], part[:, pairs[1]])] if pairs.size else pairs
    return count - pairs.shape[1]


def _same(one: Array, other: Array) -> Array:
    apart = np.abs(one - other).max(axis=0, initial=0)
    size = np.maximum(np.abs(one).max(axis=0, initial=0), np.abs(other).max(axis=0, initial=0))
    return np.asarray(apart <= SAME * size)
