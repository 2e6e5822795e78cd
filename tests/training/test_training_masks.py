"""Masks in training that meet nothing which computes with them."""

import numpy as np
import pytest

from foldnet import layers
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
