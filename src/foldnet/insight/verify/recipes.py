"""Layers as formulas with replaceable parts; each mistake replaces one part.

A recipe computes in float64 and passes each weight and each step through ``rounded``, so that the rounding of a
float32 program with the same mistake can be measured like that of the right program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Op
from foldnet.insight.blocks import Rounded
from foldnet.insight.sites import Site
from foldnet.layers import (
    BatchNormalization,
    Dense,
    GroupNormalization,
    LayerNormalization,
    Normalization,
    RMSNormalization,
)
from foldnet.layers.axes import row_axes
from foldnet.layers.base import Layer
from foldnet.layers.preprocessing import SMALLEST_DEVIATION
from foldnet.operations import catalogue
from foldnet.operations.matrix.op import Dense as DenseOp

Moments = tuple[Array, Array]


def exactly(array: Array) -> Array:
    """No rounding."""
    return array


def root(variance: Array, epsilon: float) -> Array:
    """The right divisor."""
    return np.sqrt(variance + epsilon)


def at_least(variance: Array, epsilon: float) -> Array:
    """The divisor of the layer Normalization."""
    return np.maximum(np.sqrt(variance), epsilon)


@dataclass(frozen=True, eq=False)
class Normalizing:
    """``(x - mean) / divisor(variance, epsilon) * gamma + beta``.

    Attributes:
        statistics: mean and variance for x, shaped to broadcast against it.
        epsilon: passed to the divisor.
        gamma: shaped to broadcast, or None.
        beta: likewise.
        axes: the axes of x that statistics are taken over, batch axis first.
        stored: whether the statistics are weights instead of computed from x.
        divisor: of the variance and epsilon.
    """

    statistics: Callable[[Array], Moments]
    epsilon: float
    gamma: Array | None
    beta: Array | None
    axes: tuple[int, ...]
    stored: bool
    divisor: Callable[[Array, float], Array] = root

    def __call__(self, operands: Sequence[Array], rounded: Rounded = exactly) -> Array:
        """The result for a batch."""
        x = operands[0].astype(np.float64)
        mean, variance = (rounded(v) for v in self.statistics(x))
        y = rounded(rounded(x - mean) / rounded(self.divisor(variance, self.epsilon)))
        if self.gamma is not None:
            y = rounded(y * rounded(self.gamma))
        return y if self.beta is None else rounded(y + rounded(self.beta))


@dataclass(frozen=True, eq=False)
class Multiplying:
    """``activation(x @ kernel + bias)``."""

    kernel: Array
    bias: Array | None
    activation: Op | None

    def __call__(self, operands: Sequence[Array], rounded: Rounded = exactly) -> Array:
        """The result for a batch."""
        y = rounded(operands[0].astype(np.float64) @ rounded(self.kernel))
        if self.bias is not None:
            y = rounded(y + rounded(self.bias))
        return y if self.activation is None else activated(self.activation, y)


Recipe = Normalizing | Multiplying


def activated(op: Op, x: Array) -> Array:
    """An activation's values."""
    return catalogue.find("numpy", op).predict(op, [x], x.dtype)


def moments_over(axes: tuple[int, ...], x: Array, ddof: int = 0) -> Moments:
    """The mean and variance of x over some axes, which are kept with size 1."""
    count = np.prod([x.shape[a] for a in axes])
    mean = x.mean(axis=axes, keepdims=True)
    squares = ((x - mean) ** 2).sum(axis=axes, keepdims=True)
    return mean, squares / max(count - ddof, 1)


def recipe_of(site: Site) -> Recipe | None:
    """The formula of a layer call; None for layers without a recipe."""
    layer = site.layer
    make = _RECIPES.get(type(layer))
    return None if make is None or not site.operands else make(layer, site)


def _dense(layer: Dense, site: Site) -> Multiplying:
    weights = _float64(layer)
    last = site.nodes[-1].op
    return Multiplying(weights["kernel"], weights.get("bias"), None if isinstance(last, DenseOp) else last)


def _batch(layer: BatchNormalization, site: Site) -> Normalizing:
    rank = len(site.shape)
    kept = layer.kept_axes(rank)
    w = {k: v.reshape(_spread(site, kept)) for k, v in _float64(layer).items()}
    return Normalizing(
        lambda x: (w["moving_mean"], w["moving_variance"]),
        layer.epsilon,
        w.get("gamma"),
        w.get("beta"),
        tuple(a for a in range(rank) if a not in kept),
        stored=True,
    )


def _adapted(layer: Normalization, site: Site) -> Normalizing | None:
    if layer.invert:
        return None
    rank = len(site.shape)
    statistics = layer.statistics(site.input_shapes[0])
    reduced = tuple(a for a in range(rank) if a not in layer.kept_axes(rank))
    return Normalizing(
        lambda x: statistics, SMALLEST_DEVIATION, None, None, reduced, stored=True, divisor=at_least
    )


def _row(layer: LayerNormalization, site: Site) -> Normalizing:
    axes = tuple(sorted(row_axes(layer, layer.axis, len(site.shape))))
    w = {k: v.reshape(_spread(site, axes)) for k, v in _float64(layer).items()}

    def uncentred(x: Array) -> Moments:
        mean, variance = moments_over(axes, x)
        return np.zeros_like(mean), variance

    statistics = uncentred if layer.rms_scaling else partial(moments_over, axes)
    return Normalizing(statistics, layer.epsilon, w.get("gamma"), w.get("beta"), axes, stored=False)


def _rms(layer: RMSNormalization, site: Site) -> Normalizing:
    axes = tuple(sorted(row_axes(layer, layer.axis, len(site.shape))))
    scale = _float64(layer)["scale"]

    def squares(x: Array) -> Moments:
        mean = (x * x).mean(axis=axes, keepdims=True)
        return np.zeros_like(mean), mean

    return Normalizing(squares, layer.epsilon, scale, None, axes, stored=False)


def _group(layer: GroupNormalization, site: Site) -> Normalizing:
    (axis,) = row_axes(layer, layer.axis, len(site.shape))
    channels = site.shape[axis] or 1
    groups = layer.groups if layer.groups > 0 else channels
    w = {k: v.reshape(_spread(site, (axis,))) for k, v in _float64(layer).items()}

    def grouped(x: Array) -> Moments:
        parts = x.reshape(*x.shape[:axis], groups, channels // groups, *x.shape[axis + 1 :])
        over = tuple(a for a in range(1, parts.ndim) if a != axis)
        mean, variance = (
            np.repeat(m.reshape(*m.shape[:axis], groups, *m.shape[axis + 2 :]), channels // groups, axis)
            for m in moments_over(over, parts)
        )
        return mean, variance

    others = tuple(a for a in range(1, len(site.shape)))
    return Normalizing(grouped, layer.epsilon, w.get("gamma"), w.get("beta"), others, stored=False)


_RECIPES: dict[type, Callable[[Any, Site], Recipe | None]] = {
    BatchNormalization: _batch,
    Dense: _dense,
    GroupNormalization: _group,
    LayerNormalization: _row,
    Normalization: _adapted,
    RMSNormalization: _rms,
}


def _float64(layer: Layer) -> dict[str, Array]:
    return {k: v.astype(np.float64) for k, v in layer.named_weights.items()}


def _spread(site: Site, axes: Sequence[int]) -> tuple[int, ...]:
    """The shape of weights along these axes of the layer's input, with a batch axis of 1."""
    shape = site.input_shapes[0]
    return tuple((n or 1) if a in axes else 1 for a, n in enumerate(shape))
