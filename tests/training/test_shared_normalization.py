"""A BatchNormalization called twice in one network: its statistics move twice a step, as Keras moves them."""

import keras
import numpy as np
import pytest

from foldnet import layers, optimizers
from foldnet.engines.training import training_engine
from foldnet.network import Model
from tests.support.keras_pairs import random_weights


def build(lib, model):
    x = lib.Input((4,), name="x")
    norm = lib.BatchNormalization(momentum=0.7, name="norm")
    return model(x, lib.Dense(1, name="out")(lib.Dense(4, activation="tanh", name="in")(norm(norm(x)))))


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_moves_as_keras(engine, monkeypatch):
    monkeypatch.setattr("foldnet.training.trainer.training_engine", lambda p: training_engine(p, engine))
    theirs, ours = build(keras.layers, keras.Model), build(layers, Model)
    random_weights(theirs, np.random.default_rng(0))
    for name in ("norm", "in", "out"):
        ours.get_layer(name).set_weights(theirs.get_layer(name).get_weights())
    rng = np.random.default_rng(1)
    x, y = rng.normal(2, 3, (24, 4)).astype(np.float32), rng.normal(size=(24, 1)).astype(np.float32)
    theirs.compile(keras.optimizers.SGD(0.01), "mse")
    ours.compile(optimizers.SGD(0.01), "mse")
    for model in (theirs, ours):
        model.fit(x, y, batch_size=12, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(
        ours.get_layer("norm").get_weights(), theirs.get_layer("norm").get_weights(), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
