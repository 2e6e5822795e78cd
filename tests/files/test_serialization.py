"""Configurations of objects: to and from, names of the caller's own, and nothing that a file could run."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import foldnet
from foldnet import activations, constraints, initializers, layers, losses, metrics, optimizers, regularizers
from foldnet.errors import ConfigError, FoldnetError, UnsupportedError
from foldnet.files import registration
from foldnet.network import Model
from foldnet.saving import (
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from foldnet.sequential import Sequential
from tests.files.keras_models import keras


@pytest.fixture(autouse=True)
def nothing_registered():
    yield
    get_custom_objects().clear()
    registration._names.clear()


OBJECTS = {
    "layer": lambda: layers.Dense(3, kernel_initializer="he_normal", activation="relu"),
    "loss": lambda: losses.Huber(delta=0.5),
    "metric": lambda: metrics.AUC(num_thresholds=10),
    "optimizer": lambda: optimizers.Adam(0.5),
    "optimizer with a schedule": lambda: optimizers.SGD(optimizers.schedules.CosineDecay(0.1, 10)),
    "schedule": lambda: optimizers.schedules.ExponentialDecay(0.1, 10, 0.5),
    "initializer": lambda: initializers.HeNormal(seed=3),
    "regularizer": lambda: regularizers.L1L2(0.1, 0.2),
    "constraint": lambda: constraints.MaxNorm(2),
    "network": lambda: Sequential([layers.Input((2,)), layers.Dense(1)]),
    "function": lambda: losses.mean_squared_error,
    "activation": lambda: activations.relu,
    "bytes": lambda: b"hello",
    "slice": lambda: slice(None, np.array([0, 1]), 1),
    "array": lambda: np.array([0.5, 1]),
    "nested": lambda: {"a": [1, 2.5, None, True, "x", Ellipsis], "b": {"c": regularizers.L2(0.5)}},
}


@pytest.mark.parametrize("name", OBJECTS)
def test_there_and_back(name):
    stored = serialize_keras_object(OBJECTS[name]())
    again = deserialize_keras_object(json.loads(json.dumps(stored)))
    assert json.dumps(serialize_keras_object(again)) == json.dumps(stored)


THEIRS = {
    "layer": lambda: keras.layers.Dense(3, kernel_initializer="he_normal"),
    "loss": lambda: keras.losses.Huber(delta=0.5),
    "optimizer": lambda: keras.optimizers.Adam(0.5),
    "schedule": lambda: keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5),
    "regularizer": lambda: keras.regularizers.L2(0.5),
    "constraint": lambda: keras.constraints.MaxNorm(2),
    "function": lambda: keras.losses.mean_squared_error,
    "activation": lambda: keras.activations.relu,
    "array": lambda: np.array([0.5, 1]),
}


@pytest.mark.parametrize("name", THEIRS)
def test_what_keras_stores_is_read_and_the_other_way_round(name):
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(THEIRS[name]())))
    ours = deserialize_keras_object(stored)
    back = keras.saving.deserialize_keras_object(json.loads(json.dumps(serialize_keras_object(ours))))
    assert type(back) is type(THEIRS[name]())


class Wide(layers.Dense):
    """A class without code, of settings alone."""


class Plain(Model):
    pass


def double(x):
    return 2 * x


def test_registered_names():
    register_keras_serializable("mine")(double)
    assert get_registered_name(double) == "mine>double"
    assert get_registered_object("mine>double") is double
    assert deserialize_keras_object(serialize_keras_object(double)) is double
    keras36 = {
        "module": "builtins",
        "class_name": "function",
        "config": "double",
        "registered_name": "function",
    }
    assert deserialize_keras_object(keras36) is double
    with pytest.raises(ConfigError, match="get_config"):
        register_keras_serializable()(type("Nothing", (), {}))


def test_scope():
    with custom_object_scope({"double": double}):
        assert get_registered_object("double") is double
        assert deserialize_keras_object("double") is double
    assert get_registered_object("double") is None
    with pytest.raises(ConfigError, match=r"no function 'double'.*custom_objects"):
        deserialize_keras_object(serialize_keras_object(double))


def test_own_classes_in_files(tmp_path):
    x = layers.Input((2,))
    model = Plain(x, Wide(3, name="wide")(x))
    model.save(tmp_path / "x.keras")
    with pytest.raises(UnsupportedError, match="Plain"):
        foldnet.load_model(tmp_path / "x.keras")
    loaded = foldnet.load_model(tmp_path / "x.keras", custom_objects={"Plain": Plain, "Wide": Wide})
    assert type(loaded) is Plain
    assert type(loaded.layers[1]) is Wide
    np.testing.assert_array_equal(loaded.layers[1].kernel, model.layers[1].kernel)
    stored = serialize_keras_object(model)
    assert type(deserialize_keras_object(stored, custom_objects={"Plain": Plain, "Wide": Wide})) is Plain


def test_a_registered_activation_in_a_file(tmp_path):
    register_keras_serializable("mine")(double)
    model = Sequential([layers.Input((2,)), layers.Dense(3, activation=double)])
    model.save(tmp_path / "x.keras")
    x = np.ones((4, 2), "float32")
    expected = model.predict(x)
    np.testing.assert_array_equal(foldnet.load_model(tmp_path / "x.keras").predict(x), expected)
    get_custom_objects().clear()
    with pytest.raises(FoldnetError, match="double"):
        foldnet.load_model(tmp_path / "x.keras")
    given = foldnet.load_model(tmp_path / "x.keras", custom_objects={"double": double})
    np.testing.assert_array_equal(given.predict(x), expected)


def ratio_loss(y_true, y_pred):
    return foldnet.ops.mean((y_true - y_pred) ** 2, axis=-1)


@pytest.mark.parametrize("name", ["x.keras", "x.h5"])
def test_a_registered_loss_in_a_file(tmp_path, name):
    register_keras_serializable("mine")(ratio_loss)
    model = Sequential([layers.Input((2,)), layers.Dense(3)])
    model.compile("sgd", ratio_loss, metrics=[ratio_loss])
    x, y = np.ones((4, 2), "float32"), np.zeros((4, 3), "float32")
    model.fit(x, y, verbose=0)
    model.save(tmp_path / name)
    expected = model.evaluate(x, y, verbose=0)
    assert foldnet.load_model(tmp_path / name).evaluate(x, y, verbose=0) == expected
    get_custom_objects().clear()
    with pytest.raises(FoldnetError, match="ratio_loss"):
        foldnet.load_model(tmp_path / name).evaluate(x, y, verbose=0)
    given = foldnet.load_model(tmp_path / name, custom_objects={"mine>ratio_loss": ratio_loss})
    assert given.evaluate(x, y, verbose=0) == expected


def test_a_registered_name_does_not_hide_keras_s_own(tmp_path):
    model = Sequential([layers.Input((2,)), layers.Dense(3, activation="relu")])
    model.compile("sgd", "mean_squared_error")
    model.save(tmp_path / "x.keras")
    register_keras_serializable("mine", "relu")(double)
    register_keras_serializable("mine", "mean_squared_error")(ratio_loss)
    loaded = foldnet.load_model(tmp_path / "x.keras")
    x = np.array([[-1.0, 2.0], [3.0, -4.0]], "float32")
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert loaded.loss == "mean_squared_error"


BAD = {
    "a lambda": {"class_name": "__lambda__", "config": {"value": "4wEAAA"}},
    "an unknown class": {"class_name": "Popen", "module": "subprocess", "config": {}},
    "an unknown function": {"class_name": "function", "module": "os", "config": "system"},
    "a list of settings": {"class_name": "Dense", "config": [1, 2]},
    "a function of lists": {"class_name": "function", "config": ["a"]},
    "a type of TensorFlow's": {"class_name": "__typespec__", "config": "x"},
    "a class that is a dict": {"class_name": {"a": 1}, "config": {}},
    "two names": {
        "class_name": "Dense", "module": "keras.layers", "registered_name": "builtins.eval", "config": {"units": 1},
    },
    "two names of a function": {"class_name": "function", "registered_name": "other", "config": "relu"},
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    with pytest.raises(FoldnetError):
        deserialize_keras_object(BAD[name])


def test_lambdas_are_refused():
    with pytest.raises(ValueError, match="arbitrary code execution"):
        serialize_keras_object(lambda x: x)
    with pytest.raises(UnsupportedError, match="safe_mode"):
        deserialize_keras_object({}, safe_mode=False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["class_name", "config", "module", "registered_name", "x"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["Dense", "L2", "Adam", "Huber", "AUC", "function", "__slice__", "__array__", "Sequential"]
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(config=JSON | st.fixed_dictionaries({"class_name": NAMES, "config": JSON, "module": JSON}))
def test_anything_gives_an_object_or_an_error_of_foldnets(config):
    with contextlib.suppress(FoldnetError):
        deserialize_keras_object(config)


def test_a_sequential_that_is_not_built_has_a_configuration_but_no_file(tmp_path):
    model = Sequential([layers.Dense(4), layers.Dense(5)], name="seq")
    for back in (
        deserialize_keras_object(serialize_keras_object(model)),
        foldnet.models.model_from_json(model.to_json()),
        Sequential.from_config(model.get_config()),
    ):
        assert type(back) is Sequential
        assert [layer.units for layer in back.layers] == [4, 5]
        assert not back.built
    with pytest.raises(ConfigError, match="not built"):
        model.save(tmp_path / "seq.keras")
