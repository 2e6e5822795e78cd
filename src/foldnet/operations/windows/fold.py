"""Folding a scaling into a convolution, and past pooling and padding.

A scaling commutes with pooling if it is constant within each window, and with zeros around a value if it keeps zeros.
"""

from __future__ import annotations

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.folds import Commutes, Fold, Folded, Linear, Scaling, weights_of
from foldnet.operations.windows.op import Conv, ConvTranspose, Pad, PadSame, Pool

_OTHER_AXIS = (
    "its weights vary along an axis other than the last, but those of a convolution vary only along the last"
)


def _past_pool(graph: Graph, node: Node[Pool], scaling: Scaling) -> Scaling | str:
    """The same scaling: always for a mean; for a maximum only if it keeps the order of values."""
    op = node.op
    return scaling.why_not_past(node, op.axes, keeps_order=op.kind == "max") or scaling


def _past_pad(graph: Graph, node: Node[Pad | PadSame], scaling: Scaling) -> Scaling | str:
    """The same scaling, if zeros stay zeros and it is constant along the axes that get longer."""
    shape, longer = (graph.types[v].shape for v in (node.inputs[0], node.output))
    axes = tuple(a for a in range(1, len(shape)) if shape[a] != longer[a] or shape[a] is None)
    return scaling.why_not_past(node, axes, keeps_order=False) or scaling.why_not_past_zeros(node) or scaling


def _weights(graph: Graph, node: Node[Conv | ConvTranspose], units: int) -> tuple[Array, Array]:
    kernel, *bias = weights_of(graph, node)
    return kernel, bias[0] if bias else np.zeros(units)


def _after(scaling: Scaling, kernel: Array, bias: Array, by_unit: Array) -> Folded:
    """``(x * W + b - m) s + o = x * (W s) + ((b - m) s + o)``; the scale for each unit of the kernel is given."""
    mean = None if scaling.shift is None else bias - scaling.shift
    centre = bias if mean is None else mean
    weights = {"kernel": kernel * by_unit, "bias": centre * scaling.scale + scaling.offset}
    return Folded(weights, mean, scaling.spread)


def _conv_after(graph: Graph, node: Node[Conv], scaling: Scaling) -> Folded | str:
    kernel, bias = _weights(graph, node, graph.constants[node.inputs[1]].shape[-1])
    by_unit = scaling.along_last_axis(len(bias))
    return _OTHER_AXIS if by_unit is None else _after(by_unit, kernel, bias, by_unit.scale)


def _conv_before(graph: Graph, node: Node[Conv], scaling: Scaling) -> Folded | str:
    """``((x - m) s + o) * W + b = x * (s W) + (b + sum of (o - m s) W)``, since every window lies within x."""
    kernel, bias = _weights(graph, node, graph.constants[node.inputs[1]].shape[-1])
    groups, (channels, units) = node.op.groups, kernel.shape[-2:]
    by_channel = scaling.along_last_axis(channels * groups)
    if by_channel is None:
        return _OTHER_AXIS
    scale, offset = by_channel.scale, by_channel.offset
    if by_channel.shift is not None:
        offset = offset - by_channel.shift * scale

    def seen(numbers: Array) -> Array:
        """Of each channel that a unit sees: (channels of a group, units)."""
        return np.repeat(numbers.reshape(groups, channels).T, units // groups, axis=1)

    weights = {
        "kernel": kernel * seen(scale),
        "bias": bias + (kernel * seen(offset)).reshape(-1, units).sum(axis=0),
    }
    return Folded(weights, by_channel.shift, by_channel.spread)


def _transpose_after(graph: Graph, node: Node[ConvTranspose], scaling: Scaling) -> Folded | str:
    kernel, bias = _weights(graph, node, graph.constants[node.inputs[1]].shape[-2])
    by_unit = scaling.along_last_axis(len(bias))
    return _OTHER_AXIS if by_unit is None else _after(by_unit, kernel, bias, by_unit.scale[:, np.newaxis])


def _transpose_before(graph: Graph, node: Node[ConvTranspose], scaling: Scaling) -> Folded | str:
    """``(x s) * W = x * (W s)``; an offset would count as often as windows meet, which is less at the ends."""
    kernel, bias = _weights(graph, node, graph.constants[node.inputs[1]].shape[-2])
    by_channel = scaling.along_last_axis(kernel.shape[-1])
    if by_channel is None:
        return _OTHER_AXIS
    shift = 0 if by_channel.shift is None else by_channel.shift
    if (by_channel.offset - shift * by_channel.scale != 0).any():
        return f"at the ends of layer {node.layer!r} fewer windows meet, so that what it adds would count less there"
    return Folded({"kernel": kernel * by_channel.scale, "bias": bias}, by_channel.shift, by_channel.spread)


RULES: dict[type[Op], Fold] = {
    Pool: Fold(commutes=Commutes(_past_pool, _past_pool)),
    Pad: Fold(commutes=Commutes(_past_pad, _past_pad)),
    PadSame: Fold(commutes=Commutes(_past_pad, _past_pad)),
    Conv: Fold(linear=Linear(_conv_after, _conv_before), zeros=2),
    ConvTranspose: Fold(linear=Linear(_transpose_after, _transpose_before), zeros=2),
}
