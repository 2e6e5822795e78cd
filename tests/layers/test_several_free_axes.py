"""Networks with several free axes, against live Keras."""

from __future__ import annotations

import importlib.util

import keras
import numpy as np
import pytest

import foldnet
from foldnet import ops
from tests.support.same_as_keras import assert_same, pair, results

RNG = np.random.default_rng(3)


def one(layer):
    """A network of one layer over two free axes."""
    return lambda k, i, m: (lambda x: m(x, layer(k)(x)))(i((None, None, 6)))


def taken(key):
    return lambda k, i, m: (lambda x: m(x, x[key] * 2.0))(i((None, None, 6)))


def masked(k, i, m):
    x = i((None, None, 6))
    return m(x, k.TimeDistributed(k.LSTM(4))(k.TimeDistributed(k.Masking(0.5))(x)))


def attending(k, i, m):
    x = i((None, 3, 6))
    return m(x, k.MultiHeadAttention(2, 4, attention_axes=(1, 2))(x, x))


def expanded(k, i, m):
    x = i((None, None, 6))
    add = keras.ops.expand_dims if k is keras.layers else ops.expand_dims
    return m(x, k.Dense(3)(add(x, 2)))


NETWORKS = {
    "a reshape at every position": one(lambda k: k.TimeDistributed(k.Reshape((-1, 3)))),
    "slices": taken((slice(None), slice(1, -1), slice(None, None, 2))),
    "a position and a slice": taken((slice(None), 0, slice(None, -1), slice(None, 4))),
    "a new axis": taken((slice(None), slice(None), None, slice(1, None))),
    "expanded": expanded,
    "an equation": one(
        lambda k: k.EinsumDense("abcd,def->abcef", output_shape=(None, None, 2, 3), bias_axes="ef")
    ),
    "recurrent with masks": masked,
    "attention over two axes": attending,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_predicts_as_keras_does(name):
    for a, b in ((4, 3), (7, 3 if name == "attention over two axes" else 5)):
        assert_same(NETWORKS[name], RNG.normal(size=(2, a, b, 6)).astype(np.float32))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_numpy_module_predicts_as_keras_does(name, tmp_path):
    theirs, ours = pair(NETWORKS[name])
    predict = foldnet.freeze(ours)
    predict.to_numpy(tmp_path / "module.py")
    spec = importlib.util.spec_from_file_location("module", tmp_path / "module.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    x = RNG.normal(size=(2, 5, 3, 6)).astype(np.float32)
    (expected,) = results(theirs, [x])
    np.testing.assert_allclose(module.predict(x), expected, atol=2e-5 * np.abs(expected).max(), rtol=0)


def test_slices_of_nothing():
    """An axis of no positions, as in Keras, whether its length is known or not."""
    for shape in ((3, 4, 6), (None, None, 6)):
        x = foldnet.Input(shape)
        network = foldnet.Model(x, ops.relu(x)[:, 5:, 1:9])
        assert foldnet.freeze(network)(np.ones((2, 3, 4, 6))).shape == (2, 0, 3, 6)
