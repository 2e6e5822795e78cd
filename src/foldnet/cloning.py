"""Networks built again with layers of their own: ``models.clone_model``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from foldnet.errors import UnsupportedError
from foldnet.layers.base import Layer
from foldnet.layers.core import Input, InputLayer
from foldnet.layers.tensors import SymbolicTensor
from foldnet.network import Model, Network, Sequential
from foldnet.structure import map_structure

Cloner = Callable[[Layer], Layer]


def clone_model(
    model: Network,
    input_tensors: Any = None,
    clone_function: Cloner | None = None,
    call_function: Any = None,
    recursive: bool = False,
) -> Network:
    """A network of the same layers and calls, with layers of its own and weights drawn anew; not compiled.

    Args:
        model: what to build again.
        input_tensors: None; the clone has inputs of its own.
        clone_function: makes a layer's clone, inputs aside; by its settings if None.
        call_function: None; layers are called as in the model.
        recursive: whether ``clone_function`` is also given the layers of nested networks, not the networks.

    Raises:
        UnsupportedError: ``input_tensors`` or ``call_function``.

    >>> from foldnet import layers
    >>> model = Sequential([layers.Input((4,)), layers.Dense(3)])
    >>> clone_model(model).count_params()
    15
    """
    if input_tensors is not None or call_function is not None:
        raise UnsupportedError(
            "clone_model takes no input_tensors and no call_function; call the clone instead"
        )

    def clone(layer: Layer) -> Layer:
        if isinstance(layer, Network) and (recursive or clone_function is None):
            return clone_model(layer, clone_function=clone_function, recursive=recursive)
        if clone_function is not None:
            return clone_function(layer)
        return type(layer).from_config(layer.get_config())

    if isinstance(model, Sequential):
        return _sequential(model, clone)
    return _functional(model, clone)


def _input_like(tensor: SymbolicTensor) -> SymbolicTensor:
    return Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)


def _sequential(model: Sequential, clone: Cloner) -> Sequential:
    first = [_input_like(t) for t in model.inputs]
    return Sequential(
        [*first, *(clone(layer) for layer in model.layers)], trainable=model.trainable, name=model.name
    )


def _functional(model: Network, clone: Cloner) -> Model:
    tensors = {t: _input_like(t) for t in model.inputs}
    layers: dict[Layer, Layer] = {}
    for call in model.graph_calls:
        if isinstance(call.layer, InputLayer) or call.outputs[0] in tensors:
            continue
        if call.layer not in layers:
            layers[call.layer] = clone(call.layer)
        given = [tensors[t] for t in call.inputs]
        inputs = call.layer.input_structure if isinstance(call.layer, Network) else None
        if isinstance(inputs, dict):
            taken = dict(zip(call.layer.inputs, given, strict=True))
            result = layers[call.layer](map_structure(taken.__getitem__, inputs), **call.kwargs)
        else:
            result = layers[call.layer](given if len(given) > 1 else given[0], **call.kwargs)
        del result
        tensors |= dict(zip(call.outputs, layers[call.layer].calls[-1].outputs, strict=True))
    return Model(
        map_structure(tensors.__getitem__, model.input_structure),
        map_structure(tensors.__getitem__, model.output_structure),
        name=model.name,
        trainable=model.trainable,
    )
