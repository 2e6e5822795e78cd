"""From a network to a graph: one program for one mode, made from the layers' own meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import UnsupportedError
from foldnet.graph.check import check, check_prediction
from foldnet.graph.graph import Graph, GraphBuilder
from foldnet.graph.op import FLOAT, INT
from foldnet.layers.base import Layer
from foldnet.layers.operation import Operation
from foldnet.layers.tensors import Call, SymbolicTensor
from foldnet.lowering.masks import Mask, Masks
from foldnet.network import Network
from foldnet.operations.structure.op import Cast
from foldnet.optional_inputs import Absent, is_optional

_CALL_NUMBER = re.compile(r"@\d+(?=/|$)")


class Mode(Enum):
    """Which of a network's two programs to make."""

    PREDICT = "predict"
    TRAIN = "train"


class Lowering(GraphBuilder):
    """What a layer emits its ops into.

    Args:
        mode: which of the two programs.
        stand_ins: layers to lower in place of others, such as the same layer with other statistics.
    """

    def __init__(self, mode: Mode, stand_ins: Mapping[Layer, Layer] | None = None) -> None:
        super().__init__()
        self.mode = mode
        self.stand_ins = stand_ins or {}
        self.variables: dict[str, tuple[Layer, str]] = {}
        self.streams = 0
        self.call_training: bool | None = None
        self.call_arguments: Mapping[str, Any] = {}
        """What the call that is being lowered was given beside its inputs."""
        self.call_masks: list[Mask | None] = []
        """The mask of each input of the call that is being lowered; see ``mask``."""
        self.output_masks: list[Mask | None] = []
        """The mask of each of the network's outputs."""
        self.activities: list[tuple[Layer, str]] = []
        """Results that a layer's ``activity_regularizer`` (or an ActivityRegularization) makes part of the loss."""

    def weights(self, layer: Layer) -> tuple[str, ...]:
        """The layer's weights as constants, in Keras's order."""
        return tuple(self.weight(layer, name) for name in layer.named_weights)

    def weight(self, layer: Layer, name: str, shape: tuple[int, ...] | None = None) -> str:
        """One weight as a constant, with axes of size 1 added or taken away if a shape is given.

        In a training program it is a variable: training changes it.
        """
        array = layer.named_weights[name]
        value = self.own(layer, name, array if shape is None else array.reshape(shape))
        elsewhere = any(key != value and owner == (layer, name) for key, owner in self.variables.items())
        if elsewhere and self.mode is Mode.TRAIN:
            raise UnsupportedError(
                f"layer {layer.name!r} is shared between inputs of different ranks; its {name} cannot be trained"
            )
        self.variables[value] = (layer, name)
        return value

    def mask(self, index: int = 0) -> str | None:
        """The mask that comes with an input of the call that is being lowered; None if it has none.

        Asking emits what computes it, so ask only where the mask moves the result.
        """
        found = self.call_masks[index] if index < len(self.call_masks) else None
        return None if found is None else found.value()

    def number(self, layer: Layer, name: str, value: float) -> str:
        """A number that belongs to a layer, for expressions; rounded to float32, as data is."""
        return self.own(layer, name, np.array(np.float32(value), np.float64))

    def random_stream(self) -> int:
        """A number of its own for each random op of a program, counted in the order of the calls."""
        self.streams += 1
        return self.streams - 1

    def own(self, layer: Layer, name: str, array: Array) -> str:
        """A constant that belongs to a layer; calls of a shared layer share it."""
        key = f"{_CALL_NUMBER.sub('', self.layer)}/{name}"
        kept = self.constants.get(key)
        if kept is not None and kept.shape == array.shape and np.array_equal(kept, array, equal_nan=True):
            return key
        return self.constant(key, array)

    def keep(self, layer: Layer, **arrays: Array) -> None:
        """Keep what a layer's constants were computed from beside them, for whoever writes the graph out.

        No node uses them, so the first pass that changes the graph drops them.
        """
        for name, array in arrays.items():
            self.own(layer, name, array)

    def float(self, value: str) -> str:
        """The value as floating point; most layers compute on nothing else."""
        return value if self.dtype(value) == FLOAT else self.emit(Cast(FLOAT), value)

    def fractions(self, layer: Layer, value: str) -> str:
        """The value as floating point, for a layer that Keras computes otherwise on whole numbers.

        Raises:
            UnsupportedError: the value is of whole numbers.
        """
        if self.dtype(value) == INT:
            raise UnsupportedError(
                f"layer {layer.name!r} ({type(layer).__name__}) is given whole numbers, and there Keras cuts its "
                "result or its settings to whole numbers, too, which foldnet does not. Give the network's Input "
                'the dtype "float32", or put a Rescaling(1.0) before the layer.'
            )
        return value

    def int(self, value: str) -> str:
        """The value as 32-bit indices."""
        return value if self.dtype(value) == INT else self.emit(Cast(INT), value)


Values = dict[SymbolicTensor, str | None]
"""The name of each tensor's value; None for that of an optional input that is absent."""


def lower(
    network: Network,
    mode: Mode = Mode.PREDICT,
    stand_ins: Mapping[Layer, Layer] | None = None,
    absent: Absent = frozenset(),
) -> Graph:
    """The network's program for a mode, checked; with ``stand_ins``, as if these layers were in others' places.

    Args:
        network: to lower.
        mode: which of its two programs.
        stand_ins: layers in place of others.
        absent: inputs that the program is without.

    Raises:
        UnsupportedError: a layer or setting that cannot be computed exactly in this mode.
    """
    b = Lowering(mode, stand_ins)
    graph = b.build(lower_into(b, network, absent=absent))
    (check_prediction if mode is Mode.PREDICT else check)(graph)
    return graph


def lower_into(
    b: Lowering, network: Network, training: bool | None = None, absent: Absent = frozenset()
) -> list[str]:
    """Emit a network's program; returns the names of its outputs. A training program goes on from there.

    Args:
        b: to emit into.
        network: to lower.
        training: what ``training=`` means to the calls in the network that do not say it; False rests what only
            learns in training, in a training program, too.
        absent: inputs that the program is without.
    """
    values: Values = {}
    masks = Masks(b)
    for tensor in network.inputs:
        is_there = tensor.name not in absent
        values[tensor] = b.input(tensor.name, (None, *tensor.shape[1:]), _kind(tensor)) if is_there else None
    _lower_calls(b, network, values, masks, training, prefix="")
    b.output_masks = masks.of(network.outputs)
    return _all_there(network.outputs, values, "an output of the network is")


def _all_there(tensors: Sequence[SymbolicTensor], values: Values, what: str) -> list[str]:
    """The values of tensors, of which none may be absent."""
    found = [value for value in (values[t] for t in tensors) if value is not None]
    if len(found) != len(tensors):
        gone = next(t for t in tensors if values[t] is None)
        raise UnsupportedError(
            f"{what} computed from the input {gone.name!r}, which is None; what may be absent is what is read as "
            "mask=, or as an argument of foldnet.ops that may be None"
        )
    return found


def _lower_calls(
    b: Lowering,
    network: Network,
    values: Values,
    masks: Masks,
    training: bool | None,
    prefix: str,
) -> None:
    seen: dict[Layer, int] = {}
    for call in network.graph_calls:
        index = seen.get(call.layer, 0)
        seen[call.layer] = index + 1
        if call.outputs[0] in values:
            continue  # an input, already named
        path = prefix + _numbered(call.layer, index)
        _check_call(call, path, b.mode)
        said = bool(call.kwargs["training"]) if call.kwargs.get("training") is not None else training
        b.layer = path
        given = masks.into(call, values)
        results: Sequence[str | None]
        if isinstance(call.layer, Network):
            inside = Masks(b, dict(zip(call.layer.inputs, given, strict=True)))
            results = _lower_nested(b, call, values, inside, said, path + "/")
            masks.known |= zip(call.outputs, inside.of(call.layer.outputs), strict=True)
        elif isinstance(call.layer, Operation):
            results = call.layer.lower_call(b, call, values)
        else:
            operands = _all_there(call.inputs, values, f"layer {path!r} is")
            b.call_training, b.call_masks, b.call_arguments = said, given, call.kwargs
            result = b.stand_ins.get(call.layer, call.layer).lower(b, *operands)
            results = (result,)
            if b.mode is Mode.TRAIN and call.layer.activity_regularizer is not None:
                b.activities.append((call.layer, result))
            masks.through(call, operands, given)
        if results[0] is not None:
            b.layer_outputs[path] = results[0]
        values.update(zip(call.outputs, results, strict=True))


def _lower_nested(
    b: Lowering, call: Call, outside: Values, masks: Masks, training: bool | None, prefix: str
) -> list[str | None]:
    inner = call.layer
    assert isinstance(inner, Network)
    required = [
        t for t, own in zip(call.inputs, inner.inputs, strict=True) if not (outside[t] or is_optional(own))
    ]
    _all_there(required, outside, f"the network {inner.name!r} is")
    values = {own: outside[t] for t, own in zip(call.inputs, inner.inputs, strict=True)}
    _lower_calls(b, inner, values, masks, training, prefix)
    return [values[t] for t in inner.outputs]


def call_name(network: Network, call: Call) -> str:
    """``layer``, or ``layer@1``, ``layer@2`` for further calls of a layer that the network shares."""
    same = [c for c in network.graph_calls if c.layer is call.layer]
    return _numbered(call.layer, same.index(call))


def _numbered(layer: Layer, index: int) -> str:
    return layer.name if index == 0 else f"{layer.name}@{index}"


def _kind(tensor: SymbolicTensor) -> str:
    if tensor.dtype.startswith(("int", "uint", "bool")):
        return INT
    if tensor.dtype not in ("float32", "float64"):
        raise UnsupportedError(
            f"the input {tensor.name!r} has dtype {tensor.dtype!r}, to which Keras rounds the data first; foldnet "
            "takes float32, float64 and whole numbers. Build the network with one of these."
        )
    return FLOAT


def _training_matters(layer: Layer) -> bool:
    if isinstance(layer, Network):
        return any(_training_matters(inner) for inner in layer.layers)
    return layer.training_matters()


def training_calls(network: Network) -> list[str]:
    """Names of the layers that the network itself calls with ``training=True``, where that changes what they do."""
    found = []
    for call in network.graph_calls:
        if call.kwargs.get("training") and _training_matters(call.layer):
            found.append(call.layer.name)
        elif isinstance(call.layer, Network):
            found += training_calls(call.layer)
    return found


def check_can_evaluate(network: Network) -> None:
    """Refuse to evaluate or validate where Keras's releases differ on what they compute.

    Raises:
        UnsupportedError: the network itself calls a layer with ``training=True``.
    """
    if found := training_calls(network):
        raise UnsupportedError(
            f"layer {found[0]!r} was called with training=True in the model itself. Keras's releases differ on whether "
            "evaluation and validation follow it (up to 3.15 they do not). Leave it out of the call, or fit without "
            "validation data and judge model(x)."
        )


def _check_call(call: Call, path: str, mode: Mode) -> None:
    layer = call.layer
    if not isinstance(layer, Network) and layer.dtype_policy != "float32":
        raise UnsupportedError(
            f"layer {path!r} computes with dtype policy {layer.dtype_policy!r}; foldnet computes in float32. "
            'Load the network with load_model(path, dtype="float32") to compute it so, and compare.'
        )
    if mode is Mode.PREDICT and call.kwargs.get("training") and _training_matters(layer):
        raise UnsupportedError(
            f"layer {path!r} was called with training=True in the model itself, so its prediction is random or "
            "depends on the batch, and Keras releases differ on what they compute. Remove it from the call; or call "
            "the model itself on arrays, model(x), which follows it in all of them."
        )
