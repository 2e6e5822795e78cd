"""Calls made again on other tensors: of clones, and of the layers themselves where a Model begins between layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from foldnet.layers.base import Layer
from foldnet.layers.input_layer import Input, InputLayer
from foldnet.layers.naming import unique_name
from foldnet.layers.operation import Operation, mapped
from foldnet.layers.tensors import Call, SymbolicTensor
from foldnet.network import Network
from foldnet.structure import flatten, map_structure

Tensors = dict[SymbolicTensor, SymbolicTensor]


def call_again(
    calls: Iterable[Call],
    tensors: Tensors,
    layer_of: Callable[[Layer], Layer] = lambda layer: layer,
    call_function: Callable[..., Any] | None = None,
) -> None:
    """Make calls on other tensors, and note which result stands for which.

    Args:
        calls: operands first.
        tensors: what stands for the tensors that are known; those of the results are added.
        layer_of: the layer that stands for a layer.
        call_function: called as ``call_function(layer, inputs, **kwargs)`` instead of the layer.
    """
    operations: dict[Layer, Operation] = {}
    for call in calls:
        if isinstance(call.layer, InputLayer) or call.outputs[0] in tensors:
            continue
        if isinstance(call.layer, Operation):
            copy_of = operations.setdefault(call.layer, call.layer.copy())
            copy_of(*mapped(tensors.__getitem__, call.arguments))
            tensors |= dict(zip(call.outputs, copy_of.calls[-1].outputs, strict=True))
            continue
        layer, inputs, kwargs = layer_of(call.layer), _inputs(call, tensors), _kwargs(call, tensors)
        result = layer(inputs, **kwargs) if call_function is None else call_function(layer, inputs, **kwargs)
        tensors |= dict(zip(call.outputs, flatten(result), strict=True))


def _inputs(call: Call, tensors: Tensors) -> Any:
    given = [tensors[t] for t in call.inputs]
    if isinstance(call.layer, Network) and len(given) > 1:
        taken = dict(zip(call.layer.inputs, given, strict=True))
        return map_structure(taken.__getitem__, call.layer.input_structure)
    return given if len(given) > 1 else given[0]


def _kwargs(call: Call, tensors: Tensors) -> dict[str, Any]:
    return {
        name: map_structure(lambda v: tensors[v] if isinstance(v, SymbolicTensor) else v, value)
        for name, value in call.kwargs.items()
    }


def with_inputs_of_its_own(calls: Iterable[Call], inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """Inputs and outputs of a Model that begins at results of layers, with an ``Input`` in the place of each of those.

    Keras does the same: the layers are called once more, and a Model's inputs are always those of input layers.

    Args:
        calls: between inputs and outputs, operands first.
        inputs: one symbolic tensor, or a list or dict of them.
        outputs: likewise.
    """
    tensors: Tensors = {t: _entry(t) for t in flatten(inputs)}
    call_again(calls, tensors)
    return map_structure(tensors.__getitem__, inputs), map_structure(lambda t: tensors.get(t, t), outputs)


def _entry(tensor: SymbolicTensor) -> SymbolicTensor:
    if tensor.call is not None and not tensor.call.inputs:
        return tensor  # it is what Input gives
    return Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=unique_name(f"{tensor.name}_input"))
