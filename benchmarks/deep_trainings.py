"""Convolutional and recurrent networks that are trained: the same code for Keras and for foldnet, the same weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from networks import Array, random_rows


def lenet(library: Any) -> Any:
    """LeNet-5 on images of 28 by 28: two convolutions with pooling, three Dense layers."""
    layers = library.layers
    return library.Sequential([
        layers.Input((28, 28, 1)),
        layers.Conv2D(6, 5, padding="same", activation="tanh"), layers.AveragePooling2D(2),
        layers.Conv2D(16, 5, activation="tanh"), layers.AveragePooling2D(2), layers.Flatten(),
        layers.Dense(120, activation="tanh"), layers.Dense(84, activation="tanh"),
        layers.Dense(10, activation="softmax"),
    ])  # fmt: skip


SMALL, LARGE = (16, 16, 32, 32, 32), (32, 32, 64, 64, 64)
"""Filters of the convolutions over windows of a sensor's steps."""


def small_windows(library: Any) -> Any:
    """Five normalized convolutions with few filters."""
    return _windows(library, SMALL)


def large_windows(library: Any) -> Any:
    """The same with twice as many."""
    return _windows(library, LARGE)


def _windows(library: Any, all_filters: tuple[int, ...]) -> Any:
    """Normalized convolutions of 5 steps on windows of 128 steps with 9 numbers."""
    layers = library.layers
    made = [layers.Input((128, 9))]
    for filters in all_filters:
        made += [layers.Conv1D(filters, 5, padding="same", activation="relu"), layers.BatchNormalization()]
    made += [layers.GlobalAveragePooling1D(), layers.Dense(6, activation="softmax")]
    return library.Sequential(made)


def lstm(library: Any) -> Any:
    """An LSTM of 32 units over 100 steps of 8 numbers."""
    layers = library.layers
    return library.Sequential([layers.Input((100, 8)), layers.LSTM(32), layers.Dense(1)])


def first_weights(shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """Random kernels that keep values near 1; vectors keep what a layer begins with: they are None here."""
    rng = np.random.default_rng(3)
    return [(rng.normal(size=s) * np.sqrt(1 / np.prod(s[:-1]))).astype(np.float32) for s in shapes]


@dataclass(frozen=True)
class DeepTraining:
    """A network that is trained with Adam.

    Attributes:
        name: of the network, for display and ``--case``.
        build: makes it with the layers of a library.
        shape: of a row.
        classes: so many, with the sparse crossentropy; None for a number, with the mean squared error.
        batch: rows of a step.
        steps: in an epoch.
        multiply_adds: of a row, in the products alone.
        at_least: how many times foldnet's time each of the others must take.
    """

    name: str
    build: Callable[[Any], Any]
    shape: tuple[int, ...]
    classes: int | None
    batch: int
    steps: int
    multiply_adds: int
    at_least: tuple[tuple[str, float], ...]

    without_dropout = None
    """It has none, so that its own losses are compared."""

    @property
    def title(self) -> str:
        """The case in a line."""
        return f"{self.name}, batch {self.batch:,}"

    @property
    def loss(self) -> str:
        """Keras's name of the loss."""
        return "mse" if self.classes is None else "sparse_categorical_crossentropy"

    @property
    def operations(self) -> int:
        """Floating-point operations of a step: forward, and for the gradients of weights and of inputs."""
        return 6 * self.multiply_adds * self.batch

    @property
    def bytes(self) -> int:
        """What a step reads at least: its rows."""
        return 4 * self.batch * int(np.prod(self.shape))

    @cached_property
    def data(self) -> tuple[Array, Array]:
        """Random rows, and targets that depend on them."""
        x = random_rows(self.batch * self.steps, *self.shape)
        flat = x.reshape(len(x), -1)
        y = flat @ random_rows(flat.shape[1], self.classes or 1) / np.sqrt(flat.shape[1])
        return x, y.astype(np.float32) if self.classes is None else y.argmax(1).astype(np.int32)

    def started(self, library: Any) -> Any:
        """The network with its first weights: the same kernels in all libraries, all else as Keras begins it."""
        model = self.build(library)
        kernels = [w for w in model.trainable_weights if len(w.shape) > 1]
        for weight, value in zip(kernels, first_weights([tuple(w.shape) for w in kernels]), strict=True):
            weight.assign(value)
        return model


def _at_least(times: float) -> tuple[tuple[str, float], ...]:
    return tuple((name, times) for name in ("Keras-JAX", "Keras-TF", "PyTorch"))


_LENET = 28 * 28 * 25 * 6 + 10 * 10 * 150 * 16 + 400 * 120 + 120 * 84 + 840
_OF_SMALL, _OF_LARGE = (
    128 * 5 * sum(a * b for a, b in zip((9, *all_filters), all_filters, strict=False)) + all_filters[-1] * 6
    for all_filters in (SMALL, LARGE)
)
_LSTM = 100 * (8 + 32) * 4 * 32 + 32
DEEP_TRAININGS = (
    DeepTraining("LeNet-5", lenet, (28, 28, 1), 10, 32, 16, _LENET, _at_least(4)),
    DeepTraining("LeNet-5", lenet, (28, 28, 1), 10, 128, 4, _LENET, _at_least(4)),
    DeepTraining("Conv1D of 16 and 32", small_windows, (128, 9), 6, 64, 8, _OF_SMALL, _at_least(4)),
    DeepTraining("Conv1D of 32 and 64", large_windows, (128, 9), 6, 64, 4, _OF_LARGE, ()),
    DeepTraining("LSTM(32), 100 steps", lstm, (100, 8), None, 32, 16, _LSTM, _at_least(6)),
)
