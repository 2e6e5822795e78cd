"""Where masks go: carried along in a training program, and refused where foldnet cannot compute with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from foldnet.errors import UnsupportedError
from foldnet.graph import train_ops
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Call, SymbolicTensor
from foldnet.network import Network
from foldnet.structure import flatten

if TYPE_CHECKING:
    from foldnet.graph.lower import Lowering


class Masks:
    """The masks of a network's tensors while it is lowered, as values of the training program.

    ``Embedding(mask_zero=True)`` makes them, or a call is given one as ``mask=``; from there each layer says by
    ``output_mask`` whether its result has one and by ``lower_mask`` which. A prediction program has none.

    Args:
        b: what the masks are emitted into.
        given: those of the network's inputs.

    Attributes:
        known: the mask of each tensor met so far, or None.
    """

    def __init__(self, b: Lowering, given: Mapping[SymbolicTensor, str | None] | None = None) -> None:
        self._b = b
        self.known: dict[SymbolicTensor, str | None] = dict(given or {})

    def of(self, tensors: Sequence[SymbolicTensor]) -> list[str | None]:
        """The mask of each tensor."""
        return [self.known.get(t) for t in tensors]

    def into(self, call: Call, values: Mapping[SymbolicTensor, str]) -> list[str | None]:
        """The mask of each of a call's inputs: handed over as ``mask=``, or come with the input."""
        handed_over = call.kwargs.get("mask")
        if handed_over is None or self._b.mode.value != "train":
            return self.of(call.inputs)
        given = flatten(handed_over)
        if len(given) != len(call.inputs) or not all(_known(m, values) for m in given):
            raise UnsupportedError(
                f"layer {call.layer.name!r} was called with a mask that is no tensor of the network. Hand over an "
                "input of the network as mask=, one for each input of the call."
            )
        return [None if m is None else self._counting(values[m]) for m in given]

    def _counting(self, value: str) -> str:
        zero = self._b.constant(f"{self._b.layer}/masked", np.zeros(()))
        return self._b.emit(train_ops.Combine("not_equal"), self._b.float(value), zero)

    def through(self, call: Call, inputs: Sequence[str], masks: Sequence[str | None]) -> None:
        """Note the mask of a call's result, given those of its inputs."""
        if self._b.mode.value == "train" and call.layer.output_mask(*(m is not None for m in masks)):
            self.known[call.outputs[0]] = call.layer.lower_mask(self._b, inputs, masks)


def _known(mask: object, values: Mapping[SymbolicTensor, str]) -> bool:
    return mask is None or (isinstance(mask, SymbolicTensor) and mask in values)


def check_masks(network: Network) -> None:
    """Follow the masks from the layers that make them (``Embedding(mask_zero=True)``) through the network.

    Raises:
        UnsupportedError: a layer whose prediction would depend on a mask gets one.
    """
    _follow(network, [False] * len(network.inputs), set())


def masked_layers(network: Network) -> set[Layer]:
    """The layers, of nested networks too, that get a mask in at least one call."""
    met: set[Layer] = set()
    _follow(network, [False] * len(network.inputs), met)
    return met


def masked_outputs(network: Network) -> list[SymbolicTensor]:
    """The outputs that have a mask, for losses and metrics to leave positions out by."""
    flags = _follow(network, [False] * len(network.inputs), set())
    return [t for t, masked in zip(network.outputs, flags, strict=True) if masked]


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
