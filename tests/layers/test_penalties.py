"""What regularizers add to the loss, also of weights in layers inside of a layer, as in live Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from foldnet import Input, Model, Sequential, layers
from foldnet.errors import UnsupportedError

OWN = {"kernel_regularizer": "l2", "recurrent_regularizer": "l1", "bias_regularizer": "l2"}
STACKS = {
    "LSTM": ((4, 3), lambda: layers.LSTM(2, **OWN)),
    "Bidirectional": ((4, 3), lambda: layers.Bidirectional(layers.GRU(2, **OWN))),
    "cells": (
        (4, 3),
        lambda: layers.RNN([layers.LSTMCell(2, **OWN), layers.SimpleRNNCell(2, recurrent_regularizer="l2")]),
    ),
    "TimeDistributed": ((4, 3), lambda: layers.TimeDistributed(layers.Dense(2, kernel_regularizer="l2"))),
    "SpectralNormalization": (
        (4,),
        lambda: layers.SpectralNormalization(layers.Dense(2, kernel_regularizer="l1")),
    ),
    "SeparableConv2D": (
        (5, 5, 2),
        lambda: layers.SeparableConv2D(3, 2, depthwise_regularizer="l2", pointwise_regularizer="l1"),
    ),
}


@pytest.mark.parametrize("name", STACKS)
def test_penalties(tmp_path, name):
    shape, make = STACKS[name]
    network = Sequential([Input(shape), make()])
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(size=w.shape) for w in network.get_weights()])
    network.save(tmp_path / "m.keras")
    want = [float(v) for v in keras.saving.load_model(tmp_path / "m.keras").losses]
    assert want
    assert network.losses == pytest.approx(want, rel=1e-5)


def regularized(kit, make):
    """A network whose layer inside another has an activity regularizer."""
    x = kit.Input((4, 3))
    return x, make(kit, x, {"activity_regularizer": "l2"})


INSIDE = {
    "states": lambda kit, x, own: kit.GRU(2, return_sequences=True, return_state=True, **own)(x)[0],
    "Bidirectional": lambda kit, x, own: kit.Bidirectional(kit.LSTM(2, return_sequences=True, **own), "mul")(
        x
    ),
    "TimeDistributed": lambda kit, x, own: kit.TimeDistributed(kit.Dense(2, **own))(x),
    "TimeDistributed of Bidirectional": lambda kit, x, own: kit.TimeDistributed(
        kit.Bidirectional(kit.GRU(2, **own))
    )(kit.Reshape((2, 2, 3))(x)),
    "heads": lambda kit, x, own: kit.MultiHeadAttention(2, 3, **own)(x, x, return_attention_scores=True)[0],
    "groups": lambda kit, x, own: kit.GroupQueryAttention(3, 4, 2, **own)(x, x),
}


@pytest.mark.parametrize("name", INSIDE)
def test_activities_of_layers_inside_of_layers(name):
    theirs = keras.Model(*regularized(keras.layers, INSIDE[name]))
    ours = Model(*regularized(layers, INSIDE[name]))
    rng = np.random.default_rng(0)
    theirs.set_weights([rng.normal(size=w.shape) for w in theirs.get_weights()])
    ours.set_weights(theirs.get_weights())
    x = rng.normal(size=(5, 4, 3)).astype(np.float32)
    theirs(x), ours(x)
    if (
        name != "TimeDistributed of Bidirectional"
    ):  # whose losses Keras forgets after a call, though not in evaluate
        assert sum(ours.losses) == pytest.approx(sum(map(float, theirs.losses)), rel=1e-5)
    y = np.zeros((5, *theirs.output_shape[1:]), np.float32)
    for network in (theirs, ours):
        network.compile("sgd", "mse")
    assert ours.evaluate(x, y, verbose=0) == pytest.approx(theirs.evaluate(x, y, verbose=0), rel=1e-5)


def test_simple_rnn_has_the_penalty_that_keras_forgets():
    x = keras.Input((4, 3))
    cell, own = keras.layers.SimpleRNNCell(2), {"activity_regularizer": "l2"}
    assert keras.layers.SimpleRNN(2, **own).activity_regularizer is None
    theirs = keras.Model(x, keras.layers.RNN(cell, **own)(x))
    ours = Sequential([Input((4, 3)), layers.SimpleRNN(2, **own)])
    ours.set_weights(theirs.get_weights())
    for network in (theirs, ours):
        network.compile("sgd", "mse")
    rows = np.random.default_rng(1).normal(size=(5, 4, 3)).astype(np.float32)
    losses = [m.evaluate(rows, np.zeros((5, 2), np.float32), verbose=0) for m in (ours, theirs)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_what_keras_cannot_train_either_is_refused():
    network = Sequential(
        [Input((4, 3)), layers.RNN(layers.GRUCell(2, activity_regularizer="l2"), name="mine")]
    )
    network.compile("sgd", "mse")
    with pytest.raises(UnsupportedError, match=r"'mine'.*its cell has an activity_regularizer"):
        network.fit(np.zeros((2, 4, 3)), np.zeros((2, 2)), verbose=0)
