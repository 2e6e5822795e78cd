"""Statistics of convolutions, recurrence and attention: those of one batch of all data in Keras, and of exact sums."""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Model, Sequential, layers
from foldnet.errors import InputError, UnsupportedError
from foldnet.insight.normalizations import normalization_layers
from tests.support.keras_pairs import random_weights

sys.path.insert(0, str(Path(__file__).parents[3] / "scripts"))
from state_networks import network_of, rows_of

RNG = np.random.default_rng(3)
FRAMES = RNG.normal(2, 3, (9, 3, 5, 4, 2)).astype(np.float32)


def padded(lib, model):
    """Words of padded sentences, normalized by feature and by step."""
    x = lib.Input((6,), dtype="int32")
    y = lib.BatchNormalization()(lib.Embedding(9, 4, mask_zero=True)(x))
    y = lib.BatchNormalization(axis=1)(lib.Bidirectional(lib.GRU(3, return_sequences=True))(y))
    y = lib.BatchNormalization()(lib.Dropout(0.0)(lib.SimpleRNN(4, return_sequences=True)(y)))
    return model(x, lib.LSTM(2)(y))


def pair(name):
    makes = padded if name == "padded" else lambda lib, model: network_of(lib, model, name)
    ours, theirs = makes(layers, Model), makes(keras.layers, keras.Model)
    random_weights(ours, np.random.default_rng(2))
    theirs.set_weights(ours.get_weights())
    return ours, theirs


@pytest.mark.parametrize("name", ["padded", "convolutions", "channels_first", "recurrence"])
def test_as_one_batch_of_all_data_in_keras(name):
    """A batch of all rows, momentum 0 and no learning: the moving statistics are then those of the data."""
    ours, theirs = pair(name)
    x, _ = rows_of(ours)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum, layer.trainable = 0.0, True
    theirs.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    theirs.train_on_batch(x, np.zeros((len(x), 2)))
    result = foldnet.recalibrate(ours, x, batch_size=7)
    assert result.rows == len(x)
    assert len(result.layers) == len(normalization_layers(ours))
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-4, atol=1e-4 * np.abs(other).max())


def exact(values, kept, shape):
    """Mean and variance of float64 values over all axes but the kept ones."""
    values = values.astype(np.float64)
    others = tuple(a for a in range(values.ndim) if a not in kept)
    return values.mean(axis=others).reshape(shape), values.var(axis=others).reshape(shape)


def check(layer, expected):
    np.testing.assert_allclose(layer.moving_mean, expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, expected[1], rtol=1e-5)


@pytest.mark.parametrize("axis", [-1, 1, 3, [1, 3], [2, 3, 1]])
def test_inside_time_distributed_all_steps_count(axis):
    """The layer's axes are those of one step."""
    inner = layers.BatchNormalization(axis=axis)
    model = Sequential([layers.Input(FRAMES.shape[1:]), layers.TimeDistributed(inner, name="steps")])
    random_weights(model, RNG)
    result = foldnet.recalibrate(model, FRAMES, batch_size=4)
    kept = tuple(a + 1 for a in inner.kept_axes(4))
    check(inner, exact(FRAMES, sorted(kept), inner.moving_mean.shape))
    assert [(d.layer, d.values) for d in result.layers] == [("steps", FRAMES.size // inner.moving_mean.size)]
    assert foldnet.recalibrate(model, FRAMES, layers=["steps"]).layers[0].mean_shift.max() == pytest.approx(
        0, abs=1e-5
    )


def test_a_network_inside_time_distributed_layer_by_layer():
    x = layers.Input(FRAMES.shape[2:])
    first, second = layers.BatchNormalization(name="first"), layers.BatchNormalization(axis=1, name="second")
    conv = layers.Conv2D(3, 2, activation="tanh")
    inside = Model(x, second(conv(first(x))), name="inside")
    model = Sequential([layers.Input(FRAMES.shape[1:]), layers.TimeDistributed(inside, name="steps")])
    random_weights(inside, RNG)
    result = foldnet.recalibrate(model, FRAMES)
    assert [d.layer for d in result.layers] == ["steps/first", "steps/second"]
    check(first, exact(FRAMES, (4,), (2,)))
    frames = FRAMES.reshape(-1, *FRAMES.shape[2:])
    check(second, exact(Model(x, conv(first(x))).predict(frames), (1,), (4,)))


def test_steps_that_are_masked_do_not_count():
    x = RNG.normal(2, 3, (20, 5, 3)).astype(np.float32)
    counts = np.arange(5) < RNG.integers(1, 6, (20, 1))
    counts[:, 4] = False
    x[~counts] = 7.0
    model = Sequential([layers.Input((5, 3)), layers.Masking(7.0), layers.BatchNormalization(name="bn")])
    random_weights(model, RNG)
    result = foldnet.recalibrate(model, x, batch_size=3)
    check(model.layers[-1], exact(x[counts], (1,), (3,)))
    assert result.layers[0].values == counts.sum()

    by_step = Sequential([layers.Input((5, 3)), layers.Masking(7.0), layers.BatchNormalization(1, name="bn")])
    with pytest.raises(InputError, match="'bn' sees 0 value"):
        foldnet.recalibrate(by_step, x)
    x[0, 4] = 1.0
    counts[0, 4] = True
    foldnet.recalibrate(by_step, x, batch_size=3)
    steps = [exact(x[counts[:, k], k], (), ()) for k in range(5)]
    check(by_step.layers[-1], tuple(np.transpose(steps)))


def test_a_mask_that_does_not_fit_is_refused():
    x = layers.Input((5, 3, 2))
    model = Model([x, m := layers.Input((5,), dtype="bool")], layers.BatchNormalization(name="bn")(x, mask=m))
    with pytest.raises(UnsupportedError, match=r"'bn' gets a mask of shape \(4, 5\) .*\(4, 5, 3, 2\)"):
        foldnet.recalibrate(model, [np.ones((4, 5, 3, 2)), np.ones((4, 5), bool)])
