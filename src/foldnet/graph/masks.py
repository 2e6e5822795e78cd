"""Where masks go: a network in which Keras would compute with one is refused before it is lowered."""

from __future__ import annotations

from collections.abc import Sequence

from foldnet.errors import UnsupportedError
from foldnet.layers.base import Layer
from foldnet.network import Network


def check_masks(network: Network) -> None:
    """Follow the masks from the layers that make them (``Embedding(mask_zero=True)``) through the network.

    Raises:
        UnsupportedError: a layer whose prediction would depend on a mask gets one.
    """
    _follow(network, [False] * len(network.inputs), set())


def check_training_masks(network: Network) -> None:
    """Refuse to train where Keras would leave masked positions out of statistics or out of the loss.

    Raises:
        UnsupportedError: a BatchNormalization in training, or an output, gets a mask.
    """
    met: set[Layer] = set()
    outputs = _follow(network, [False] * len(network.inputs), met)
    learning = [m.name for m in met if type(m).__name__ == "BatchNormalization" and m.training_matters()]
    if learning:
        raise UnsupportedError(
            f"layer {learning[0]!r} gets a mask, and Keras would leave the masked positions out of its statistics, "
            "which foldnet does not. Put mask_zero=False on the Embedding, or freeze the layer (trainable=False)."
        )
    for tensor, masked in zip(network.outputs, outputs, strict=True):
        if masked:
            raise UnsupportedError(
                f"the output {tensor.name!r} has a mask, and Keras would leave the masked positions out of the loss, "
                "which foldnet does not. Put mask_zero=False on the Embedding, or give sample weights."
            )


def masked_layers(network: Network) -> set[Layer]:
    """The layers, of nested networks too, that get a mask in at least one call."""
    met: set[Layer] = set()
    _follow(network, [False] * len(network.inputs), met)
    return met


def _follow(network: Network, given: Sequence[bool], met: set[Layer]) -> list[bool]:
    masked = dict(zip(network.inputs, given, strict=True))
    for call in network.graph_calls:
        if call.outputs[0] in masked:
            continue  # an input
        handed_over = call.kwargs.get("mask") is not None
        flags = [masked[t] or handed_over for t in call.inputs]
        layer = call.layer
        if any(flags):
            met.add(layer)
        results = _follow(layer, flags, met) if isinstance(layer, Network) else [layer.output_mask(*flags)]
        masked.update(zip(call.outputs, results, strict=True))
    return [masked[t] for t in network.outputs]
