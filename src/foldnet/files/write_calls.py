"""Write the calls of a network's layers, and the tensors between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from foldnet.errors import UnsupportedError
from foldnet.files import operations
from foldnet.files.keras_objects import Dialect, plain_data
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Call, SymbolicTensor
from foldnet.lowering.masks import masked_layers
from foldnet.network import Network
from foldnet.sequential import Sequential
from foldnet.structure import map_structure


class Calls:
    """Writes a network's calls and tensors: a tensor is layer name, index of the call, and index of the output."""

    def __init__(self, network: Network, dialect: Dialect) -> None:
        self._dialect, self._masked = dialect, masked_layers(network)
        self._of: dict[Layer, list[Call]] = {}
        known = set(network.graph_calls)
        for layer in network.operations:
            self._of[layer] = [call for call in layer.calls if call in known]

    def of(self, layer: Layer) -> list[Call]:
        """The calls of a layer in this network, except those of inputs."""
        return [] if layer.is_input else self._of[layer]

    def nodes(self, call: Call) -> list[Any]:
        """The record of a call; in Keras 2's format two equal records for a nested network.

        Keras 2 counts the creation of a network as its call 0; Keras 3, which also opens these files, does not.
        If each call is written twice, number 2k + 1 is call k for both.
        """
        if call.layer.is_operation:
            given = operations.stored_argument(list(call.arguments), self._tensor, call.layer.name)
            return [{"args": given, "kwargs": {}}]
        known = {"training"} if self._dialect.is_old else {"training", "mask"}
        if unknown := set(call.kwargs) - known - call.layer.own_arguments:
            raise UnsupportedError(
                f"layer {call.layer.name!r} is called with {', '.join(sorted(unknown))}=..., which foldnet does not "
                "write; leave it out of the call"
            )
        kwargs = dict(call.kwargs)
        if "mask" in kwargs:
            kwargs["mask"] = map_structure(self._mask, kwargs["mask"])
        given = call.arguments_with({t: t for t in call.inputs})
        if self._dialect is Dialect.KERAS_3 and call.layer.takes_states_in_list:
            given = self._states_by_name(call, given)
        first, *others = given.items()
        # Keras 3 reads no tensors by name from a node in Keras 2's form, but reads nodes in its own form from any file.
        if self._dialect.is_old and not others:
            node = [[*self._ref(t, ends=False), kwargs] for t in call.given(first[0])]
            return [node, node] if isinstance(call.layer, Network) else [node]
        if self._dialect is Dialect.TF_KERAS:
            return [self._tf_keras_node(call, others, kwargs)]
        kwargs |= {k: map_structure(self._tensor, v) for k, v in others}
        return [{"args": [map_structure(self._tensor, _arguments(call))], "kwargs": kwargs}]

    def _tf_keras_node(
        self, call: Call, others: Sequence[tuple[str, Any]], kwargs: dict[str, Any]
    ) -> list[Any]:
        """The record of a call with further tensors: states follow the input, all others have names."""
        if call.layer.takes_states_in_list:
            first, *states = call.inputs
            return [
                [*self._ref(first, ends=False), kwargs],
                *([*self._ref(t, ends=False), {}] for t in states),
            ]
        kwargs |= {key: map_structure(lambda t: self._ref(t, ends=False), value) for key, value in others}
        return [[*self._ref(t, ends=False), kwargs] for t in call.given(call.roles[0])]

    def _states_by_name(self, call: Call, given: dict[str, Any]) -> dict[str, Any]:
        """The tensors of a call by argument, with initial states that follow in a list by their name, as in Keras 3."""
        name, states = call.layer.tensor_arguments[:2]
        if not isinstance(given[name], list):
            return given
        if call.layer in self._masked:
            raise UnsupportedError(
                f"layer {call.layer.name!r} is called on a list of sequences with a mask and initial states. Keras 3 "
                "takes the states by name, and the mask then has no effect there; save the network as .h5"
            )
        first, *others = given[name]
        return {name: first, states: others}

    def _ref(self, tensor: SymbolicTensor, ends: bool) -> list[Any]:
        call = tensor.call
        assert call is not None  # a network's tensors come from its calls
        index = self._of[call.layer].index(call)
        if isinstance(call.layer, Network):
            if self._dialect.is_old:
                index = 2 * index + 1
            elif ends and not isinstance(call.layer, Sequential):
                index += 1
        return [call.layer.name, index, tensor.index]

    def end(self, tensor: SymbolicTensor) -> list[Any]:
        """An input or output of the network."""
        return self._ref(tensor, ends=True)

    def _mask(self, mask: object) -> dict[str, Any] | None:
        if mask is not None and not isinstance(mask, SymbolicTensor):
            raise UnsupportedError(
                "a mask that is not a tensor of the network cannot be written; give an input of the network"
            )
        return None if mask is None else self._tensor(mask)

    def _tensor(self, tensor: SymbolicTensor) -> dict[str, Any]:
        shape = plain_data(tensor.shape, tensor.name)
        config = {"shape": shape, "dtype": tensor.dtype, "keras_history": self._ref(tensor, ends=False)}
        return {"class_name": "__keras_tensor__", "config": config}


def _arguments(call: Call) -> object:
    """The layer's inputs, in the structure of its call."""
    if isinstance(call.layer, Network):
        values = dict(zip(call.layer.inputs, call.inputs, strict=True))
        found: object = map_structure(lambda tensor: values[tensor], call.layer.input_structure)
        return found
    tensors = call.given(call.layer.tensor_arguments[0])
    if call.layer.joins_inputs:
        return list(tensors)
    return tensors[0]
