"""Inputs whose sizes are free, ``Input((None, 2))``: a program is made for the sizes of the data."""

import keras
import numpy as np
import pytest

import foldnet.training.trainer as trainer_module
from foldnet import Input, Model, Sequential, layers, optimizers
from foldnet.engines.native.training.program import NativeTraining
from foldnet.engines.reference.training import ReferenceTraining
from foldnet.errors import UnsupportedError

RNG = np.random.default_rng(5)
LONG, SHORT = (RNG.normal(1, 2, (8, n, 2)).astype("f") for n in (5, 3))
LONG[::2, 3:] = SHORT[1::3, 1:] = 9  # what Masking takes away

NETWORKS = {
    "masked normalization": lambda kit, x: kit.BatchNormalization(momentum=0.3)(kit.Masking(9)(x)),
    "masked renorm": lambda kit, x: kit.BatchNormalization(momentum=0.3, renorm=True)(kit.Masking(9)(x)),
    "layer normalization": lambda kit, x: kit.LayerNormalization()(kit.Dense(2, activation="tanh")(x)),
    "two paths": lambda kit, x: kit.Add()([kit.Dense(2)(x), kit.UnitNormalization()(x)]),
}


def pair(name):
    made = []
    for kit, inputs, model, maker in (
        (layers, Input, Model, optimizers),
        (keras.layers, keras.Input, keras.Model, keras.optimizers),
    ):
        x = inputs((None, 2))
        network = model(x, NETWORKS[name](kit, x))
        network.compile(maker.SGD(0.1), "mse", metrics=["mae"])
        made.append(network)
    ours, theirs = made
    ours.set_weights([RNG.uniform(0.5, 2, w.shape) for w in ours.get_weights()])
    theirs.set_weights(ours.get_weights())
    return ours, theirs


@pytest.mark.parametrize("engine", [NativeTraining, ReferenceTraining])
@pytest.mark.parametrize("name", NETWORKS)
def test_steps_are_kerass_whatever_the_lengths(name, engine, monkeypatch):
    monkeypatch.setattr(trainer_module, "training_engine", engine)
    ours, theirs = pair(name)
    for x in (LONG, SHORT):
        y = np.cos(x)
        # On JAX, Keras's training steps leave the mask out of metrics.
        np.testing.assert_allclose(ours.train_on_batch(x, y)[0], theirs.train_on_batch(x, y)[0], rtol=1e-4)
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(
        ours.evaluate(LONG, LONG, verbose=0), theirs.evaluate(LONG, LONG, verbose=0), rtol=2e-4
    )


def test_batches_and_validation_may_have_lengths_of_their_own():
    ours, _ = pair("layer normalization")
    history = ours.fit([(LONG, LONG), (SHORT, SHORT)], epochs=2, verbose=0, validation_data=(SHORT, SHORT))
    np.testing.assert_allclose(
        history.history["val_loss"][-1], ours.evaluate(SHORT, SHORT, verbose=0)[0], rtol=1e-6
    )
    history = ours.fit(LONG, LONG, epochs=2, verbose=0, validation_data=(SHORT, SHORT))
    np.testing.assert_allclose(
        history.history["val_loss"][-1], ours.evaluate(SHORT, SHORT, verbose=0)[0], rtol=1e-6
    )


def test_the_engine_refuses_a_program_that_is_not_bound():
    model = Sequential([Input((None, 2)), layers.Dense(2)])
    model.compile("sgd", "mse")
    model.train_on_batch(LONG, LONG)
    program, _ = model.trainer.compiled.program(model.trainer.targets)
    with pytest.raises(UnsupportedError, match="has a free axis"):
        NativeTraining(program)
