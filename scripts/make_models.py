"""Train the networks in ``data/models`` with real Keras: ``python scripts/make_models.py``.

Each is saved with Keras's own outputs, so that foldnet can be compared with Keras without
installing it.
Needs the ``dev`` extra, and the tables of ``scripts/make_data.py``.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import layers

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
MODELS = DATA / "models"
DEMO = ROOT / "src" / "foldnet" / "demo"
SEED = 2009
ROWS_OF_LAYERS = 16


def table(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Features as float32 and the last column as text."""
    cells = np.loadtxt(DATA / name, delimiter=",", skiprows=1, dtype=str)
    return cells[:, :-1].astype(np.float32), cells[:, -1]


def iris() -> keras.Model:
    """A functional network that begins with BatchNormalization."""
    x, species = table("iris.csv")
    y = keras.utils.to_categorical(np.unique(species, return_inverse=True)[1])
    inputs = layers.Input((4,), name="flower")
    hidden = layers.BatchNormalization(name="norm")(inputs)
    hidden = layers.Dense(4, activation="relu", name="hidden")(hidden)
    model = keras.Model(inputs, layers.Dense(3, activation="sigmoid", name="species")(hidden), name="iris")
    model.compile(keras.optimizers.Adam(0.01), loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=100, batch_size=32, verbose=0)
    record(model, x, "iris.keras", "iris.h5")
    return model


def wine(name: str, activation: str | None, epochs: int) -> keras.Model:
    """Dense, Dropout and BatchNormalization three times over, then one unit."""
    x, quality = table("wine.csv")
    y = quality.astype(np.float32)
    model = keras.Sequential([layers.Input((11,), name="wine")], name=name)
    for k, units in enumerate((10, 8, 6), start=1):
        model.add(layers.Dense(units, activation="relu", name=f"dense_{k}"))
        model.add(layers.Dropout(0.3, name=f"dropout_{k}"))
        model.add(layers.BatchNormalization(name=f"norm_{k}"))
    model.add(layers.Dense(1, activation=activation, name="quality"))
    model.compile(optimizer="adam", loss="mae")
    train = np.random.default_rng(SEED).permutation(len(x)) < 0.7 * len(x)
    validation = (x[~train], y[~train])
    history = model.fit(
        x[train], y[train], validation_data=validation, batch_size=256, epochs=epochs, verbose=0
    )
    print(name, "validation mae", round(history.history["val_loss"][-1], 3))
    record(model, x, f"{name}.keras")
    return model


def branches() -> keras.Model:
    """Two inputs, two kinds of normalization, a join, and six classes."""
    x, quality = table("wine.csv")
    acids, others = x[:, :3], x[:, 3:]
    left = left_in = layers.Input((3,), name="acids")
    right = right_in = layers.Input((8,), name="others")
    left = layers.LayerNormalization(name="row_norm")(left)
    left = layers.Dense(6, activation="gelu", name="left")(left)
    right = layers.BatchNormalization(name="norm", scale=False)(right)
    right = layers.Dense(6, use_bias=False, name="right")(right)
    right = layers.LeakyReLU(name="leaky")(right)
    joined = layers.Concatenate(name="join")([left, layers.Add(name="sum")([left, right])])
    joined = layers.Dropout(0.2, name="dropout")(joined)
    grade = layers.Dense(6, activation="softmax", name="grade")(joined)
    model = keras.Model([left_in, right_in], grade, name="branches")
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy")
    model.fit([acids, others], quality.astype(int) - 3, epochs=30, batch_size=64, verbose=0)
    record(model, [acids, others], "branches.keras")
    return model


def record(model: keras.Model, x: np.ndarray | list[np.ndarray], *files: str) -> None:
    """Save the network, and what Keras computes with it."""
    some = [a[:ROWS_OF_LAYERS] for a in x] if isinstance(x, list) else x[:ROWS_OF_LAYERS]
    inside = [layer for layer in model.layers if not isinstance(layer, layers.InputLayer)]
    values = keras.Model(model.inputs, [layer.output for layer in inside]).predict(some, verbose=0)
    outputs = {f"layer:{layer.name}": value for layer, value in zip(inside, values, strict=True)}
    for file in files:
        model.save(MODELS / file)
    np.savez_compressed(
        (MODELS / files[0]).with_suffix(".npz"), y=model.predict(x, batch_size=len(x), verbose=0), **outputs
    )


def main() -> None:
    """Train and save all, and copy what the demo ships."""
    MODELS.mkdir(parents=True, exist_ok=True)
    for make in (
        iris,
        lambda: wine("wine", None, 1000),
        lambda: wine("wine_question", "softmax", 100),
        branches,
    ):
        keras.utils.clear_session()
        keras.utils.set_random_seed(SEED)
        make()
    for file in (DATA / "wine.csv", MODELS / "wine.keras", MODELS / "wine.npz"):
        shutil.copyfile(file, DEMO / file.name)


if __name__ == "__main__":
    main()
