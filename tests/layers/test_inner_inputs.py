"""A Model that begins at results of layers, inputs nested in another way, and sizes of a nested network's results."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, layers

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def chain(library):
    inputs = library.layers.Input((3,), name="start")
    first = library.layers.Dense(4, name="first")(inputs)
    second = library.layers.Dense(4, activation="relu", name="second")(first)
    return first, second, library.layers.Dense(2, name="third")(second + first)


def test_a_model_that_begins_between_layers_has_an_input_as_in_keras(tmp_path):
    first, second, end = chain(foldnet)
    part = Model(first, end)
    assert [type(layer).__name__ for layer in part.layers] == ["InputLayer", "Dense", "Dense"]
    assert [layer.name for layer in part.layers[1:]] == ["second", "third"]
    assert part.get_layer("second") is second.call.layer  # with its weights
    part.save(tmp_path / "part.keras")
    for back in (
        foldnet.load_model(tmp_path / "part.keras"),
        keras.models.load_model(tmp_path / "part.keras"),
    ):
        np.testing.assert_allclose(
            np.asarray(back.predict(X, verbose=0)), part.predict(X), rtol=1e-5, atol=1e-6
        )
    theirs_first, _, theirs_end = chain(keras)
    theirs = keras.Model(theirs_first, theirs_end)
    theirs.set_weights(part.get_weights())
    np.testing.assert_allclose(theirs.predict(X, verbose=0), part.predict(X), rtol=1e-5, atol=1e-6)


def test_the_whole_network_is_as_before():
    first, _, end = chain(foldnet)
    whole = Model(first.call.inputs[0], end)
    before = whole.predict(X[:, :3])
    part = Model(first, end)
    part.compile("sgd", "mse")
    part.fit(X, np.ones((5, 2)), verbose=0)
    assert [layer.name for layer in whole.layers][:3] == ["start", "first", "second"]
    assert whole.get_layer("second").input is first
    assert not np.array_equal(whole.predict(X[:, :3]), before)  # the layers are shared


def test_an_output_that_is_an_inner_input():
    first, second, _ = chain(foldnet)
    part = Model(first, [first, second])
    np.testing.assert_array_equal(part.predict(X)[0], X)


@pytest.mark.parametrize("wrap", [lambda a: [a], lambda a: (a,)])
def test_an_array_alone_in_a_list_is_the_array(wrap):
    a, b = Input((4,)), Input((4,))
    model = Model([a, b], layers.Add()([a, b]))
    with pytest.warns(UserWarning, match="nested in another way"):
        result = model([wrap(X), X])
    np.testing.assert_allclose(result, 2 * X, rtol=1e-6)
    assert model([[X[0]], [X[1]]]).shape == (1, 4)  # a list of one row is one row


def test_sizes_of_a_batch_pass_through_a_nested_network():
    inputs = Input((3,))
    inner = Model(inputs, {"a": layers.Dense(2)(inputs), "b": layers.Dense(4)(inputs)})
    result = inner(Input((3,), batch_size=7))
    assert {key: tensor.shape for key, tensor in result.items()} == {"a": (7, 2), "b": (7, 4)}
    assert inner(Input((3,)))["a"].shape == (None, 2)
