"""Dropout(noise_shape=...): aligned to the last axes as in Keras, in both engines, or refused."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldnet import Input, Sequential, layers
from foldnet.errors import ConfigError, InputError


def pattern(y):
    """Along which axes all numbers are the same."""
    return tuple(bool((y == np.take(y, [0], axis)).all()) for axis in range(y.ndim))


@pytest.mark.parametrize("cls", ["Dropout", "AlphaDropout"])
@pytest.mark.parametrize(
    ("noise_shape", "shape"),
    [
        ((40,), (50, 40)), ((12, 1), (20, 12, 13)), ((None, 1, 13), (20, 12, 13)), ((1, None), (20, 13, 13)),
        ((20, 1, 13), (20, 12, 13)), ((1, 12, 1), (20, 12, 13)), ((None, None, 1), (20, 12, 13)), (None, (20, 13)),
    ],
    ids=str,
)  # fmt: skip
def test_masks_vary_as_kerass_do(cls, noise_shape, shape):
    ones = np.ones(shape, np.float32)
    ours = getattr(layers, cls)(0.5, noise_shape=noise_shape, seed=1)(ones, training=True)
    theirs = getattr(keras.layers, cls)(0.5, noise_shape=noise_shape, seed=1)(ones, training=True)
    assert pattern(ours) == pattern(np.asarray(theirs))
    np.testing.assert_allclose(np.unique(ours), np.unique(theirs), rtol=1e-5, atol=1e-6)


sizes = st.sampled_from([None, 1, 2, 3, 4])


@given(st.lists(sizes, min_size=1, max_size=4), st.lists(st.integers(2, 4), min_size=1, max_size=2))
@settings(max_examples=40, deadline=None)
def test_what_keras_refuses_is_refused(noise_shape, row):
    ones = np.ones((5, *row), np.float32)
    theirs = keras.layers.Dropout(0.5, noise_shape=noise_shape, seed=1)
    try:
        expected = np.asarray(theirs(ones, training=True)).shape
    except Exception:
        expected = None
    layer = layers.Dropout(0.5, noise_shape=noise_shape, seed=1)
    if expected == ones.shape:
        assert layer(ones, training=True).shape == ones.shape
    else:
        with pytest.raises((ConfigError, InputError), match="noise_shape"):
            layer(ones, training=True)


@pytest.mark.parametrize("noise_shape", [(None, 2), (None, 1, 1), (None,), (2, 6)])
def test_what_does_not_fit_is_refused_when_the_layer_is_called(noise_shape):
    layer = layers.Dropout(0.5, noise_shape=noise_shape, name="mine")
    with pytest.raises((ConfigError, InputError), match="noise_shape"):
        layer(np.ones((5, 6)), training=True)


@pytest.mark.parametrize("noise_shape", [(None, -1), (None, 0), (None, 1.5), "abc", 3, (True,)])
def test_what_is_no_shape_is_refused(noise_shape):
    with pytest.raises(ConfigError, match=r"mine.*noise_shape"):
        layers.Dropout(0.5, noise_shape=noise_shape, name="mine")


def test_one_mask_for_all_rows_in_both_engines(both_engines):
    x, y = np.ones((8, 40), np.float32), np.zeros((8, 1), np.float32)
    moved = []
    for _ in both_engines():
        dense = layers.Dense(1, use_bias=False, kernel_initializer="ones")
        model = Sequential([Input((40,)), layers.Dropout(0.5, noise_shape=(40,)), dense])
        model.compile("sgd", "mse")
        model.trainer.seed = 3
        model.fit(x, y, batch_size=8, verbose=0)
        moved.append(dense.get_weights()[0])
        assert (
            len(np.unique(moved[-1].round(5))) == 2
        )  # each column of the data is dropped for all rows, or for none
    for other in moved[1:]:
        np.testing.assert_allclose(other, moved[0], rtol=1e-5)


def test_a_number_of_rows_is_every_batchs(both_engines):
    x, y = np.ones((8, 6), np.float32), np.zeros((8, 1), np.float32)
    for _ in both_engines():
        model = Sequential(
            [Input((6,)), layers.Dropout(0.5, noise_shape=(4, 1), name="mine"), layers.Dense(1)]
        )
        model.compile("sgd", "mse")
        model.fit(x, y, batch_size=4, verbose=0)
        for rows, size in ((8, 8), (6, 4), (3, 4)):
            with pytest.raises(InputError, match=r"mine.*4 rows"):
                model.fit(x[:rows], y[:rows], batch_size=size, verbose=0)
        assert model.predict(x).shape == (8, 1)  # without noise, any number will do
