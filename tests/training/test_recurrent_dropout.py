"""What recurrent layers drop: a step with the same masks ends where Keras's does."""

import jax
import keras
import numpy as np
import pytest

from foldnet import Sequential, layers, optimizers
from foldnet.operations import catalogue
from foldnet.operations.batch.op import Drop
from foldnet.operations.kernels import StepContext

ROWS, STEPS, FEATURES, UNITS = 6, 5, 3, 4
RATE, RECURRENT = 0.3, 0.45
GATES = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}
CELLS = [("SimpleRNN", {}), ("LSTM", {}), ("GRU", {}), ("GRU", {"reset_after": False})]
RNG = np.random.default_rng(8)
X = RNG.normal(size=(ROWS, STEPS, FEATURES)).astype(np.float32)
Y = RNG.normal(size=(ROWS, UNITS)).astype(np.float32)


def network(lib, sequential, name, **settings):
    return sequential([lib.Input((STEPS, FEATURES)), getattr(lib, name)(UNITS, **settings)])


def drawn(rate, stream, shape, shared, seed):
    """The numbers by which foldnet's first step multiplies what it drops from."""
    op = Drop(rate, "dropout", stream, shared)
    drop = catalogue.find("numpy", op).in_step
    return np.asarray(drop(op, StepContext(True, seed, 0), np.ones((ROWS, *shape), np.float32)))


def masks(name, dropout, recurrent, seed):
    """What Keras is to draw, call by call: for the inputs, then for the states; one for each gate if states drop."""
    gates = GATES[name] if recurrent else 1
    found = []
    if dropout:
        shared = (False, True, False)
        found += [drawn(dropout, k, (STEPS, FEATURES), shared, seed)[:, 0] for k in range(gates)]
    if recurrent:
        units = drawn(recurrent, len(found), (gates * UNITS,), (False, False), seed)
        found += np.split(units, gates, axis=1)
    return found


@pytest.mark.parametrize("settings", [(RATE, 0.0), (0.0, RECURRENT), (RATE, RECURRENT)], ids=str)
@pytest.mark.parametrize(("name", "others"), CELLS, ids=lambda v: str(v))
def test_a_step_with_the_same_masks_is_kerass(name, others, settings, monkeypatch):
    dropout, recurrent = settings
    given = {"dropout": dropout, "recurrent_dropout": recurrent, **others}
    theirs, ours = (
        network(keras.layers, keras.Sequential, name, **given),
        network(layers, Sequential, name, **given),
    )
    start = [RNG.normal(0, 0.5, w.shape).astype(np.float32) for w in ours.get_weights()]
    theirs.set_weights(start)
    ours.set_weights(start)
    ours.compile(optimizers.SGD(1.0), "mse")
    seed = ours.trainer.seed = 21
    ours.fit(X, Y, batch_size=ROWS, epochs=1, shuffle=False, verbose=0)
    waiting = masks(name, dropout, recurrent, seed)
    assert all(0 < (m == 0).sum() < m.size for m in waiting)  # something is dropped, and something stays

    def next_mask(inputs, rate, **_):
        mask = waiting.pop(0)
        assert mask.shape == inputs.shape
        return mask

    monkeypatch.setattr(keras.src.backend.random, "dropout", next_mask)
    variables = [v.value for v in theirs.trainable_variables]
    others_values = [v.value for v in theirs.non_trainable_variables]

    def loss(values):
        y, _ = theirs.stateless_call(values, others_values, X, training=True)
        return ((y - Y) ** 2).mean()

    gradients = jax.grad(loss)(variables)
    assert not waiting
    for mine, old, gradient in zip(ours.get_weights(), start, gradients, strict=True):
        assert np.abs(gradient).max() > 1e-3
        np.testing.assert_allclose(old - mine, gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", GATES)
def test_nothing_is_dropped_outside_training(name):
    ours = network(layers, Sequential, name, dropout=0.5, recurrent_dropout=0.5)
    plain = network(layers, Sequential, name)
    plain.set_weights(ours.get_weights())
    ours.compile("sgd", "mse")
    plain.compile("sgd", "mse")
    assert ours.evaluate(X, Y, verbose=0) == pytest.approx(plain.evaluate(X, Y, verbose=0), rel=1e-6)
    np.testing.assert_allclose(ours.predict(X, verbose=0), plain.predict(X, verbose=0), rtol=1e-6, atol=1e-7)
    assert not np.allclose(np.asarray(ours(X, training=True)), np.asarray(ours(X)))
