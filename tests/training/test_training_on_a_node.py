"""``training=`` in a call inside a network: what all Keras releases do alike is done, the rest refused."""

import keras
import numpy as np
import pytest

from foldnet import Input, Model, Sequential, freeze, layers, optimizers
from foldnet.errors import UnsupportedError
from foldnet.files import load_model
from tests.support.keras_pairs import random_weights

RNG = np.random.default_rng(12)
ROWS, TARGETS = RNG.normal(2, 3, (40, 5)).astype(np.float32), RNG.normal(size=(40, 1)).astype(np.float32)


def normalizing(k, model, said, **settings):
    """A normalization that learns alone, and one that is called with ``training=said``."""
    x = k.Input((5,))
    y = k.Activation("tanh")(k.BatchNormalization(momentum=0.8)(x))
    return model(x, k.Dense(1)(k.BatchNormalization(momentum=0.7, **settings)(y, training=said)))


def nested(k, model, said):
    """The same in a network that is called so."""
    inside, x = k.Input((5,)), k.Input((5,))
    inner = model(inside, k.Activation("tanh")(k.BatchNormalization(momentum=0.8)(inside)))
    return model(x, k.Dense(1)(inner(k.BatchNormalization(momentum=0.7)(x), training=said)))


BUILDS = [
    normalizing,
    lambda k, model, said: normalizing(k, model, said, renorm=True, renorm_clipping={"rmax": 2.0}),
    nested,
]


def pair(build, said=True):
    theirs, ours = build(keras.layers, keras.Model, said), build(layers, Model, said)
    ours.set_weights(random_weights(theirs, np.random.default_rng(3)))
    return theirs, ours


def same_weights(theirs, ours):
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", BUILDS)
def test_training_true_fits_as_keras_does(build, both_engines):
    theirs, ours = pair(build)
    weights = ours.get_weights()
    settings = {"batch_size": 16, "epochs": 10, "shuffle": False, "verbose": 0}
    theirs.compile(keras.optimizers.SGD(0.001), "mse")
    expected = theirs.fit(ROWS, TARGETS, **settings).history["loss"]
    for _ in both_engines():
        ours.set_weights(weights)
        ours.compile(optimizers.SGD(0.001), "mse")
        history = ours.fit(ROWS, TARGETS, **settings).history["loss"]
        np.testing.assert_allclose(history, expected, rtol=1e-4)
        same_weights(theirs, ours)


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("build", BUILDS)
def test_a_call_on_arrays_follows_the_network_s_own_word(build, said):
    """The called layers use the batch and move, the others rest."""
    theirs, ours = pair(build, said)
    before = ours.get_weights()
    for rows in (ROWS, ROWS[:7]):
        np.testing.assert_allclose(ours(rows), np.asarray(theirs(rows)), rtol=1e-4, atol=1e-4)
    same_weights(theirs, ours)
    assert any((a != b).any() for a, b in zip(before, ours.get_weights(), strict=True)) == said


def test_dropout_that_always_drops():
    x = Input((50,))
    model = Model(x, layers.Dropout(0.5)(layers.Dropout(0.9)(x), training=True))
    one, two = model(np.ones((40, 50))), model(np.ones((40, 50)))
    assert set(np.unique(one)) == {0.0, 2.0}
    assert abs(one.mean() - 1) < 0.1
    assert (one != two).any()


REFUSED = {
    "predict": lambda m: m.predict(ROWS, verbose=0),
    "a call with training=False": lambda m: m(ROWS, training=False),
    "freeze": freeze,
    "evaluate": lambda m: m.evaluate(ROWS, TARGETS, verbose=0),
    "validation data": lambda m: m.fit(ROWS, TARGETS, validation_data=(ROWS, TARGETS), verbose=0),
    "a validation split": lambda m: m.fit(ROWS, TARGETS, validation_split=0.2, verbose=0),
}


@pytest.mark.parametrize("use", REFUSED)
@pytest.mark.parametrize("build", [normalizing, nested])
def test_where_keras_releases_differ_it_is_refused(build, use):
    model = build(layers, Model, True)
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(UnsupportedError, match=r"training=True.*model\(x\)"):
        REFUSED[use](model)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("use", REFUSED)
def test_where_it_changes_nothing_it_is_no_matter(use):
    x = Input((5,))
    frozen = layers.BatchNormalization(trainable=False)(x, training=True)
    model = Model(x, layers.Dense(1)(layers.Activation("relu")(frozen, training=True)))
    model.compile("sgd", "mse")
    REFUSED[use](model)


def test_a_network_called_with_training_false_rests_in_a_fit(both_engines):
    """Fine-tuning: the statistics inside rest, and gamma and beta learn."""
    for _ in both_engines():
        norm = layers.BatchNormalization()
        base = Sequential([Input((5,)), layers.Dense(4), norm, layers.Dropout(0.9)])
        x = Input((5,))
        model = Model(x, layers.Dense(1)(base(x, training=False)))
        rng = np.random.default_rng(6)
        norm.set_weights([rng.uniform(0.5, 2, w.shape) for w in norm.get_weights()])
        model.compile("sgd", "mse")
        before = norm.get_weights()
        expected = model.evaluate(ROWS, TARGETS, verbose=0)
        history = model.fit(ROWS, TARGETS, batch_size=40, verbose=0).history["loss"]
        np.testing.assert_allclose(history[0], expected, rtol=1e-5)
        np.testing.assert_array_equal(norm.moving_mean, before[2])
        np.testing.assert_array_equal(norm.moving_variance, before[3])
        assert (norm.gamma != before[0]).any()
        assert (norm.beta != before[1]).any()


def test_a_file_keeps_the_word(tmp_path):
    theirs, _ = pair(normalizing)
    theirs.save(tmp_path / "mc.keras")
    ours = load_model(tmp_path / "mc.keras")
    np.testing.assert_allclose(ours(ROWS), np.asarray(theirs(ROWS)), rtol=1e-4, atol=1e-5)
    same_weights(theirs, ours)
