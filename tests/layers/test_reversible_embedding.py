"""ReversibleEmbedding: there and back again, predicted, trained and stored as Keras does."""

from functools import partial

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Model, engines, layers
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.training import trainer
from tests.support.keras_pairs import run_native, run_reference

WORDS = np.random.default_rng(3).integers(0, 11, (12, 4)).astype(np.int32)
WANTED = np.random.default_rng(4).normal(size=(12, 4, 11)).astype(np.float32)


def network(k, m):
    """Both kinds side by side, one with a soft cap, one with a mask that goes one way only."""
    x = k.Input((4,), dtype="int32")
    tied = k.ReversibleEmbedding(11, 6, logit_soft_cap=0.7, mask_zero=True)
    free = k.ReversibleEmbedding(11, 6, tie_weights=False)
    back = [e(k.Dense(6, activation="tanh")(e(x)), reverse=True) for e in (tied, free)]
    return m(x, back)


@pytest.fixture
def pair():
    theirs = network(keras.layers, keras.Model)
    rng = np.random.default_rng(0)
    theirs.set_weights([rng.normal(0, 0.7, w.shape) for w in theirs.weights])
    ours = network(layers, Model)
    ours.set_weights(theirs.get_weights())
    return ours, theirs


@pytest.mark.parametrize("run", [run_reference, run_native])
def test_predictions_are_keras_s(pair, run):
    ours, theirs = pair
    for found, expected in zip(run(ours, [WORDS], "float32"), theirs(WORDS), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_steps_are_keras_s(pair, monkeypatch):
    ours, theirs = pair
    start = theirs.get_weights()

    def steps(model, lib):
        model.compile(lib.optimizers.SGD(0.3), "mse")
        model.set_weights(start)
        model.fit(WORDS, [WANTED, WANTED], batch_size=5, epochs=1, shuffle=False, verbose=0)
        return model.get_weights()

    expected = steps(theirs, keras)
    for engine in ("reference", "native"):
        monkeypatch.setattr(
            trainer, "training_engine", partial(engines.training.training_engine, engine=engine)
        )
        for a, b in zip(steps(ours, foldnet), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=engine)


def test_files_go_both_ways(pair, tmp_path):
    ours, theirs = pair
    theirs.save(tmp_path / "theirs.keras")
    again = foldnet.load_model(tmp_path / "theirs.keras")
    ours.save(tmp_path / "ours.keras")
    back = keras.saving.load_model(tmp_path / "ours.keras")
    for network in (again, back):
        for found, expected in zip(network.predict(WORDS, verbose=0), theirs(WORDS), strict=True):
            np.testing.assert_allclose(found, expected, atol=2e-5)


def test_on_arrays():
    layer = layers.ReversibleEmbedding(3, 2, mask_zero=True)
    layer.build()
    layer.embeddings.assign([[0.0, 0.0], [2.0, 2.0], [3.0, 3.0]])
    assert layer(np.array([2, 1, 0])).tolist() == [[3, 3], [2, 2], [0, 0]]
    assert layer(np.array([2, 1, 0]))._keras_mask.tolist() == [True, True, False]
    scores = layer(np.array([[1.0, 1.0]]), reverse=True)
    assert scores.tolist() == [[0, 4, 6]]
    assert not hasattr(scores, "_keras_mask")


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="vectors of 2 numbers"):
        layers.ReversibleEmbedding(3, 2)(np.ones((4, 3)), reverse=True)
    with pytest.raises(UnsupportedError, match="reverse_dtype"):
        layers.ReversibleEmbedding(3, 2, reverse_dtype="float16")
    with pytest.raises(ConfigError, match="logit_soft_cap"):
        layers.ReversibleEmbedding(3, 2, logit_soft_cap=0)
    with pytest.raises(UnsupportedError, match="reverse"):
        layers.Embedding(3, 2)(np.ones((4, 3)), reverse=True)


@pytest.mark.parametrize("kind", [layers.Embedding, layers.ReversibleEmbedding])
def test_first_values_are_given(kind):
    table = np.arange(12.0).reshape(3, 4)
    for given in (table, [table]):
        layer = kind(3, 4, weights=given)
        np.testing.assert_array_equal(layer.embeddings, table)
        assert "weights" not in layer.get_config()
    with pytest.raises(ValueError, match="embeddings"):
        kind(3, 4, weights=table.T)
