"""Propagate masks with the data; a mask is computed only if a layer or a loss needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from foldnet.errors import UnsupportedError
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Call, SymbolicTensor
from foldnet.network import Network
from foldnet.structure import flatten
from foldnet.topology import run_order

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering


class Mask:
    """A mask that is emitted when it is first used, so that unused masks are not computed.

    Args:
        b: to emit into.
        make: emits it and returns the name of its value.
    """

    def __init__(self, b: Lowering, make: Callable[[], str]) -> None:
        self._b, self._make, self._layer, self._along = b, make, b.layer, b.axes_along
        self._value: str | None = None

    def value(self) -> str:
        """The name of its value: 1 where a position counts, 0 where it does not."""
        if self._value is None:
            current, self._b.layer = self._b.layer, self._layer
            try:
                with self._b.only_along(self._along):
                    self._value = self._make()
            finally:
                self._b.layer = current
        return self._value


class Masks:
    """The masks of a network's tensors while it is lowered.

    There are two of each tensor, as in Keras: the one when the network is built, which layers with one input and an
    argument ``mask`` use, and the one when it runs, which all others use. They differ only after a layer that
    ``removes_masks`` of its inputs when it runs.

    ``Masking`` and ``Embedding(mask_zero=True)`` make masks, or a call has one as ``mask=``. From there each
    layer's ``output_mask`` says whether its result has a mask, and ``lower_mask`` computes it.

    Args:
        b: to emit into.
        network: that is lowered.
        given: masks of the network's inputs.

    Attributes:
        known: the mask of each tensor so far when the network is built, or None.
        at_run: likewise when it runs.
    """

    def __init__(
        self, b: Lowering, network: Network, given: Mapping[SymbolicTensor, Mask | None] | None = None
    ) -> None:
        self._b = b
        self.known: dict[SymbolicTensor, Mask | None] = dict(given or {})
        self.at_run: dict[SymbolicTensor, Mask | None] = dict(given or {})
        self._removed = removed_masks(network, b.trains)

    def of(self, tensors: Sequence[SymbolicTensor]) -> list[Mask | None]:
        """The mask of each tensor when the network runs."""
        return self._left(tensors, None)

    def _left(self, tensors: Sequence[SymbolicTensor], call: Call | None) -> list[Mask | None]:
        """The masks that tensors have when a call is computed, or at the end."""
        removed = self._removed.get(call, frozenset())
        return [None if t in removed else self.at_run.get(t) for t in tensors]

    def of_call(self, call: Call, values: Mapping[SymbolicTensor, str | None]) -> list[Mask | None]:
        """The mask of each of a call's inputs: passed as ``mask=``, or propagated with the input."""
        passed = self._passed(call, values)
        if passed is not None:
            return passed
        built_in = call.layer.takes_mask and len(call.inputs) == 1 and not call.kwargs
        return [self.known.get(t) for t in call.inputs] if built_in else self._left(call.inputs, call)

    def _passed(self, call: Call, values: Mapping[SymbolicTensor, str | None]) -> list[Mask | None] | None:
        """The masks passed as ``mask=``; None if there are none."""
        passed_mask = call.kwargs.get("mask")
        if passed_mask is None or (
            isinstance(passed_mask, SymbolicTensor) and _is_absent(passed_mask, values)
        ):
            return None
        given = flatten(passed_mask)
        own = 1 if call.layer.takes_states_in_list else call.roles.count(call.roles[0])
        given += [None] * (len(call.inputs) - own)  # of further arguments
        if len(given) != len(call.inputs) or not all(_known(m, values) for m in given):
            raise UnsupportedError(
                f"layer {call.layer.name!r} was called with a mask that is no tensor of the network. Hand over an "
                "input of the network as mask=, one for each input of the call."
            )
        found = [None if m is None else values[m] for m in given]
        return [None if value is None else self._read(call.layer, value) for value in found]

    def _read(self, layer: Layer, value: str) -> Mask:
        return Mask(self._b, lambda: layer.read_mask(self._b, value))

    def propagate(
        self,
        call: Call,
        inputs: Sequence[str],
        masks: Sequence[Mask | None],
        values: Mapping[SymbolicTensor, str | None],
    ) -> None:
        """Record the masks of a call's result, given those of its inputs when the network runs."""
        mask = self._of_result(call, inputs, masks)
        built = self._passed(call, values) or [self.known.get(t) for t in call.inputs]
        same = all(a is b for a, b in zip(built, masks, strict=True))
        results = call.outputs[: call.layer.masked_results]
        self.at_run |= dict.fromkeys(results, mask)
        self.known |= dict.fromkeys(results, mask if same else self._of_result(call, inputs, built))

    def _of_result(self, call: Call, inputs: Sequence[str], masks: Sequence[Mask | None]) -> Mask | None:
        if not call.output_mask(*(m is not None for m in masks)):
            return None

        def make() -> str:
            known = [None if m is None else m.value() for m in masks]
            return call.layer.lower_mask(self._b, inputs, known)

        return Mask(self._b, make)

    def leave(self, inside: Masks, call: Call) -> None:
        """Record the masks of a nested network's results, given those inside it."""
        outputs = call.layer.outputs
        self.known |= zip(call.outputs, (inside.known.get(t) for t in outputs), strict=True)
        self.at_run |= zip(call.outputs, inside.of(outputs), strict=True)


def removed_masks(network: Network, trains: bool) -> dict[Call | None, frozenset[SymbolicTensor]]:
    """For each call, and None for the end, the tensors whose masks have been removed before; no entry for none.

    Keras keeps masks with arrays, and some layers return the array that they were given.
    """
    if not any(call.layer.removes_masks for call in network.graph_calls):
        return {}
    array: dict[SymbolicTensor, SymbolicTensor] = {}
    removed: set[SymbolicTensor] = set()
    found: dict[Call | None, frozenset[SymbolicTensor]] = {}
    for call in run_order(network.graph_calls):
        found[call] = frozenset(t for t in call.inputs if array.get(t, t) in removed)
        if call.inputs and call.layer.identity_in_prediction and not (trains and call.layer.is_random):
            array[call.outputs[0]] = array.get(call.inputs[0], call.inputs[0])
        if call.layer.removes_masks:
            removed |= {array.get(t, t) for t in call.data}
    return {**found, None: frozenset(t for t in network.outputs if array.get(t, t) in removed)}


def _known(mask: object, values: Mapping[SymbolicTensor, str | None]) -> bool:
    return mask is None or (isinstance(mask, SymbolicTensor) and mask in values)


def _is_absent(mask: SymbolicTensor, values: Mapping[SymbolicTensor, str | None]) -> bool:
    return mask in values and values[mask] is None


def masked_layers(network: Network) -> set[Layer]:
    """The layers (also of nested networks) that get a mask in at least one call."""
    met: set[Layer] = set()
    _follow(network, [False] * len(network.inputs), met)
    return met


def masked_outputs(network: Network) -> list[SymbolicTensor]:
    """The outputs that have a mask, which losses and metrics use."""
    flags = _follow(network, [False] * len(network.inputs), set())
    return [t for t, masked in zip(network.outputs, flags, strict=True) if masked]


def _follow(network: Network, given: Sequence[bool], met: set[Layer]) -> list[bool]:
    masked = dict(zip(network.inputs, given, strict=True))
    for call in network.graph_calls:
        if call.outputs[0] in masked:
            continue  # an input
        passed_mask = call.kwargs.get("mask") is not None
        flags = [masked[t] or passed_mask for t in call.inputs]
        layer = call.layer
        if any(flags):
            met.add(layer)
        if isinstance(layer, Network):
            results = _follow(layer, flags, met)
        else:
            count = layer.masked_results if call.output_mask(*flags) else 0
            results = [k < count for k in range(len(call.outputs))]
        masked.update(zip(call.outputs, results, strict=True))
    return [masked[t] for t in network.outputs]
