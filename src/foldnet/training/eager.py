"""Layers and networks called on arrays: computed at once, by the reference engine in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from foldnet.engines.reference import ReferenceProgram
from foldnet.engines.reference.train_kernels import Moment
from foldnet.engines.reference.training import forward
from foldnet.errors import InputError, UnsupportedError
from foldnet.graph import ops
from foldnet.graph.graph import Graph
from foldnet.graph.lower import Lowering, Mode, lower, lower_into, training_calls
from foldnet.layers.base import Layer
from foldnet.layers.core import Input
from foldnet.layers.normalization import BatchNormalization
from foldnet.layers.tensors import Call
from foldnet.network import Network, Sequential
from foldnet.predictor_inputs import read_inputs
from foldnet.random import random_seed
from foldnet.structure import is_nested, pack

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
        return structured(layer, _run(layer, inputs, training))
    given = inputs if _are_several(inputs) else [inputs]
    arrays = [_numbers(layer, value) for value in given]
    arrays += [] if mask is None else [_numbers(layer, mask).astype(bool)]
    with _as_network(layer, arrays, mask is not None) as network:
        return _run(network, arrays if len(arrays) > 1 else arrays[0], training)[0]


def build_for(network: Network, x: Any) -> None:
    """Give a Sequential that has no input shape yet that of the data's rows."""
    if network.built or not isinstance(network, Sequential):
        return
    array = _numbers(network, x.to_numpy() if hasattr(x, "to_numpy") else x)
    network.build((None, *(array.shape[1:] if array.ndim > 1 else (1,))))


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
    # What the network itself calls with training=True is in training, too, unless this call says otherwise.
    if not training and (training is False or not training_calls(network)):
        graph = lower(network, Mode.PREDICT)
        return ReferenceProgram(graph, "float32").run(
            read_inputs(ranked(network, x), graph, network.input_names)
        )
    b = Lowering(Mode.TRAIN)
    graph = b.build(lower_into(b, network, training=bool(training)))
    values = _values(graph, read_inputs(ranked(network, x), graph, network.input_names))
    with np.errstate(all="ignore"):
        moved = forward(graph, values, Moment(training=True, seed=random_seed()), np.dtype(np.float32))
    for name, array in moved.items():
        layer, weight = b.variables[name]
        layer.set_weight(weight, array.reshape(layer.named_weights[weight].shape))
    return [values[name] for name in graph.outputs]


def ranked(network: Network, x: Any) -> Any:
    """Data for the inputs, each with a last axis of size 1 more or less where its input has, as Keras adjusts it."""
    if len(network.inputs) == 1:
        return _ranked(x, len(network.inputs[0].shape), network.inputs[0].shape[-1])
    return [_ranked(v, len(t.shape), t.shape[-1]) for v, t in zip(x, network.inputs, strict=True)]


def _ranked(value: Any, rank: int, last: int | None) -> Any:
    if value is None or not hasattr(value, "shape"):
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
        values[name] = array.astype(np.int32 if graph.types[name].dtype == ops.INT else np.float32)
    return values


def structured(network: Network, results: list[Any]) -> Any:
    """Results in the structure of the network's outputs."""
    structure = network.output_structure
    if not is_nested(structure) or (isinstance(structure, list | tuple) and len(results) == 1):
        return results[0]
    return pack(structure, results)
