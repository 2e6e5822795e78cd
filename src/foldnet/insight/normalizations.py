"""The BatchNormalizations of a network, their calls, and the values that count in their statistics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foldnet.arrays import Array
from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Graph, with_nodes
from foldnet.insight.copies import with_weights
from foldnet.layers.normalization import BatchNormalization
from foldnet.lowering.lower import Normalized, lower_and_note
from foldnet.lowering.masks import masked_layers
from foldnet.network import Network


def normalization_layers(network: Network) -> list[BatchNormalization]:
    """Every BatchNormalization of a network, in nested networks and inside TimeDistributed, too."""
    found = dict.fromkeys(inner for layer in network.single_layers() for inner in layer.with_inner_layers)
    return [layer for layer in found if isinstance(layer, BatchNormalization)]


def with_fresh_statistics(layer: BatchNormalization) -> BatchNormalization:
    """The layer with the mean 0 and the variance 1, as a copy: old statistics may be ones that cannot predict."""
    weights = layer.named_weights
    mean, variance = weights["moving_mean"], weights["moving_variance"]
    return with_weights(
        layer, {"moving_mean": np.zeros_like(mean), "moving_variance": np.ones_like(variance)}
    )


def normalization_calls(network: Network) -> list[Normalized]:
    """Every call of a BatchNormalization in a prediction, in computing order, whatever the statistics are."""
    return _lowered(network)[1]


def _lowered(network: Network) -> tuple[Graph, list[Normalized]]:
    return lower_and_note(
        network, {layer: with_fresh_statistics(layer) for layer in normalization_layers(network)}
    )


def masks_of(network: Network, rows: Sequence[Array]) -> dict[str, Array | None]:
    """By path of each call of a BatchNormalization that gets a mask with its input, that mask; None without rows."""
    if not masked_layers(network):
        return {}
    graph, calls = _lowered(network)
    found = {call.path: call.mask for call in calls if call.mask is not None}
    if not rows:
        return dict.fromkeys(found)
    values = ReferenceProgram(with_nodes(graph, graph.nodes, outputs=tuple(found.values()))).values(rows)
    return {path: values[mask] for path, mask in found.items()}


def channels_of(
    call: Normalized, layer: BatchNormalization, x: Array, mask: Array | None
) -> tuple[Array, Array]:
    """What a layer's statistics are of: values of shape (values, channels), and which of them count.

    Args:
        call: of the layer.
        layer: that is called.
        x: what it normalizes.
        mask: of x: 0 where a position does not count; None if all count.

    Raises:
        UnsupportedError: the mask does not have the shape of x without its last axis.
    """
    along = len(call.along)
    kept = tuple(along + a for a in layer.kept_axes(x.ndim - along))
    if mask is None:
        values = by_channel(x, kept)
        return values, np.ones((len(values), 1), bool)
    if mask.ndim != x.ndim - 1:
        raise UnsupportedError(
            f"layer {call.path!r} gets a mask of shape {mask.shape} with values of shape {x.shape}, of which Keras can "
            "take no statistics. Leave the mask out before it."
        )
    counts = np.broadcast_to(mask[..., np.newaxis] != 0, x.shape)
    return by_channel(x, kept), by_channel(counts, kept)


def by_channel(x: Array, kept: tuple[int, ...]) -> Array:
    """The values as (values, channels): the kept axes flattened to channels, all others to values."""
    others = tuple(a for a in range(x.ndim) if a not in kept)
    channels = int(np.prod([x.shape[a] for a in kept]))
    return x.transpose(*others, *kept).reshape(-1, channels)
