"""A Model that begins at another's results: an Input in their place, the same layers behind it."""

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, layers
from foldnet.errors import ConfigError

X = np.random.default_rng(4).normal(size=(6, 3)).astype("f")


def whole(kit, inputs, model):
    """Two paths from a shared layer, an operation, and a nested network."""
    x = inputs((3,), name="x")
    first = kit.Dense(4, name="first")(x)
    inner_x = inputs((4,))
    inner = model(inner_x, kit.Dense(4, activation="tanh", name="inside")(inner_x), name="inner")
    middle = inner(first * 2.0)
    normed = kit.BatchNormalization(name="normed")(middle)
    return model(x, kit.Add(name="sum")([normed, first]))


def names(model):
    return [layer.name for layer in model.layers[1:]]


def test_it_has_kerass_layers_and_the_same_weights():
    ours, theirs = whole(layers, Input, Model), whole(keras.layers, keras.Input, keras.Model)
    ours.set_weights([np.random.default_rng(8).uniform(0.5, 2, w.shape) for w in ours.get_weights()])
    theirs.set_weights(ours.get_weights())
    for start, end in (("first", "sum"), ("first", "normed"), ("x", "normed")):
        part = Model(ours.get_layer(start).output, ours.get_layer(end).output)
        expected = keras.Model(theirs.get_layer(start).output, theirs.get_layer(end).output)
        assert isinstance(part.layers[0], layers.InputLayer)
        assert part.input_shape == expected.input_shape
        assert names(part) == [n for n in names(expected) if not n.startswith("multiply")]
        assert part.get_layer("normed") is ours.get_layer("normed")
        rows = Model(ours.input, ours.get_layer(start).output).predict(X)
        np.testing.assert_allclose(
            part.predict(rows), expected.predict(rows, verbose=0), rtol=1e-5, atol=1e-6
        )


def test_it_is_saved_cloned_and_trained(tmp_path):
    full = whole(layers, Input, Model)
    full.set_weights([np.random.default_rng(9).uniform(0.5, 2, w.shape) for w in full.get_weights()])
    first = Model(full.input, full.get_layer("first").output)
    rows, expected = first.predict(X), full.predict(X)
    part = Model([full.get_layer("first").output], full.output)
    np.testing.assert_array_equal(part.predict(rows), expected)
    part.save(tmp_path / "part.keras")
    np.testing.assert_array_equal(foldnet.load_model(tmp_path / "part.keras").predict(rows), expected)
    theirs = keras.models.load_model(tmp_path / "part.keras")
    np.testing.assert_allclose(theirs.predict(rows, verbose=0), expected, rtol=1e-5, atol=1e-6)
    full.save(tmp_path / "full.keras")  # the calls of the part are none of its own
    np.testing.assert_array_equal(foldnet.load_model(tmp_path / "full.keras").predict(X), expected)
    copy = foldnet.models.clone_model(part)
    copy.set_weights(part.get_weights())
    np.testing.assert_array_equal(copy.predict(rows), expected)
    part.compile("sgd", "mse")
    part.fit(rows, np.ones((6, 4)), verbose=0)
    assert not np.array_equal(full.predict(X), expected)


def test_an_input_may_stand_beside_a_result():
    x, other = Input((3,)), Input((4,), name="other")
    hidden = layers.Dense(4)(x)
    full = Model([x, other], layers.Multiply()([layers.Dense(4)(hidden), other]))
    part = Model([hidden, other], full.output)
    assert part.input_names[1] == "other"
    rows = Model(x, hidden).predict(X)
    np.testing.assert_array_equal(part.predict([rows, rows]), full.predict([X, rows]))


def test_outputs_that_do_not_come_from_it_are_refused():
    x = Input((3,), name="data")
    hidden = layers.Dense(4)(x)
    with pytest.raises(ConfigError, match="needs the input 'data'"):
        Model(hidden, layers.Dense(2)(x))


def test_a_result_may_be_input_and_output():
    x = Input((3,))
    hidden = layers.Dense(4)(x)
    part = Model(hidden, [hidden, layers.Dense(2)(hidden)])
    rows = np.ones((2, 4), "f")
    np.testing.assert_array_equal(part.predict(rows)[0], rows)
