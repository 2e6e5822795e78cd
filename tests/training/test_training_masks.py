"""Masks in training, where nothing computes with them, and what doctor makes of statistics under one."""

import numpy as np
import pytest

from foldnet import doctor, layers
from foldnet.network import Sequential


def network(*rest, mask_zero=True):
    model = Sequential(
        [layers.Input((3,), dtype="int32"), layers.Embedding(5, 4, mask_zero=mask_zero), *rest]
    )
    model.compile("sgd", "mse")
    return model


ROWS = np.array([[0, 1, 2], [3, 4, 0]], np.int32)


def fit(model):
    y = np.zeros((2, *model.outputs[0].shape[1:]), np.float32)
    return model.fit(ROWS, y, verbose=0)


@pytest.mark.parametrize("mask_zero", [False, True])
def test_where_no_mask_is_used_it_trains(mask_zero):
    frozen = layers.BatchNormalization(trainable=False)
    history = fit(network(frozen, layers.Flatten(), layers.Dense(1), mask_zero=mask_zero))
    assert np.isfinite(history.history["loss"]).all()


def test_statistics_under_a_mask_are_not_held_to_those_of_all_positions():
    random = np.random.default_rng(0)
    words = random.integers(1, 5, (90, 3)).astype(np.int32)
    words[:, 1:] = 0
    masked, plain = (
        network(layers.BatchNormalization(momentum=0.0), layers.Flatten(), layers.Dense(1), mask_zero=m)
        for m in (True, False)
    )
    # The padding's row is far from the others, so that statistics with and without it are far apart.
    masked.layers[0].set_weight("embeddings", np.vstack([np.full((1, 4), 9.0), random.normal(size=(4, 4))]))
    masked.fit(words, np.zeros((90, 1)), batch_size=90, verbose=0)
    plain.set_weights(masked.get_weights())
    assert "statistics-differ-from-data" not in {f.check for f in doctor(masked, words).findings}
    assert "statistics-differ-from-data" in {f.check for f in doctor(plain, words).findings}
