"""Layers and networks called on arrays: computed immediately, by the reference engine in float32."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from foldnet import regularizers
from foldnet.arrays import Array
from foldnet.engines.reference import ReferenceProgram
from foldnet.engines.reference.training import forward
from foldnet.errors import InputError, UnsupportedError
from foldnet.graph.check import check, check_prediction
from foldnet.graph.graph import Graph
from foldnet.graph.op import INT
from foldnet.graph.texts import as_texts
from foldnet.layers.base import Layer
from foldnet.layers.input_layer import Input
from foldnet.layers.tensors import Call, SymbolicTensor
from foldnet.lowering.lower import Lowering, Mode, lower_into, training_calls
from foldnet.network import Network
from foldnet.operations.kernels import StepContext
from foldnet.optional_inputs import Absent, absent_of, present
from foldnet.random import random_seed
from foldnet.sequential import Sequential
from foldnet.structure import flatten, is_nested, map_structure, pack


class ArrayWithMask(Array):
    """A layer's result that carries a mask, which the next layer called on it reads.

    Attributes:
        _keras_mask: the boolean mask, under Keras's name. Arrays computed from this one have no mask.
    """

    _keras_mask: Array | None = None


def compute(
    layer: Layer,
    inputs: Any,
    training: bool | None = None,
    mask: Any = None,
    others: Mapping[str, Any] | None = None,
    **own: Any,
) -> Any:
    """Compute a layer or network on arrays.

    Args:
        layer: it is built for these shapes if it is not built yet.
        inputs: an array-like, or for several inputs a list or dict of them; batch axis first.
        training: True applies Dropout, uses batch statistics in BatchNormalization and updates the moving ones.
            None does so only in layers that the network calls with ``training=True``.
        mask: True where values count, one mask per input; None uses those that earlier layers attached.
        others: further arguments of the layer's call that are arrays or lists of them.
        own: its other arguments.

    Returns:
        A float32 array, or a list or dict of them if a network has several outputs. A mask is its attribute
        ``_keras_mask``.

    Raises:
        InputError: the inputs are not numbers, or their shapes do not fit.
        ConfigError: a mask has a wrong shape.
        UnsupportedError: a mask was given to a layer that takes none in Keras.
    """
    if mask is not None and not layer.takes_mask:
        raise UnsupportedError(
            f"layer {layer.name!r}: a {type(layer).__name__} computes without a mask; leave mask out (one that an "
            "earlier layer made, such as Masking, goes along by itself)"
        )
    masks = _masks(inputs, mask)
    if isinstance(layer, Network):
        build_for(layer, inputs)
        if masks is None:
            return structured(layer, _run(layer, inputs, training))
    given = inputs if _are_several(inputs) else [inputs]
    arrays = [_values_of(layer, value) for value in given]
    fitted = _fitted(layer, arrays, masks)
    more = map_structure(lambda value: _numbers(layer, value), _with_masks(layer, others or {}))
    with _as_network(layer, arrays, fitted, more, own) as network:
        fed = [*arrays, *flatten(more), *(m for m in fitted if m is not None)]
        results = _run(network, fed if len(fed) > 1 else fed[0], training)
    if isinstance(layer, Network):
        return structured(layer, results)
    return layer.packed(results)


def compute_mask(layer: Layer, inputs: Any, mask: Any = None) -> Any:
    """The output mask of a layer for arrays.

    Raises:
        InputError: the mask depends on the values of a symbolic tensor.
    """
    given = inputs if isinstance(inputs, list | tuple) and isinstance(mask, list | tuple) else [inputs]
    several = mask if isinstance(mask, list | tuple) else [mask] * len(given)
    if not layer.output_mask(*(m is not None for m in several)):
        return None
    b = Lowering(Mode.PREDICT)
    fed: dict[str, Array] = {}

    def enter(value: Any, name: str) -> str:
        if isinstance(value, SymbolicTensor):
            return b.input(name, value.shape)
        array = _numbers(layer, value)
        name = b.input(name, (None, *array.shape[1:]))
        fed[name] = array.astype(np.float32)
        return name

    names = [enter(x, f"x{i}") for i, x in enumerate(given)]
    masks = [
        None if m is None else enter(np.asarray(m).astype(bool), f"mask{i}") for i, m in enumerate(several)
    ]
    graph = b.build([layer.lower_mask(b, names, masks)])
    if unknown := {v for node in graph.nodes for v in node.inputs} & (set(graph.inputs) - set(fed)):
        raise InputError(
            f"layer {layer.name!r}: compute_mask was given {len(unknown)} symbolic tensors, whose mask depends on "
            "their values; call it on arrays (a network follows masks by itself)"
        )
    rows = [fed.get(name, np.zeros(0, np.float32)) for name in graph.inputs]
    return ReferenceProgram(graph, "float32").run(rows)[0].astype(bool)


def _with_masks(layer: Layer, others: Mapping[str, Any]) -> dict[str, Any]:
    """Further arguments, and the masks that earlier layers attached to them, if the layer has arguments for those."""
    own = {f"{name}_mask": getattr(value, "_keras_mask", None) for name, value in others.items()}
    return {k: v for k, v in own.items() if v is not None and k in layer.tensor_arguments} | dict(others)


def _masks(inputs: Any, mask: Any) -> list[Any] | None:
    """The mask of each input, or None if there are none."""
    several = _are_several(inputs)
    if mask is None:
        found = [getattr(x, "_keras_mask", None) for x in (inputs if several else [inputs])]
    else:
        found = list(mask) if several and isinstance(mask, list | tuple) else [mask]
    return None if all(m is None for m in found) else found


def _fitted(layer: Layer, arrays: list[Array], masks: list[Any] | None) -> list[Array | None]:
    """Masks with as many rows as the arrays; Softmax takes any mask that broadcasts to its input."""
    found: list[Array | None] = []
    for x, mask in zip(arrays, masks or (), strict=False):
        array = None if mask is None else _numbers(layer, mask)
        if array is not None and layer.spreads_mask:
            layer.check_mask(array.shape, x.shape)
            array = np.broadcast_to(array, np.broadcast_shapes(array.shape, x.shape))
        if array is not None and len(array) == 1 and len(x) != 1:
            array = np.repeat(array, len(x), axis=0)
        found.append(array)
    return found


def build_for(network: Network, x: Any) -> None:
    """Build a Sequential without an input shape for the shape of the data's rows.

    One that got its shape from data and is not compiled is rebuilt for rows of another shape.
    """
    if not isinstance(network, Sequential) or (network.built and not network.shaped_by_data):
        return
    texts = as_texts(x)
    array = _numbers(network, x.to_numpy() if hasattr(x, "to_numpy") else x) if texts is None else texts
    shape = (None, *(array.shape[1:] if array.ndim > 1 else (1,)))
    if not network.built:
        network.build_for_rows(shape, texts=texts is not None)
    elif shape != network.inputs[0].shape and not network.compiled:
        network.rebuild(shape)


def _numbers(layer: Layer, value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.ndim == 0:
        raise InputError(
            f"layer {layer.name!r} was called on {type(value).__name__}; layers are called on the result of "
            "Input(...) or of another layer, or on arrays of numbers whose first axis is the batch"
        )
    return array


def _values_of(layer: Layer, value: Any) -> Array:
    """Numbers, or for layers that take them texts, as objects."""
    texts = as_texts(value) if layer.takes_texts else None
    return _numbers(layer, value) if texts is None or texts.ndim == 0 else texts


def _are_several(inputs: Any) -> bool:
    return isinstance(inputs, list | tuple) and any(hasattr(v, "__array__") and np.ndim(v) for v in inputs)


@contextmanager
def _as_network(
    layer: Layer,
    arrays: list[Array],
    masks: list[Array | None],
    others: Mapping[str, Any],
    own: Mapping[str, Any],
) -> Iterator[Network]:
    """The layer alone as a temporary network; the call is not kept in the layer.

    Its inputs are those of the layer, those of its further arguments, and the masks that are given.
    """

    def entering(array: Array, name: str) -> SymbolicTensor:
        dtype = "string" if array.dtype.kind == "O" else "int32" if array.dtype.kind in "iub" else "float32"
        return Input(batch_shape=(None, *array.shape[1:]), dtype=dtype, name=name)

    data = [entering(a, f"x{i}") for i, a in enumerate(arrays)]
    mask = [None if m is None else entering(m, f"mask{i}") for i, m in enumerate(masks)]
    named = {"mask": mask if len(data) > 1 else mask[0]} if any(m is not None for m in mask) else {}
    count = itertools.count()
    more = map_structure(lambda a: entering(a, f"more{next(count)}"), others)
    result = layer(data if len(data) > 1 else data[0], **more, **named, **own)
    network = Network(name=layer.name)
    last: Call = layer.calls.pop()
    network.inputs = [*data, *flatten(more), *(m for m in mask if m is not None)]
    network.outputs = flatten(result)
    network.graph_calls = [*(t.call for t in network.inputs if t.call is not None), last]
    network._layers = [layer]
    yield network


def _run(network: Network, x: Any, training: bool | None) -> list[Array]:
    """The results; losses of activity regularizers are stored in ``layer.activity_losses``."""
    from foldnet.predictor.inputs import read_inputs  # here, because a fit does not need the predictor

    layers = [inner for layer in network.single_layers() for inner in layer.with_inner_layers]
    for layer in layers:
        layer.activity_losses = []
    # Layers that the network calls with training=True train unless this call says training=False.
    learns = training or (training is None and bool(training_calls(network)))
    b = Lowering(Mode.TRAIN if learns else Mode.PREDICT)
    entries, absent = present_inputs(network, x)
    outputs = lower_into(b, network, training=bool(training) if learns else None, absent=absent)
    masks = [None if m is None else m.value() for m in b.output_masks]
    graph = b.build([*outputs, *(m for m in masks if m is not None)])
    (check if learns else check_prediction)(graph)
    arrays = read_inputs(entries, graph, [t.name for t in present(network, absent)])
    if not learns:
        values = dict(zip(graph.outputs, ReferenceProgram(graph, "float32").run(arrays), strict=True))
        if any(layer.activity_regularizer is not None for layer in layers):
            train = Lowering(Mode.TRAIN)
            trained = train.build(lower_into(train, network, training=False, absent=absent))
            _keep_losses(train, trained, arrays, StepContext(training=False, seed=0))
    else:
        values, moved = _keep_losses(b, graph, arrays, StepContext(training=True, seed=random_seed()))
        for name, array in moved.items():
            layer, weight = b.variables[name]
            layer.set_weight(weight, array.reshape(layer.named_weights[weight].shape))
    return [
        values[name] if mask is None else _with_mask(values[name], values[mask])
        for name, mask in zip(outputs, masks, strict=True)
    ]


def _keep_losses(
    b: Lowering, graph: Graph, arrays: list[Array], moment: StepContext
) -> tuple[dict[str, Array], dict[str, Array]]:
    """All values of a training program, and its updated statistics; stores the layers' activity losses."""
    values = _values(graph, arrays)
    with np.errstate(all="ignore"):
        moved = forward(graph, values, moment, np.dtype(np.float32))
    for layer, name in b.activities:
        regularizer = regularizers.get(layer.activity_regularizer)
        if regularizer is not None:
            loss = regularizer(values[name]) / max(len(values[name]), 1)
            layer.activity_losses = [*layer.activity_losses, loss]
    return values, moved


def _with_mask(array: Array, mask: Array) -> Array:
    masked = array.view(ArrayWithMask)
    masked._keras_mask = mask != 0
    return masked


def present_inputs(network: Network, x: Any) -> tuple[Any, Absent]:
    """The data of the inputs that are given, and the names of the optional inputs for which x has None.

    A last axis of size 1 is added or removed to match the input, as Keras does.

    Args:
        network: whose inputs these are.
        x: as ``Network.arrange`` returns it.

    Raises:
        InputError: None for an input that is not optional.
    """
    given = [x] if len(network.inputs) == 1 else x
    absent = absent_of(network, given)
    found = [
        _ranked(v, len(t.shape), t.shape[-1])
        for v, t in zip(given, network.inputs, strict=True)
        if t.name not in absent
    ]
    return (found[0] if len(found) == 1 else found), absent


def _ranked(value: Any, rank: int, last: int | None) -> Any:
    if not hasattr(value, "shape"):
        return value
    array = value.to_numpy() if hasattr(value, "to_numpy") else value
    if len(array.shape) == rank + 1 and array.shape[-1] == 1:
        return np.asarray(array)[..., 0]
    if len(array.shape) == rank - 1 and last == 1:
        return np.asarray(array)[..., None]
    return array


def _values(graph: Graph, arrays: list[Array]) -> dict[str, Array]:
    values = {k: v if v.dtype.kind in "iu" else v.astype(np.float32) for k, v in graph.constants.items()}
    for name, array in zip(graph.inputs, arrays, strict=True):
        values[name] = array.astype(np.int32 if graph.types[name].dtype == INT else np.float32)
    return values


def structured(network: Network, results: list[Any]) -> Any:
    """Pack a list of results into the structure of the network's outputs."""
    structure = network.output_structure
    if not is_nested(structure) or (isinstance(structure, list | tuple) and len(results) == 1):
        return results[0]
    return pack(structure, results)
