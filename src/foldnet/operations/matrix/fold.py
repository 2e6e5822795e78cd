"""Folding a scaling into the weights of a product with a kernel."""

from __future__ import annotations

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.folds import Fold, Folded, Linear, Scaling, weights_of
from foldnet.operations.matrix.op import Dense

_OTHER_AXIS = (
    "its weights vary along an axis other than the last, but a Dense's weights vary only along the last"
)


def _dense_weights(graph: Graph, node: Node[Dense]) -> tuple[Array, Array]:
    kernel, *bias = weights_of(graph, node)
    return kernel, bias[0] if bias else np.zeros(kernel.shape[1])


def _dense_after(graph: Graph, node: Node[Dense], scaling: Scaling) -> Folded | str:
    """``(x W + b - m) s + o = x (W s) + ((b - m) s + o)``."""
    kernel, bias = _dense_weights(graph, node)
    by_unit = scaling.along_last_axis(kernel.shape[1])
    if by_unit is None:
        return _OTHER_AXIS
    mean = None if by_unit.shift is None else bias - by_unit.shift
    centre = bias if mean is None else mean
    weights = {"kernel": kernel * by_unit.scale, "bias": centre * by_unit.scale + by_unit.offset}
    return Folded(weights, mean, by_unit.spread)


def _dense_before(graph: Graph, node: Node[Dense], scaling: Scaling) -> Folded | str:
    """``((x - m) s + o) W + b = x (diag(s) W) + (b + (o - m s) W)``."""
    kernel, bias = _dense_weights(graph, node)
    by_input = scaling.along_last_axis(kernel.shape[0])
    if by_input is None:
        return _OTHER_AXIS
    scale, offset = by_input.scale, by_input.offset
    if by_input.shift is not None:
        offset = offset - by_input.shift * scale
    weights = {"kernel": scale[:, None] * kernel, "bias": bias + offset @ kernel}
    return Folded(weights, by_input.shift, by_input.spread)


RULES: dict[type[Op], Fold] = {Dense: Fold(linear=Linear(_dense_after, _dense_before), zeros=2)}
