"""Networks pickled and copied: weights, settings and the optimizer's state go along, compiled code does not."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, Sequential, layers, losses, metrics, optimizers

MODELS = Path(__file__).resolve().parents[2] / "data" / "models"


def pickled(network):
    return pickle.loads(pickle.dumps(network))


@pytest.fixture(params=[pickled, copy.deepcopy], ids=["pickle", "deepcopy"])
def copied(request):
    return request.param


def chain():
    return Sequential(
        [
            Input((3,)), layers.Dense(6), layers.BatchNormalization(momentum=0.8), layers.Activation("relu"),
            layers.Dropout(0.3), layers.Dense(2, kernel_regularizer="l2"),
        ]
    )  # fmt: skip


def branches():
    """Two calls of one layer, and an inner network."""
    x = Input((3,))
    shared = layers.Dense(3, activation="tanh")
    inner = Sequential([Input((3,)), layers.Dense(4), layers.LayerNormalization()])
    a = shared(x)
    b = shared(a)
    return Model(x, layers.Dense(2)(layers.Concatenate()([b, inner(a)])))


def data(rows=50):
    rng = np.random.default_rng(0)
    return rng.normal(3, 2, (rows, 3)).astype(np.float32), rng.normal(size=(rows, 2)).astype(np.float32)


def same(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("make", [chain, branches])
def test_a_copy_goes_on_as_the_first_would(make, copied):
    x, y = data()
    network = make()
    network.compile(
        optimizers.Adam(0.01, use_ema=True), losses.Huber(0.5), metrics=[metrics.MeanAbsoluteError()]
    )
    network.fit(x, y, epochs=2, verbose=0)
    network.predict(x)
    other = copied(network)
    same(network.get_weights(), other.get_weights())
    np.testing.assert_array_equal(network.predict(x), other.predict(x))
    ours, theirs = (n.fit(x, y, epochs=3, verbose=0).history for n in (network, other))
    assert ours == theirs
    same(network.get_weights(), other.get_weights())


@pytest.mark.parametrize("make", [chain, branches])
def test_nothing_is_shared(make, copied):
    x, y = data()
    network = make()
    network.compile("sgd", "mse")
    other = copied(network)
    before = other.get_weights()
    network.fit(x, y, epochs=1, verbose=0)
    same(before, other.get_weights())
    assert not set(network.layers) & set(other.layers)
    assert network.optimizer is not other.optimizer


def test_weights_not_yet_asked_for(copied):
    network = chain()
    same(copied(network).get_weights(), network.get_weights())


def test_a_layer_called_twice_is_one_layer_still(copied):
    other = copied(branches())
    shared = next(layer for layer in other.layers if len(layer.calls) == 2)
    before = other.predict(data()[0])
    shared.set_weight("kernel", np.zeros((3, 3)))
    assert len(other.layers) == 5
    assert (other.predict(data()[0]) != before).any()


def test_a_network_not_built(copied):
    other = copied(Sequential([layers.Dense(3), layers.Dense(1)]))
    assert not other.built
    other.build((None, 2))
    assert other.count_params() == 3 * 3 + 4


def test_a_deep_network(copied):
    """Deeper than Python lets functions call each other."""
    network = Sequential([Input((2,)), *(layers.Dense(2) for _ in range(1100))])
    same(copied(network).get_weights(), network.get_weights())


def test_what_was_read_from_a_file(copied):
    network = foldnet.load_model(MODELS / "branches.keras")
    rows = [np.ones((4, *t.shape[1:]), np.float32) for t in network.inputs]
    for a, b in zip(network.predict(rows), copied(network).predict(rows), strict=True):
        np.testing.assert_array_equal(a, b)


def test_compiled_code_stays_behind():
    x, y = data()
    network = chain()
    network.compile("adam", "mse")
    network.fit(x, y, verbose=0)
    trained = len(pickle.dumps(network))
    network.predict(x)
    assert len(pickle.dumps(network)) == trained
    # Two slots a weight, and what describes the network: no rows, no programs.
    assert trained < 3 * 4 * network.count_params() + 8_000


@pytest.mark.parametrize("module", [losses, metrics, optimizers])
def test_every_setting_of_compile_can_be_pickled(module):
    classes = [c for c in vars(module).values() if isinstance(c, type) and c.__module__.startswith("foldnet")]
    assert len(classes) > 5
    for cls in classes:
        assert pickle.loads(pickle.dumps(cls)) is cls


def test_a_sequential_that_does_not_know_its_input_yet_is_cloned():
    model = foldnet.Sequential([foldnet.layers.Dense(3, activation="tanh"), foldnet.layers.Dense(2)])
    model.compile("sgd", "mse")
    copy = foldnet.models.clone_model(model)
    x = np.random.default_rng(1).normal(size=(4, 5)).astype("f")
    assert model(x).shape == copy(x).shape == (4, 2)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict(x), model.predict(x))
    assert copy.compiled
