"""Connections of layers: nested structures of tensors and shapes, the calls between them, and Keras's order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from foldnet.errors import ConfigError
from foldnet.layers.base import Layer
from foldnet.layers.input_layer import Input
from foldnet.layers.operation import mapped
from foldnet.layers.tensors import Call, Shape, SymbolicTensor
from foldnet.naming import unique_name
from foldnet.structure import flatten, map_structure, pack


def map_shapes(function: Callable[[Shape], Any], structure: Any) -> Any:
    """Apply a function to every shape in nested lists and dicts of them."""
    if isinstance(structure, Mapping):
        return {key: map_shapes(function, value) for key, value in structure.items()}
    if any(isinstance(n, list | tuple | Mapping) for n in structure):
        return [map_shapes(function, value) for value in structure]
    return function(tuple(structure))


def calls_between(inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]) -> list[Call]:
    """Every call needed for the outputs, operands first; raises ConfigError for a call that the inputs do not reach."""
    done: dict[Call, None] = {}
    stops = set(inputs)
    for tensor in inputs:
        if tensor.call is not None and not tensor.call.inputs:
            done[tensor.call] = None
    stack: list[tuple[SymbolicTensor, bool]] = [(t, False) for t in reversed(outputs)]
    while stack:
        tensor, ready = stack.pop()
        call = tensor.call
        if tensor in stops or call is None or call in done:
            continue
        if ready:
            done[call] = None
        elif not call.inputs:
            raise ConfigError(f"the network needs the input {tensor.name!r}, which is not among its inputs")
        else:
            stack.append((tensor, True))
            stack.extend((t, False) for t in reversed(call.operands))
    return list(done)


def entered_anew(inputs: object, outputs: object) -> tuple[Any, Any]:
    """Inputs and outputs of a network whose inputs are results of layers: each is replaced by an Input.

    As in Keras the layers between are called again, with the same weights.

    Args:
        inputs: nested symbolic tensors, any of them results of layers.
        outputs: likewise, reached from them.
    """
    given = flatten(inputs)
    if all(t.call is None or not t.call.inputs for t in given):
        return inputs, outputs
    known = {t: t if t.call is None or not t.call.inputs else _input_like(t) for t in given}
    for call in calls_between(given, flatten(outputs)):
        if call.outputs[0] not in known:
            known |= zip(call.outputs, called_again(call, call.layer, known), strict=True)
    return map_structure(known.__getitem__, inputs), map_structure(known.__getitem__, outputs)


def _input_like(tensor: SymbolicTensor) -> SymbolicTensor:
    return Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=unique_name("input_layer"))


def called_again(
    call: Call,
    layer: Layer,
    tensors: Mapping[SymbolicTensor, SymbolicTensor],
    call_function: Callable[..., Any] | None = None,
) -> list[SymbolicTensor]:
    """Repeat a call with other tensors and return its results.

    Args:
        call: the original call.
        layer: to call: the same layer or its clone.
        tensors: replacements for the tensors of the call.
        call_function: called as ``call_function(layer, *args, **kwargs)`` instead.
    """
    if layer.is_operation:
        return flatten(layer(*mapped(tensors.__getitem__, call.arguments)))
    inputs, *others = (given := call.arguments_with(tensors)).values()
    structure = getattr(call.layer, "input_structure", None)  # of a network
    if isinstance(inputs, list) and structure is not None:
        inputs = pack(structure, inputs)
    kwargs = {
        name: map_structure(lambda v: tensors[v] if isinstance(v, SymbolicTensor) else v, value)
        for name, value in call.kwargs.items()
    } | dict(zip([*given][1:], others, strict=True))
    return flatten(
        layer(inputs, **kwargs) if call_function is None else call_function(layer, inputs, **kwargs)
    )


def depths(calls: Sequence[Call]) -> tuple[dict[Call, int], dict[Layer, int]]:
    """How far each call, and each layer, is from the outputs at most."""
    depth: dict[Call, int] = {}
    layers: dict[Layer, int] = {}
    known = set(calls)
    for call in reversed(calls):
        depth[call] = layers[call.layer] = max(depth.get(call, 0), layers.get(call.layer, 0))
        for tensor in call.operands:
            if tensor.call is not None and tensor.call in known:
                depth[tensor.call] = max(depth.get(tensor.call, 0), depth[call] + 1)
    return depth, layers


def run_order(calls: Sequence[Call]) -> list[Call]:
    """Calls in the order in which Keras computes them: farthest from the outputs first, then the last found first."""
    depth, place = depths(calls)[0], {call: i for i, call in enumerate(calls)}
    return sorted(calls, key=lambda call: (-depth[call], -place[call]))


def keras_order(calls: Sequence[Call], outputs: Sequence[SymbolicTensor]) -> list[Layer]:
    """Layers in Keras's order: farthest from the outputs first, then in the order of a walk from the outputs.

    A layer that is called again counts at its farthest call, and so does everything that feeds any of its calls. Files
    number the groups of weights by this order, so it must be Keras's exactly.
    """
    layers, known = depths(calls)[1], set(calls)
    met: dict[Layer, int] = {}
    stack = [t.call for t in reversed(outputs)]
    seen: set[Call] = set()
    while stack:
        next_call = stack.pop()
        if next_call is None or next_call in seen or next_call not in known:
            continue
        seen.add(next_call)
        met.setdefault(next_call.layer, len(met))
        stack.extend(t.call for t in reversed(next_call.operands))
    # An input that no output needs is listed before all others of its depth.
    order = dict.fromkeys(call.layer for call in calls)
    return sorted(order, key=lambda layer: (-layers[layer], met.get(layer, -1)))
