"""Masks: a prediction is the same as Keras's with one on its way, or it is refused."""

import keras
import numpy as np
import pytest
from support.keras_pairs import random_weights, run_reference

from foldnet import layers
from foldnet.errors import UnsupportedError
from foldnet.graph.lower import lower
from foldnet.network import Model

INDICES = np.int32([[0, 3, 0, 5], [0, 0, 0, 0], [1, 2, 3, 4]])


def network(kit, model, after):
    """Embedding with a mask, then what ``after`` makes of it."""
    x = kit.Input((4,), dtype="int32")
    return model(x, after(kit, kit.Embedding(6, 8, mask_zero=True)(x)))


UNMOVED = {
    "BatchNormalization": lambda k, x: k.BatchNormalization()(x),
    "BatchNormalization of one axis more": lambda k, x: k.BatchNormalization(axis=1)(x),
    "LayerNormalization": lambda k, x: k.LayerNormalization()(x),
    "GroupNormalization": lambda k, x: k.GroupNormalization(2)(x),
    "RMSNormalization": lambda k, x: k.RMSNormalization()(k.Dense(3)(x)),
    "softmax as an activation": lambda k, x: k.Dense(3, activation="softmax")(x),
    "Softmax behind a Flatten": lambda k, x: k.Softmax()(k.Flatten()(x)),
    "Softmax behind a Permute": lambda k, x: k.Softmax()(k.Permute((2, 1))(x)),
    "Multiply behind a Reshape": lambda k, x: k.Multiply()([k.Reshape((32,))(x), k.Reshape((32,))(x)]),
    "Softmax behind a Dot": lambda k, x: k.Softmax()(k.Dot(2)([x, x])),
    "Softmax behind an Add of one mask": lambda k, x: k.Softmax()(
        k.Add()([x, k.Reshape((4, 8))(k.Flatten()(x))])
    ),
    "Add, Subtract, Average": lambda k, x: k.Average()([k.Add()([x, x, x]), k.Subtract()([x, k.ReLU()(x)])]),
    "Concatenate": lambda k, x: k.Dense(2)(k.Concatenate()([x, x])),
    "Dropout": lambda k, x: k.Dropout(0.5)(k.PReLU()(x)),
}

REFUSED = {
    "Softmax": lambda k, x: k.Softmax()(x),
    "Softmax behind layers that pass it on": lambda k, x: k.Softmax()(
        k.Dropout(0.1)(k.BatchNormalization()(k.Activation("relu")(k.Dense(4)(x))))
    ),
    "Softmax behind an Add": lambda k, x: k.Softmax()(k.Add()([x, x])),
    "Softmax behind a Concatenate": lambda k, x: k.Softmax()(
        k.Concatenate()([x, k.Reshape((4, 8))(k.Flatten()(x))])
    ),
    "Multiply": lambda k, x: k.Multiply()([x, k.Reshape((4, 8))(k.Flatten()(x))]),
    "Maximum": lambda k, x: k.Maximum()([x, x]),
    "Minimum": lambda k, x: k.Minimum()([x, x]),
}


@pytest.mark.filterwarnings("ignore:Layer .* does not support masking")
@pytest.mark.parametrize("name", UNMOVED)
def test_a_mask_that_moves_nothing(name):
    theirs = network(keras.layers, keras.Model, UNMOVED[name])
    weights = random_weights(theirs, np.random.default_rng(0))
    ours = network(layers, Model, UNMOVED[name])
    ours.set_weights(weights)
    expected = np.asarray(theirs(INDICES, training=False))
    np.testing.assert_allclose(
        run_reference(ours, [INDICES])[0], expected, atol=1e-5 * np.abs(expected).max()
    )


@pytest.mark.parametrize("name", REFUSED)
def test_a_mask_that_would_be_computed_with(name):
    with pytest.raises(UnsupportedError, match="mask_zero"):
        lower(network(layers, Model, REFUSED[name]))


@pytest.mark.parametrize("name", REFUSED)
def test_without_the_mask_it_is_computed(name):
    x = layers.Input((4,), dtype="int32")
    lower(Model(x, REFUSED[name](layers, layers.Embedding(6, 8)(x))))


def test_through_a_nested_network():
    inner_x = layers.Input((4, 8))
    inner = Model(inner_x, layers.Activation("relu")(inner_x))
    with pytest.raises(UnsupportedError, match="mask_zero"):
        lower(network(layers, Model, lambda k, x: k.Softmax()(inner(x))))
    inner_x = layers.Input((4, 8))
    inner = Model(inner_x, layers.Softmax(name="inside")(inner_x))
    with pytest.raises(UnsupportedError, match="inside"):
        lower(network(layers, Model, lambda k, x: inner(x)))


def test_handed_over_by_hand():
    x = layers.Input((4, 8))
    with pytest.raises(UnsupportedError, match="mask_zero"):
        lower(Model(x, layers.Softmax()(x, mask=x)))
    lower(Model(x, layers.BatchNormalization()(x, mask=x)))
