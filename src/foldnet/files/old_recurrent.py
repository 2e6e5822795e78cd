"""Weights of recurrent layers as Keras 1 and the layers of Keras 2 for GPUs stored them.

Keras 1 had a kernel, a recurrent kernel and a bias for each gate. Today each of them is one array with the gates side
by side. ``CuDNNLSTM`` and ``CuDNNGRU`` kept the numbers of each gate in the order of NVIDIA's library, where a kernel
is turned, and had a bias for the inputs and another for the state.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FileFormatError
from foldnet.files.hdf5 import Group
from foldnet.layers.base import Layer
from foldnet.layers.weight import WeightSpec

GATES = ("ifco", "zrh")
"""The letters of the gates in names of Keras 1, in the order in which today's weights have them: LSTM, GRU."""

CUDNN = {"LSTMCell": (4, 1), "GRUCell": (3, 2)}
"""The cells that compute the same as a CuDNN layer: their gates, and the number of axes that the bias then has."""

_OF_GATE = re.compile(r"(?P<weight>.*_[WUb])_(?P<gate>[ifcozrh])(?P<end>(_\d+)?(:\d+)?)")


def by_weight(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """For each of today's weights the stored ones that it is made of, in order.

    Args:
        names: of the stored weights of a layer of Keras 1.

    >>> by_weight(["a_W_z", "a_U_z", "a_W_r", "a_U_r", "a_W_h", "a_U_h", "d_W"])
    {'a_W': ('a_W_z', 'a_W_r', 'a_W_h'), 'a_U': ('a_U_z', 'a_U_r', 'a_U_h'), 'd_W': ('d_W',)}
    """
    gates: dict[str, dict[str, str]] = {}
    whole: dict[str, str] = {}
    for name in names:
        if found := _OF_GATE.fullmatch(name):
            whole[name] = f"{found['weight']}{found['end']}"
            gates.setdefault(whole[name], {})[found["gate"]] = name
    made: dict[str, tuple[str, ...]] = {}
    for name in names:
        parts = gates.get(whole.get(name, ""), {})
        order = next((order for order in GATES if set(order) == set(parts)), None)
        if order is None:
            made[name] = (name,)
        else:
            made[whole[name]] = tuple(parts[gate] for gate in order)
    return made


def joined(group: Group, names: Sequence[str], spec: WeightSpec) -> Array:
    """A weight of several gates, each stored alone.

    Raises:
        FileFormatError: a gate has another shape than the layer needs.
    """
    shape = (*spec.shape[:-1], spec.shape[-1] // len(names))
    return np.concatenate([group.array(name, shape) for name in names], axis=-1)


def check_bias(group: Group, name: str, layer: Layer, spec: WeightSpec) -> None:
    """Check that the bias of a GRU is the one that its ``reset_after`` needs.

    Raises:
        FileFormatError: it belongs to the other one.
    """
    if type(layer).__name__ != "GRUCell" or spec.name != "bias":
        return
    stored, units = group.shape(name), spec.shape[-1]
    after = stored in ((2, units), (2 * units,))
    if after != (len(spec.shape) == 2) and (after or stored == (units,)):
        raise FileFormatError(
            f"{layer.described()} has reset_after={not after}, and its weights in the file are those of "
            f"reset_after={after}: the bias has shape {stored}. Give the layer reset_after={after}"
        )


def cudnn_cells(stored: Iterable[tuple[tuple[int, ...], Layer, WeightSpec]]) -> set[Layer]:
    """The cells whose weights in a file are those of a CuDNN layer, which have a bias of twice the size.

    Args:
        stored: shape in the file, layer and place of each weight.
    """
    return {
        layer
        for shape, layer, spec in stored
        if spec.name == "bias"
        and (known := CUDNN.get(type(layer).__name__)) is not None
        and known[1] == len(spec.shape)
        and shape == (2 * spec.shape[-1],)
    }


def from_cudnn(group: Group, name: str, layer: Layer, spec: WeightSpec) -> Array:
    """A weight of a CuDNN layer in today's order.

    Raises:
        FileFormatError: it has another shape than the layer needs.
    """
    gates, axes = CUDNN[type(layer).__name__]
    if spec.name == "bias":
        both = group.array(name, (2 * spec.shape[-1],)).reshape(2, -1)
        return both if axes == 2 else both.sum(axis=0)
    parts = np.split(group.array(name, spec.shape), gates, axis=1)
    if spec.name == "recurrent_kernel":
        return np.hstack([part.T for part in parts])
    # The numbers of (features, units) are in the order of (units, features).
    return np.hstack([part.reshape(part.shape[::-1]).T for part in parts])


KERAS_1_SETTINGS: Mapping[str, str] = {
    "output_dim": "units",
    "init": "kernel_initializer",
    "inner_init": "recurrent_initializer",
    "forget_bias_init": "unit_forget_bias",
    "inner_activation": "recurrent_activation",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "b_regularizer": "bias_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
}
"""Settings of Keras 1's recurrent layers under today's names."""

SAME_AS_CUDNN: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "CuDNNLSTM": ("LSTM", {"activation": "tanh", "recurrent_activation": "sigmoid"}),
    "CuDNNGRU": ("GRU", {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True}),
}
"""Layers of Keras 2 that run on GPUs only: the layer and the settings that compute the same."""
