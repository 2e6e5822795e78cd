"""What the regularizers of weights add to the loss, also of weights in layers inside of a layer, as in live Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from foldnet import Input, Sequential, layers

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
