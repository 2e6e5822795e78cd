"""Where masks go: a network in which Keras would compute with one is refused before it is lowered."""

from __future__ import annotations

from collections.abc import Sequence

from foldnet.network import Network


def check_masks(network: Network) -> None:
    """Follow the masks from the layers that make them (``Embedding(mask_zero=True)``) through the network.

    Raises:
        UnsupportedError: a layer whose prediction would depend on a mask gets one.
    """
    _follow(network, [False] * len(network.inputs))


def _follow(network: Network, given: Sequence[bool]) -> list[bool]:
    masked = dict(zip(network.inputs, given, strict=True))
    for call in network.graph_calls:
        if call.outputs[0] in masked:
            continue  # an input
        handed_over = call.kwargs.get("mask") is not None
        flags = [masked[t] or handed_over for t in call.inputs]
        layer = call.layer
        results = _follow(layer, flags) if isinstance(layer, Network) else [layer.output_mask(*flags)]
        masked.update(zip(call.outputs, results, strict=True))
    return [masked[t] for t in network.outputs]
