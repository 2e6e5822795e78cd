"""Copies of networks with new layers: ``models.clone_model``."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from foldnet.errors import ConfigError, FoldnetError
from foldnet.layers.base import Layer
from foldnet.layers.inner import again
from foldnet.layers.input_layer import Input
from foldnet.layers.operation import Operation
from foldnet.layers.tensors import SymbolicTensor
from foldnet.network import Model, Network
from foldnet.optional_inputs import is_optional
from foldnet.sequential import Sequential
from foldnet.structure import flatten, map_structure, same
from foldnet.topology import called_again
from foldnet.warn import warn

Cloner = Callable[[Layer], Layer]


def clone_model(
    model: Network,
    input_tensors: object = None,
    clone_function: Cloner | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Network:
    """A copy of a network with new layers, the same calls, and new random weights.

    As in Keras it is compiled as the model is, with a new optimizer.

    Args:
        model: the network to copy.
        input_tensors: results of ``Input`` or of layers to build it on, nested as the model's inputs; None for new
            inputs.
        clone_function: makes a layer's clone (except input layers); by default from its settings.
        call_function: called as ``call_function(layer, *args, **kwargs)`` for each clone instead of the
            layer's call; not for a Sequential.
        recursive: whether ``clone_function`` is called for the layers of nested networks instead of the networks.

    Raises:
        ConfigError: functions that are not callable, ``call_function`` for a Sequential, or tensors that do not fit.

    >>> from foldnet import layers
    >>> model = Sequential([layers.Input((4,)), layers.Dense(3)])
    >>> clone_model(model).count_params()
    15
    """
    if not isinstance(model, Network):
        raise ConfigError(f"clone_model takes a foldnet network, not {type(model).__name__}")
    for name, function in (("clone_function", clone_function), ("call_function", call_function)):
        if function is not None and not callable(function):
            raise ConfigError(f"{name} must be a function, got {function!r}")
    clones: dict[Layer, Layer] = {}

    def clone(layer: Layer) -> Layer:
        if layer not in clones:
            if isinstance(layer, Network) and (recursive or clone_function is None):
                inner = None if isinstance(layer, Sequential) else call_function
                clones[layer] = clone_model(layer, None, clone_function, inner, recursive)
            elif clone_function is not None:
                clones[layer] = clone_function(layer)
            else:
                clones[layer] = again(layer, layer.name)
        return clones[layer]

    if not isinstance(model, Sequential):
        made: Network = _functional(model, clone, input_tensors, call_function)
    elif call_function is not None:
        raise ConfigError(
            "call_function does not work for a Sequential, because its layers are listed and not called"
        )
    else:
        made = _sequential(model, clone, input_tensors)
    _compile_like(made, model)
    return made


def _input_like(tensor: SymbolicTensor) -> SymbolicTensor:
    optional = is_optional(tensor)
    return Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name, optional=optional)


def _sequential(model: Sequential, clone: Cloner, given: object) -> Sequential:
    first = [_input_like(t) for t in model.inputs] if model.built else []
    if given is not None:
        tensors = flatten(given)
        if len(tensors) != 1 or not isinstance(tensors[0], SymbolicTensor):
            raise ConfigError(f"input_tensors must be one symbolic tensor for a Sequential, got {given!r}")
        call = tensors[0].call
        first = [tensors[0] if call and call.layer.is_input else _input_like(tensors[0])]
    return Sequential(
        [*first, *(clone(layer) for layer in model.layers)], trainable=model.trainable, name=model.name
    )


def _functional(model: Network, clone: Cloner, given: object, call_function: Any) -> Model:
    starts = map_structure(_input_like, model.input_structure) if given is None else given
    if not all(isinstance(t, SymbolicTensor) for t in flatten(starts)):
        raise ConfigError(f"input_tensors must hold symbolic tensors, got {given!r}")
    if not same(starts, model.input_structure):
        raise ConfigError("input_tensors must be nested as the inputs of the model are")
    tensors: dict[SymbolicTensor, SymbolicTensor] = dict(zip(model.inputs, flatten(starts), strict=True))
    operations: dict[Layer, Operation] = {}
    for call in model.graph_calls:
        if call.layer.is_input or call.outputs[0] in tensors:
            continue
        if call.layer.is_operation:
            layer: Layer = operations.setdefault(call.layer, call.layer.copy())
        else:
            layer = clone(call.layer)
        tensors |= zip(call.outputs, called_again(call, layer, tensors, call_function), strict=True)
    return Model(
        starts,
        map_structure(tensors.__getitem__, model.output_structure),
        name=model.name,
        trainable=model.trainable,
    )


def _compile_like(made: Network, model: Network) -> None:
    """Compile the clone as the model is, with a new optimizer and new metrics."""
    try:
        given = model.compiled_with
    except FoldnetError as error:
        warn(f"the clone of {model.name!r} is not compiled: {error}")
        return
    if given is None:
        return
    settings = {key: copy.deepcopy(value) for key, value in given.items()}
    optimizer = settings["optimizer"]
    if optimizer is not None and hasattr(optimizer, "steps"):
        optimizer.steps = 0
    made.compile(**settings)
