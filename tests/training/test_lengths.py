"""Sequences of several lengths, batch by batch: Keras's results, and each length is compiled once."""

import keras
import numpy as np
import pytest

import foldnet
from foldnet import layers, optimizers
from foldnet.engines.native import cache

LENGTHS = (5, 9, 2, 9, 5)
ROWS = 8


def network(kit, sequential, cell):
    return sequential([
        kit.Input((None, 3)), kit.Masking(0.0), getattr(kit, cell)(4, return_sequences=True),
        kit.BatchNormalization(), getattr(kit, cell)(3), kit.Dense(1),
    ])  # fmt: skip


def batches():
    """Padded sequences: the steps of a row end early, and then are zeros."""
    rng = np.random.default_rng(2)
    for length in LENGTHS:
        x = rng.normal(size=(ROWS, length, 3)).astype(np.float32)
        for row in x:
            row[rng.integers(1, length + 1) :] = 0
        yield x, rng.normal(size=(ROWS, 1)).astype(np.float32)


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_batches_of_several_lengths_are_kerass_and_each_is_compiled_once(cell, monkeypatch):
    theirs, ours = network(keras.layers, keras.Sequential, cell), network(layers, foldnet.Sequential, cell)
    rng = np.random.default_rng(1)
    ours.set_weights([abs(rng.normal(0.5, 0.3, w.shape)) for w in ours.get_weights()])
    theirs.set_weights(ours.get_weights())
    theirs.compile(keras.optimizers.SGD(0.1), "mse")
    ours.compile(optimizers.SGD(0.1), "mse")
    asked, load = [], cache.load
    monkeypatch.setattr(
        cache, "load", lambda code, *more, **how: asked.append(code) or load(code, *more, **how)
    )
    for _ in range(2):
        ours.fit(batches(), verbose=0)
        for x, y in batches():
            theirs.train_on_batch(x, y)
    assert len(set(asked)) == len(asked) == len(set(LENGTHS))
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)
