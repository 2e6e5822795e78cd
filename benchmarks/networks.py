"""The networks of Dense layers that are timed: the same code for Keras and for foldnet, with the same weights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
EPSILON = 1e-3


@dataclass(frozen=True)
class Network:
    """Dense layers one after the other.

    Attributes:
        units: numbers of inputs and of each layer's units.
        activation: of all layers but the last.
        last: activation of the last layer.
        normalized: whether each layer but the last is followed by BatchNormalization.
        dropout: rate of the Dropout before each BatchNormalization, in training.
    """

    units: tuple[int, ...]
    activation: str = "relu"
    last: str = "linear"
    normalized: bool = False
    dropout: float = 0.0

    @property
    def multiply_adds(self) -> int:
        """Of one row, in the products alone."""
        return sum(i * o for i, o in pairwise(self.units))

    @property
    def numbers(self) -> int:
        """How many weights and biases there are."""
        return sum((i + 1) * o for i, o in pairwise(self.units))


def layer_weights(network: Network, *, fresh: bool = False) -> list[list[Array]]:
    """For each Dense layer: kernel, bias, and with normalization gamma, beta, moving mean, moving variance.

    With ``fresh``, biases and normalization are as they are before a training.
    """
    rng = np.random.default_rng(7)
    found = []
    for k, (i, o) in enumerate(pairwise(network.units)):
        arrays = [rng.normal(size=(i, o)) / np.sqrt(i), rng.normal(size=o) * 0.3]
        if network.normalized and k < len(network.units) - 2:
            arrays += [rng.uniform(0.5, 1.5, o), *rng.normal(size=(2, o)), rng.uniform(0.3, 2, o)]
        if fresh:
            arrays = [arrays[0], np.zeros(o), np.ones(o), np.zeros(o), np.zeros(o), np.ones(o)][: len(arrays)]
        found.append([a.astype(np.float32) for a in arrays])
    return found


def build(library: Any, network: Network, *, fresh: bool = False) -> Any:
    """The network with the layers of ``library``: foldnet or Keras."""
    layers = library.layers
    made = [layers.Input((network.units[0],))]
    for units in network.units[1:-1]:
        made.append(layers.Dense(units, activation=network.activation))
        if network.dropout:
            made.append(layers.Dropout(network.dropout))
        if network.normalized:
            made.append(layers.BatchNormalization(epsilon=EPSILON))
    made.append(layers.Dense(network.units[-1], activation=network.last))
    model = library.Sequential(made)
    flat = iter([array for arrays in layer_weights(network, fresh=fresh) for array in arrays])
    for layer in model.layers:
        if layer.weights and type(layer).__name__ != "Dropout":
            layer.set_weights([next(flat) for _ in layer.get_weights()])
    return model


def random_rows(rows: int, *shape: int) -> Array:
    """Random rows, always the same."""
    return np.random.default_rng(1).normal(size=(rows, *shape)).astype(np.float32)


def as_installed() -> dict[str, str]:
    """The environment of a process that may keep its compiled bytecode, as pip compiles it for who installs."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
