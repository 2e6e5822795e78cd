"""Layers and networks called on arrays: computed at once, by the reference engine in float32."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from foldnet import regularizers
from foldnet.engines.reference import ReferenceProgram
from foldnet.engines.reference.train_kernels import Moment
from foldnet.engines.reference.training import forward
from foldnet.errors import InputError, UnsupportedError
from foldnet.graph import ops
from foldnet.graph.graph import Graph
from foldnet.graph.lower import Lowering, Mode, lower, lower_into, training_calls
from foldnet.layers.base import Layer
from foldnet.layers.input_layer import Input
from foldnet.layers.normalization import BatchNormalization
from foldnet.layers.tensors import Call, SymbolicTensor
from foldnet.network import Network, Sequential
from foldnet.predictor_inputs import read_inputs
from foldnet.random import random_seed

Array = np.ndarray[Any, Any]


def compute(layer: Layer, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    """What a layer or network gives for arrays.

    Args:
        layer: built for them if it is not built yet.
        inputs: an array-like, or for several inputs a list or dict of them; batch axis first.
        training: True drops in Dropout, uses batch statistics in BatchNormalization and moves the moving ones.
            None does so for those layers alone that the network itself calls with ``training=True``.
        mask: for a BatchNormalization, where values count in the statistics of a batch.

    Returns:
        A float32 array; a list or dict of them where a network has several outputs.

    Raises:
        InputError: not numbers, or shapes that do not fit.
        UnsupportedError: a mask for another layer.
    """
    if mask is not None and not isinstance(layer, BatchNormalization):
        raise UnsupportedError(f"layer {layer.name!r}: foldnet computes without masks here; leave mask out")
    if isinstance(layer, Network):
        build_for(layer, inputs)
        return _structured(layer, _run(layer, inputs, training))
    given = inputs if _are_several(inputs) else [inputs]
    arrays = [_numbers(layer, value) for value in given]
    arrays += [] if mask is None else [_numbers(layer, mask).astype(bool)]
    with _as_network(layer, arrays, mask is not None) as network:
        return _run(network, arrays if len(arrays) > 1 else arrays[0], training)[0]


def build_for(network: Network, x: Any) -> None:
    """Give a Sequential that has no input shape yet that of the data's rows.

    One that has its shape from data, and is not compiled, takes rows of another shape, too, if its layers do.
    """
    if not isinstance(network, Sequential) or (network.built and not network.shaped_by_data):
        return
    array = _numbers(network, x.to_numpy() if hasattr(x, "to_numpy") else x)
    shape = (None, *(array.shape[1:] if array.ndim > 1 else (1,)))
    if not network.built:
        network.build(shape)
        network.shaped_by_data = True
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


def _are_several(inputs: Any) -> bool:
    return isinstance(inputs, list | tuple) and any(hasattr(v, "__array__") and np.ndim(v) for v in inputs)


@contextmanager
def _as_network(layer: Layer, arrays: list[Array], masked: bool) -> Iterator[Network]:
    """The layer alone as a network, for as long as it takes; it forgets the call afterwards.

    The last array is the mask if ``masked``.
    """
    tensors = [
        Input(
            batch_shape=(None, *a.shape[1:]),
            dtype="int32" if a.dtype.kind in "iub" else "float32",
            name=f"x{i}",
        )
        for i, a in enumerate(arrays)
    ]
    data, mask = (tensors[:-1], tensors[-1]) if masked else (tensors, None)
    output = layer(data if len(data) > 1 else data[0], mask=mask)
    network = Network(name=layer.name)
    last: Call = layer.calls.pop()
    network.inputs, network.outputs = tensors, [output]
    network.graph_calls = [*(t.call for t in tensors if t.call is not None), last]
    network._layers = [layer]
    yield network


def _run(network: Network, x: Any, training: bool | None) -> list[Array]:
    """The results; what activity regularizers make of them is left at the layers, as in Keras."""
    layers = network.single_layers()
    for layer in layers:
        layer.activity_losses = []
    b = Lowering(Mode.TRAIN)
    # What the network itself calls with training=True is in training, too, unless this call says otherwise.
    if not training and (training is False or not training_calls(network)):
        if any(layer.activity_regularizer is not None for layer in layers):
            _train(b, network, x, False, Moment(training=False, seed=0))
        graph = lower(network, Mode.PREDICT)
        return ReferenceProgram(graph, "float32").run(read_inputs(x, graph, _keys(network)))
    values, moved = _train(b, network, x, bool(training), Moment(training=True, seed=random_seed()))
    for name, array in moved.items():
        layer, weight = b.variables[name]
        layer.set_weight(weight, array.reshape(layer.named_weights[weight].shape))
    return values


def _train(
    b: Lowering, network: Network, x: Any, training: bool, moment: Moment
) -> tuple[list[Array], dict[str, Array]]:
    """Results of the training program, and the statistics that it moves; keeps losses of results at their layers."""
    graph = b.build(lower_into(b, network, training=training))
    values = _values(graph, read_inputs(x, graph, _keys(network)))
    with np.errstate(all="ignore"):
        moved = forward(graph, values, moment, np.dtype(np.float32))
    for layer, name in b.activities:
        regularizer = regularizers.get(layer.activity_regularizer)
        if regularizer is not None:
            loss = regularizer(values[name]) / max(len(values[name]), 1)
            layer.activity_losses = [*layer.activity_losses, loss]
    return [values[name] for name in graph.outputs], moved


def _keys(network: Network) -> list[str]:
    structure = network.input_structure
    return sorted(structure) if isinstance(structure, Mapping) else network.input_names


def _values(graph: Graph, arrays: list[Array]) -> dict[str, Array]:
    values = {k: v if v.dtype.kind in "iu" else v.astype(np.float32) for k, v in graph.constants.items()}
    for name, array in zip(graph.inputs, arrays, strict=True):
        values[name] = array.astype(np.int32 if graph.types[name].dtype == ops.INT else np.float32)
    return values


def _structured(network: Network, results: list[Array]) -> Any:
    structure = network.output_structure
    if isinstance(structure, Mapping):
        return dict(zip(sorted(structure), results, strict=True))
    return results[0] if len(results) == 1 and isinstance(structure, SymbolicTensor) else results
