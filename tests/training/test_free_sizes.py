"""Training steps of networks with axes of free length that get a known one: as Keras's with inputs of the same size."""

import keras
import numpy as np
import pytest

import foldnet.training.trainer as trainer_module
from foldnet import Input, Model, layers, optimizers
from foldnet.engines.native.training.program import NativeTraining
from foldnet.engines.reference.training import ReferenceTraining

SIZES = [(5, 8), (3, 2), (9, 9)]

MIDDLES = {
    "interpolation": lambda kit: kit.Resizing(4, 5, "bicubic"),
    "antialias": lambda kit: kit.Resizing(3, 2, "lanczos3", antialias=True),
    "nearest": lambda kit: kit.Resizing(4, 5, "nearest"),
    "cut": lambda kit: kit.Resizing(4, 5, crop_to_aspect_ratio=True),
    "padded": lambda kit: kit.Resizing(4, 5, pad_to_aspect_ratio=True, fill_value=1.5),
    "center": lambda kit: kit.CenterCrop(4, 5),
    "means": lambda kit: kit.AdaptiveAveragePooling2D((2, 3)),
    "softmax": lambda kit: kit.Softmax(axis=[1, 2]),
    "attention": lambda kit: (
        lambda x: kit.MultiHeadAttention(2, 3, use_bias=False, attention_axes=(1, 2))(x, x)
    ),
    "enlarged": lambda kit: kit.UpSampling2D((2, 1), interpolation="bilinear"),
}


def network(kit, inputs, model, maker, middle, size):
    x = inputs((*size, 2))
    y = MIDDLES[middle](kit)(kit.Conv2D(3, 2, padding="same", activation="tanh")(x))
    made = model(x, kit.Dense(1)(kit.GlobalAveragePooling2D()(kit.Conv2D(2, 2)(y))))
    made.compile(maker.SGD(0.1), "mse")
    return made


@pytest.mark.parametrize("engine", [NativeTraining, ReferenceTraining])
@pytest.mark.parametrize("middle", MIDDLES)
def test_steps_are_kerass_at_every_size(middle, engine, monkeypatch):
    monkeypatch.setattr(trainer_module, "training_engine", engine)
    rng = np.random.default_rng(3)
    ours = network(layers, Input, Model, optimizers, middle, (None, None))
    ours.set_weights([rng.normal(0, 0.6, w.shape) for w in ours.get_weights()])
    for size in SIZES if engine is NativeTraining else SIZES[:1]:
        x, y = rng.normal(size=(6, *size, 2)).astype("f"), rng.normal(size=(6, 1)).astype("f")
        theirs = network(keras.layers, keras.Input, keras.Model, keras.optimizers, middle, size)
        before = [w.copy() for w in ours.get_weights()]
        theirs.set_weights(before)
        np.testing.assert_allclose(ours.train_on_batch(x, y), theirs.train_on_batch(x, y), rtol=1e-4)
        for w, a, b in zip(before, ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a - w, b - w, rtol=2e-4, atol=1e-5)
            assert (b != w).any()


def test_a_largest_value_passes_its_gradient_back():
    """Keras's goes to the largest of each window; there are no equal ones here."""
    rng = np.random.default_rng(4)
    ours = network_of_largest(layers, Input, Model, optimizers, None)
    ours.set_weights([rng.normal(0, 0.6, w.shape) for w in ours.get_weights()])
    for size in (7, 4, 2):
        x, y = rng.normal(size=(6, size, 2)).astype("f"), rng.normal(size=(6, 3, 2)).astype("f")
        theirs = network_of_largest(keras.layers, keras.Input, keras.Model, keras.optimizers, size)
        theirs.set_weights(ours.get_weights())
        np.testing.assert_allclose(ours.train_on_batch(x, y), theirs.train_on_batch(x, y), rtol=1e-4)
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)


def network_of_largest(kit, inputs, model, maker, size):
    x = inputs((size, 2))
    made = model(x, kit.Dense(2)(kit.AdaptiveMaxPooling1D(3)(kit.Dense(4, activation="tanh")(x))))
    made.compile(maker.SGD(0.1), "mse")
    return made
