"""The network that an estimator's settings describe, and its checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from foldnet import initializers, layers, regularizers
from foldnet.arrays import Array
from foldnet.errors import ConfigError
from foldnet.layers.base import Layer
from foldnet.sequential import Sequential


@dataclass(frozen=True)
class Design:
    """The settings that determine a network's layers; fits with equal designs can continue with the same network.

    Attributes:
        features: number of columns.
        outputs: units of the last Dense layer.
        last: activation after it, as a separate layer, so that the values before it are available; None for none.
        hidden: units of each hidden layer.
    """

    features: int
    outputs: int
    last: str | None
    hidden: tuple[int, ...]
    activation: Any
    dropout: float
    normalization: str | None
    normalization_place: str
    normalization_momentum: float
    input_normalization: bool
    l2: float

    def build(self, statistics: tuple[Array, Array], generator: np.random.RandomState) -> Sequential:
        """A new network, its weights drawn from the generator.

        Layers have explicit names, so that networks built in several threads are equal.

        Args:
            statistics: mean and variance of each column, for the normalization of the input.
            generator: for the random weights.
        """
        stack: list[Any] = [layers.Input((self.features,), name="columns")]
        if self.input_normalization:
            stack.append(layers.Normalization(name="scale"))
        for number, units in enumerate(self.hidden, start=1):
            stack += self._block(number, units, generator)
        stack.append(self._dense(self.outputs, "output", generator))
        if self.last is not None:
            stack.append(layers.Activation(self.last, name=self.last))
        network = Sequential(stack, name="network")
        if self.input_normalization:
            scale = network.get_layer("scale")
            scale.set_weight("mean", statistics[0])
            scale.set_weight("variance", statistics[1])
        return network

    def _block(self, number: int, units: int, generator: np.random.RandomState) -> list[Layer]:
        """Dense, then normalization and activation in the requested order, then Dropout.

        Dropout is never right before a BatchNormalization: it would change the variance that is learned.
        """
        batch = self.normalization == "batch"
        before = self.normalization_place == "before"
        # BatchNormalization subtracts the bias again, so it is not needed.
        dense = self._dense(units, f"dense_{number}", generator, use_bias=not (batch and before))
        activation = layers.Activation(self.activation, name=f"activation_{number}")
        block: list[Layer] = [dense, activation]
        if self.normalization is not None:
            name = f"{self.normalization}_norm_{number}"
            norm: Layer = (
                layers.BatchNormalization(momentum=self.normalization_momentum, name=name)
                if batch
                else layers.LayerNormalization(name=name)
            )
            block = [dense, norm, activation] if before else [dense, activation, norm]
        if self.dropout:
            block.append(layers.Dropout(self.dropout, name=f"dropout_{number}"))
        return block

    def _dense(self, units: int, name: str, generator: np.random.RandomState, use_bias: bool = True) -> Layer:
        # The seed is explicit, so that fits in several threads do not share a generator.
        start = initializers.GlorotUniform(seed=new_seed(generator))
        penalty = regularizers.L2(self.l2) if self.l2 else None
        return layers.Dense(
            units, use_bias=use_bias, kernel_initializer=start, kernel_regularizer=penalty, name=name
        )


def new_seed(generator: np.random.RandomState) -> int:
    """A seed from an estimator's own generator."""
    return int(generator.randint(2**31 - 1))


def column_statistics(x: Array, weight: Array | None) -> tuple[Array, Array]:
    """Mean and variance of each column, as ``StandardScaler`` computes them.

    A column whose values are all the same gets the variance 1: it has no information, and dividing by almost 0 would
    make the first different value huge.
    """
    rows = x.astype(np.float64)
    mean = np.average(rows, axis=0, weights=weight)
    variance = np.average(np.square(rows - mean), axis=0, weights=weight)
    # Rounding of the mean alone can give this value, so it is not a variance.
    noise = np.square(mean * len(rows) * np.finfo(np.float64).eps)
    return mean, np.where(variance <= noise, 1.0, variance)


def batch_size_without_single_row(rows: int, size: int) -> int:
    """The batch size, or the next larger one that does not leave a single row in the last batch.

    One row has no variance for a BatchNormalization to learn from.
    """
    while 1 < size < rows and rows % size == 1:
        size += 1
    return size


def _count(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= 1


def _number(value: Any, low: float, high: float) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and low <= float(value) < high


def _sizes(value: Any) -> bool:
    try:
        return all(_count(units) for units in value)
    except TypeError:
        return False


CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "hidden_layer_sizes": (_sizes, "a tuple of whole numbers of at least 1, one a hidden layer, such as (64, 32)"),
    "dropout": (lambda v: _number(v, 0, 1), "a number from 0 up to, but not including, 1"),
    "normalization": (lambda v: v in (None, "batch", "layer"), "None, 'batch' or 'layer'"),
    "normalization_place": (lambda v: v in ("before", "after"), "'before' or 'after' (the activation)"),
    "normalization_momentum": (lambda v: _number(v, 0, 1), "a number from 0 up to, but not including, 1"),
    "l2": (lambda v: _number(v, 0, np.inf), "a number of at least 0"),
    "batch_size": (_count, "a whole number of at least 1"),
    "epochs": (_count, "a whole number of at least 1"),
    "patience": (_count, "a whole number of at least 1"),
    "min_delta": (lambda v: _number(v, 0, np.inf), "a number of at least 0"),
    "validation_fraction": (
        lambda v: _number(v, np.nextafter(0, 1), 1), "a number between 0 and 1, both excluded",
    ),
}  # fmt: skip
"""For each setting of an estimator a check, and what it accepts."""


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse settings with which no network can be trained.

    Raises:
        ConfigError: naming the setting, its value, and what it accepts.
    """
    for name, (accepts, expected) in CHECKS.items():
        if not accepts(settings[name]):
            raise ConfigError(f"{name} must be {expected}; got {settings[name]!r}")
