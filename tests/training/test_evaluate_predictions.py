"""Evaluation of networks that predict and cannot be trained: the same losses and metrics as in live Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from foldnet import Input, Model, Sequential, layers
from foldnet.errors import UnsupportedError
from tests.support.python_metrics import Largest


def steps():
    """Masked sequences, and a result for every step."""
    return Sequential(
        [
            Input((6, 3)),
            layers.Masking(0.0),
            layers.LSTM(4, return_sequences=True, kernel_regularizer="l2"),
            layers.Bidirectional(layers.GRU(2, return_sequences=True, recurrent_regularizer="l1")),
            layers.TimeDistributed(layers.Dense(2)),
        ]
    )


def images():
    """Changed at random in training, as foldnet cannot with these settings, and two outputs."""
    x = Input((6, 5, 3))
    y = layers.RandomElasticTransform(0.2)(layers.AugMix(alpha=0)(x))
    y = layers.Flatten()(layers.Conv2D(2, 3, activation="relu", kernel_regularizer="l2")(y))
    return Model(x, [layers.Dense(3, activation="softmax", name="kind")(y), layers.Dense(1, name="size")(y)])


def windows():
    return Sequential(
        [
            Input((5, 2)),
            layers.SpectralNormalization(layers.Conv1D(3, 2)),
            layers.Flatten(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def data(network, count=21):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, *network.inputs[0].shape[1:])).astype(np.float32)
    if network.inputs[0].shape[1:] == (6, 3):
        x[::2, 4:] = 0
        x[1, 1] = 0
    y = []
    for output in network.outputs:
        if output.name == "kind":
            y.append(rng.integers(0, 3, count))
        else:
            y.append(rng.uniform(0, 1, (count, *output.shape[1:])).round().astype(np.float32))
    return x, y if len(y) > 1 else y[0]


def weighted(network, count=21):
    """Sample weights: one for each row, or where outputs are masked, for each step."""
    rng = np.random.default_rng(1)
    shapes = [
        (count, *output.shape[1:2]) if len(output.shape) > 2 else (count,) for output in network.outputs
    ]
    own = [rng.uniform(0.5, 2, shape).astype(np.float32) for shape in shapes]
    return own if len(own) > 1 else own[0]


SETTINGS = {
    "steps": (steps, {"loss": "mse", "metrics": ["mae"], "weighted_metrics": ["mse"]}),
    "images": (
        images,
        {
            "loss": ["sparse_categorical_crossentropy", "mae"],
            "loss_weights": [1.0, 0.3],
            "metrics": [["accuracy"], ["mse"]],
        },
    ),
    "windows": (windows, {"loss": "binary_crossentropy", "metrics": ["accuracy", "auc"]}),
}


def randomized(network):
    rng = np.random.default_rng(3)
    network.set_weights([rng.normal(size=w.shape) * 0.4 for w in network.get_weights()])
    return network


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
def test_as_in_keras(tmp_path, name, weights):
    make, compiled = SETTINGS[name]
    network = randomized(make())
    network.save(tmp_path / "m.keras")
    model = keras.saving.load_model(tmp_path / "m.keras")
    network.compile("sgd", **compiled)
    model.compile("sgd", **compiled)
    x, y = data(network)
    given = {"sample_weight": weighted(network)} if weights else {}
    want = model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True, **given)
    got = network.evaluate(x, y, batch_size=8, return_dict=True, **given)
    assert set(got) == set(want)
    for key, value in want.items():
        assert got[key] == pytest.approx(value, rel=2e-5), key
    assert network.test_on_batch(x[:5], _first(y, 5), return_dict=True).keys() == got.keys()


def _first(y, count):
    return [part[:count] for part in y] if isinstance(y, list) else y[:count]


def test_batches_of_a_stream_and_new_weights():
    network = randomized(steps())
    network.compile("sgd", "mse", metrics=["mae"])
    x, y = data(network)
    whole = network.evaluate(x, y, batch_size=7)
    parts = ((x[i : i + 7], y[i : i + 7]) for i in range(0, 21, 7))
    np.testing.assert_allclose(network.evaluate(parts), whole, rtol=1e-6)
    network.set_weights([0.5 * w for w in network.get_weights()])
    assert network.evaluate(x, y)[1] != pytest.approx(whole[1], rel=1e-3)


@pytest.mark.filterwarnings("ignore:.*runs in Python:RuntimeWarning")
def test_a_metric_in_python_gets_the_predictions():
    network = randomized(windows())
    network.compile("sgd", "mse", metrics=[Largest()])
    x, y = data(network)
    found = network.evaluate(x, y, batch_size=8, return_dict=True)
    assert found["largest"] == pytest.approx(float(network.predict(x).max()), rel=1e-6)


def test_what_still_needs_training_is_refused_as_before():
    first = [Input((6, 5, 3)), layers.AugMix(alpha=0), layers.Flatten()]
    network = Sequential([*first, layers.Dense(1, activity_regularizer="l2")])
    network.compile("sgd", "mse")
    x, y = data(network)
    for use in (network.evaluate, network.fit):
        with pytest.raises(UnsupportedError, match="Give it a positive alpha"):
            use(x, y)
    inside = layers.SpectralNormalization(layers.Dense(1, activity_regularizer="l2", kernel_regularizer="l2"))
    network = Sequential([*first[:1], layers.Flatten(), inside])
    network.compile("sgd", "mse")
    with pytest.raises(UnsupportedError, match="its kernel has a regularizer"):
        network.evaluate(x, y)
    network = Sequential([*first, layers.Dense(1)])
    network.compile("sgd", "mse")
    network.evaluate(x, y)
    with pytest.raises(UnsupportedError, match="Give it a positive alpha"):
        network.fit(x, y)


def test_a_network_that_can_be_trained_goes_on_training():
    """An evaluation with other data does not leave its program to a fit."""
    network = Sequential([Input((4,)), layers.BatchNormalization(), layers.Dense(1)])
    network.compile("sgd", "mse")
    x, y = np.ones((8, 4), np.float32), np.zeros((8, 1), np.float32)
    before = network.evaluate(x, y)
    network.fit(x, y, epochs=3, verbose=0)
    assert network.evaluate(x, y) < before or before == 0
