"""Copies of layers with other weights, and of networks on other inputs; the layers themselves are not changed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TypeVar

from foldnet.arrays import Array
from foldnet.layers.base import Layer
from foldnet.layers.tensors import SymbolicTensor
from foldnet.network import Model, Network
from foldnet.topology import called_again


def on_other_inputs(network: Network, inputs: Mapping[SymbolicTensor, SymbolicTensor]) -> Network:
    """The network's calls on other inputs, with the same weights.

    Args:
        network: built; neither it nor its layers change.
        inputs: for each of its inputs the other one.

    Raises:
        ConfigError: a layer cannot take what it would get.
    """
    twins: dict[Layer, Layer] = {}
    tensors = dict(inputs)
    for call in network.graph_calls:
        if call.outputs[0] in tensors:
            continue
        if call.layer not in twins:
            twins[call.layer] = copy.copy(call.layer)
            twins[call.layer].calls = []
        tensors |= zip(call.outputs, called_again(call, twins[call.layer], tensors), strict=True)
    return Model([tensors[t] for t in network.inputs], [tensors[t] for t in network.outputs])


L = TypeVar("L", bound=Layer)


def with_weights(layer: L, weights: Mapping[str, Array]) -> L:
    """A copy of a layer with some weights replaced, by their names."""
    changed = copy.copy(layer)
    changed._values = {**layer.named_weights}
    for name, value in weights.items():
        changed.set_weight(name, value)
    return changed
