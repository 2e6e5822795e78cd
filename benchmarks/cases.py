"""What is timed: networks of Dense layers, how many rows, and the ratios that are wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from networks import Array, Network, build, layer_weights, random_rows


@dataclass(frozen=True)
class Prediction:
    """A network that predicts so many rows in one call.

    Attributes:
        name: of the network, for display and ``--case``.
        network: its layers; None for a network that has other layers than Dense ones.
        rows: in a call.
        at_most: the wanted ratio of foldnet's time to the fastest peer's; None where none is.
    """

    name: str
    network: Network
    rows: int
    at_most: float | None = None

    @property
    def title(self) -> str:
        """The case in a line."""
        return f"{self.name}, {self.rows:,} {'row' if self.rows == 1 else 'rows'}"

    @property
    def operations(self) -> int:
        """Floating-point operations of a call: a multiply-add is two."""
        return 2 * self.network.multiply_adds * self.rows

    @property
    def bytes(self) -> int:
        """What a call reads and writes at least: weights, rows and results."""
        return 4 * (self.network.numbers + self.rows * (self.network.units[0] + self.network.units[-1]))

    def model(self) -> Any:
        """The network in foldnet."""
        import foldnet

        return build(foldnet, self.network)

    def x(self) -> Array:
        """The rows."""
        return random_rows(self.rows, self.network.units[0])


@dataclass(frozen=True)
class Training:
    """A network that is trained with Adam and the mean squared error.

    Attributes:
        name: of the network, for display and ``--case``.
        network: its layers.
        batch: rows of a step.
        steps: in an epoch.
        at_least: how many times foldnet's time the others must take: a peer's name, or ``fastest``.
    """

    name: str
    network: Network
    batch: int
    steps: int
    at_least: tuple[tuple[str, float], ...] = ()

    loss = "mse"

    @property
    def title(self) -> str:
        """The case in a line."""
        return f"{self.name}, batch {self.batch:,}"

    @property
    def operations(self) -> int:
        """Floating-point operations of a step: forward, and for the gradients of weights and of inputs."""
        return 6 * self.network.multiply_adds * self.batch

    @property
    def bytes(self) -> int:
        """What a step reads and writes at least: rows, targets, weights and both moments of Adam."""
        return 4 * (self.batch * (self.network.units[0] + self.network.units[-1]) + 6 * self.network.numbers)

    @cached_property
    def data(self) -> tuple[Array, Array]:
        """Random rows, and targets that depend on them."""
        rng, units = np.random.default_rng(0), self.network.units
        x = rng.normal(size=(self.batch * self.steps, units[0])).astype(np.float32)
        y = x @ rng.normal(size=(units[0], units[-1])) / units[0] ** 0.5
        return x, y.astype(np.float32)

    @property
    def without_dropout(self) -> Training | None:
        """The same without Dropout, whose losses are compared; None if it has none."""
        return replace(self, network=replace(self.network, dropout=0.0)) if self.network.dropout else None

    def started(self, library: Any) -> Any:
        """The network with its first weights, with the layers of foldnet or Keras."""
        return build(library, self.network, fresh=True)

    @property
    def start(self) -> list[list[Array]]:
        """The weights before the first step."""
        return layer_weights(self.network, fresh=True)


NARROW, MIDDLE, WIDE, LARGE = 0.4, 0.6, 1.0, 0.95
"""Wanted ratios, by the width of the network; LARGE for wide networks from 1,024 rows on."""

TABLE = Network((11, 10, 8, 6, 1), last="sigmoid")
NORMALIZED = Network((11, 10, 8, 6, 1), last="sigmoid", normalized=True)
_SMALL = (1, 32, 1_024, 10_000, 1_000_000)
_MIDDLE = (1, 32, 1_024, 100_000)
_GRID: tuple[tuple[str, Network, tuple[int, ...], float], ...] = (
    ("11-10-8-6-1", TABLE, _SMALL, NARROW),
    ("11-10-8-6-1 normalized", NORMALIZED, (1, 1_024, 1_000_000), NARROW),
    ("4-4-3", Network((4, 4, 3), last="softmax"), _SMALL, NARROW),
    ("20-64-64-1", Network((20, 64, 64, 1)), _MIDDLE, MIDDLE),
    ("64-128-128-10", Network((64, 128, 128, 10), last="softmax"), _MIDDLE, MIDDLE),
    ("784-512-512-10", Network((784, 512, 512, 10), last="softmax"), (1, 32, 1_024, 8_192), WIDE),
    ("2048-4096-1000", Network((2048, 4096, 1000), last="softmax"), (1, 32, 1_024, 2_048), WIDE),
)

PREDICTIONS = tuple(
    Prediction(name, network, rows, LARGE if wanted == WIDE and rows >= 1_024 else wanted)
    for name, network, all_rows, wanted in _GRID
    for rows in all_rows
)

_TANH = Network((4, 32, 16, 4), "tanh")
_MIDDLE_RELU = Network((64, 128, 128, 10))
_WIDE_RELU = Network((784, 512, 512, 10))
_FASTEST = (("Keras-JAX", 1.3), ("Keras-TF", 1.3), ("PyTorch", 1.3))
TRAININGS = (
    *(Training("4-32-16-4 tanh", _TANH, b, n) for b, n in ((128, 80), (1_024, 10), (10_000, 2), (16_384, 2))),
    Training(
        "11-10-8-6-1 normalized", Network((11, 10, 8, 6, 1), normalized=True, dropout=0.3), 32, 32,
        (("Keras-JAX", 200), ("JAX scan", 25)),
    ),
    Training("11-10-8-6-1", Network((11, 10, 8, 6, 1)), 32, 32),
    Training(
        "20-64-64-1 normalized", Network((20, 64, 64, 1), normalized=True, dropout=0.3), 32, 64,
        (("Keras-JAX", 25), ("JAX scan", 10)),
    ),
    Training("20-64-64-1", Network((20, 64, 64, 1)), 32, 64),
    Training("20-64-64-1", Network((20, 64, 64, 1)), 1_024, 8),
    Training("64-128-128-10", _MIDDLE_RELU, 128, 16),
    Training("64-128-128-10", _MIDDLE_RELU, 4_096, 2),
    *(Training("784-512-512-10", _WIDE_RELU, b, n, _FASTEST) for b, n in ((128, 8), (1_024, 2), (4_096, 2))),
)  # fmt: skip

ACTIVATIONS = (
    "relu", "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh",
    "leaky_relu", "linear", "log_sigmoid", "mish", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softplus",
    "softsign", "sparse_plus", "sparse_sigmoid", "squareplus", "tanh", "tanh_shrink",
)  # fmt: skip
"""Functions of one number without settings; relu is what the others are compared with."""

SLOWER = {"mish": 3.0, "gelu": 3.0}
"""How many times relu's step a step may take, where it is not twice."""


def activation_case(name: str) -> Training:
    """Two layers of 64 units with this activation."""
    return Training(f"16-64-64-1 {name}", Network((16, 64, 64, 1), name), 64, 64)
