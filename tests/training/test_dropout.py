"""Dropout: masks pass statistical tests, and fits end where Keras's do, in distribution."""

import keras
import numpy as np
import pytest

from foldnet import Input, Sequential, layers
from foldnet.operations.batch import philox

ROWS = 64
RNG = np.random.default_rng(4)
X = RNG.normal(size=(ROWS, 6)).astype(np.float32)
Y = (X @ RNG.normal(size=(6, 1)) + 0.3 * RNG.normal(size=(ROWS, 1))).astype(np.float32)
SEEDS = 20


def network(lib, sequential):
    return sequential([lib.Input((6,)), lib.Dense(12, activation="tanh"), lib.Dropout(0.4), lib.Dense(1)])


def test_final_losses_agree_with_keras_in_distribution():
    theirs, ours = network(keras.layers, keras.Sequential), network(layers, Sequential)
    theirs.compile(keras.optimizers.SGD(0.05), "mse")  # one compiled step serves every seed
    ours.compile("sgd", "mse")
    ours.optimizer.learning_rate = 0.05
    start = [RNG.normal(0, 0.5, w.shape).astype(np.float32) for w in ours.get_weights()]
    found = []
    for model in (theirs, ours):
        losses = []
        for seed in range(SEEDS):
            keras.utils.set_random_seed(seed)
            if model is ours:
                model.trainer.seed = seed
            model.set_weights(start)
            history = model.fit(X, Y, batch_size=16, epochs=8, shuffle=False, verbose=0)
            losses.append(history.history["loss"][-1])
        found.append(np.array(losses))
    a, b = found
    error = np.sqrt(a.var(ddof=1) / SEEDS + b.var(ddof=1) / SEEDS)
    assert len(set(b)) == SEEDS
    assert abs(a.mean() - b.mean()) < 4 * error
    assert 1 / 3 < a.std() / b.std() < 3
    # And it is Dropout that they share: without it the loss ends elsewhere.
    ours.set_weights(start)
    ours.pop()
    ours.pop()
    ours.add(layers.Dense(1))
    ours.compile("sgd", "mse")
    ours.optimizer.learning_rate = 0.05
    ours.set_weights(start)
    plain = ours.fit(X, Y, batch_size=16, epochs=8, shuffle=False, verbose=0).history["loss"][-1]
    assert abs(plain - b.mean()) > 10 * error


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_mask_drops_its_share_and_nothing_hangs_together(rate):
    count = 40_000
    masks = np.array([philox.dropped(11, stream, step, count, rate) for stream in (0, 1) for step in (0, 1)])
    deviation = np.sqrt(rate * (1 - rate))
    for mask in masks:
        assert abs(mask.mean() - rate) < 5 * deviation / np.sqrt(count)
        for lag in (1, 2, 3, 4, 7, 128):
            together = np.mean((mask[lag:] - rate) * (mask[:-lag] - rate)) / deviation**2
            assert abs(together) < 5 / np.sqrt(count - lag)
        # Lengths of runs of kept elements are geometric.
        runs = np.diff(np.flatnonzero(mask))
        assert abs(runs.mean() - 1 / rate) < 5 * runs.std() / np.sqrt(len(runs))
    for i in range(4):
        for j in range(i):
            together = np.mean((masks[i] - rate) * (masks[j] - rate)) / deviation**2
            assert abs(together) < 5 / np.sqrt(count)


@pytest.mark.parametrize(
    ("layer", "mean", "deviation"),
    [
        (layers.Dropout(0.25), 1.0, np.sqrt(0.25 / 0.75)),
        (layers.GaussianDropout(0.3), 1.0, np.sqrt(0.3 / 0.7)),
        (layers.GaussianNoise(0.2), 1.0, 0.2),
    ],
)
def test_the_mean_is_kept_and_the_spread_is_kerass(layer, mean, deviation):
    y = layer(np.ones((200, 200), np.float32), training=True)
    assert y.mean() == pytest.approx(mean, abs=5 * deviation / 200)
    assert y.std() == pytest.approx(deviation, rel=0.05)


def test_the_same_seed_gives_the_same_bits(both_engines):
    for _ in both_engines():
        results = []
        for seed in (1, 1, 2):
            model = Sequential([Input((6,)), layers.Dropout(0.5), layers.Dense(1, kernel_initializer="ones")])
            model.compile("sgd", "mse")
            model.trainer.seed = seed
            model.fit(X, Y, epochs=3, verbose=0)
            results.append(model.get_weights()[0].tobytes())
        assert results[0] == results[1] != results[2]
