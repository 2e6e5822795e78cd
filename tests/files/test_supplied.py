"""What a file cannot say is refused by name, and can be supplied."""

from __future__ import annotations

import functools
import types

import numpy as np
import pytest

import foldnet
from foldnet import activations
from foldnet.errors import UnsupportedError
from tests.files import keras_models as km
from tests.files.keras_models import L, assert_same, keras, randomize, rows

pytestmark = pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")


def capped(x):
    return keras.activations.relu(x, max_value=20, negative_slope=0.1)


def with_lambda(tmp_path, activation):
    model = randomize(
        keras.Sequential([L.Input((4,)), L.Dense(5, activation=activation, name="odd"), L.Dense(2)])
    )
    path = tmp_path / "m.keras"
    model.save(path)
    return model, path


CAPPED = functools.partial(activations.relu, max_value=20, negative_slope=0.1)


@pytest.mark.parametrize(("activation", "key"), [(lambda x: capped(x), "<lambda>"), (capped, "capped")])
def test_activation(tmp_path, activation, key):
    model, path = with_lambda(tmp_path, activation)
    with pytest.raises(UnsupportedError, match=f"'odd'.*{key}.*activations="):
        foldnet.load_model(path)
    numpy_function = lambda x: np.where(x > 0, np.minimum(x, 20), 0.1 * x)  # noqa: E731
    for function in (numpy_function, CAPPED):
        assert_same(foldnet.load_model(path, activations={key: function}), model, 9 * rows(50, 4))
    assert_same(foldnet.from_keras(model, activations={key: CAPPED}), model, rows(50, 4))
    known = activations.known(foldnet.load_model(path, activations={key: CAPPED}).get_layer("odd").activation)
    assert known is not None  # it compiles: foldnet knows what the partial computes


def test_registered_function_by_its_short_name(tmp_path):
    keras.saving.register_keras_serializable("mine")(capped)
    model, path = with_lambda(tmp_path, capped)
    with pytest.raises(UnsupportedError, match="mine>capped"):
        foldnet.load_model(path)
    for key in ("mine>capped", "capped"):
        assert_same(foldnet.load_model(path, activations={key: CAPPED}), model, rows(50, 4))


def test_lambda_layer(tmp_path):
    layers = [L.Input((4,)), L.Dense(3), L.Lambda(lambda x: x * x, name="square"), L.Dense(2)]
    model = randomize(keras.Sequential(layers))
    model.save(tmp_path / "m.keras")
    with pytest.raises(UnsupportedError, match=r"'square'.*never runs.*activations="):
        foldnet.load_model(tmp_path / "m.keras")
    network = foldnet.load_model(tmp_path / "m.keras", activations={"square": np.square})
    assert_same(network, model, rows(6, 4))


def test_custom_layer(tmp_path):
    class Doubling(L.Layer):
        def call(self, x):
            return 2 * x

    model = randomize(keras.Sequential([L.Input((4,)), L.Dense(3), Doubling(name="twice")]))
    model.save(tmp_path / "m.keras")
    with pytest.raises(UnsupportedError, match=r"'twice' is a Doubling.*not one of Keras's"):
        foldnet.load_model(tmp_path / "m.keras")
    for key in ("twice", "Doubling"):
        network = foldnet.load_model(tmp_path / "m.keras", activations={key: lambda x: 2 * x})
        assert_same(network, model, rows(6, 4))


def test_layer_of_another_family_is_refused_by_name(tmp_path):
    model = keras.Sequential([L.Input((3, 6, 2)), L.ConvLSTM1D(2, 3, name="seq")])
    model.save(tmp_path / "m.keras")
    with pytest.raises(UnsupportedError, match=r"'seq' is a ConvLSTM1D"):
        foldnet.load_model(tmp_path / "m.keras")


def test_a_model_of_tf_keras_by_its_own_words():
    """tf_keras itself is not here: an object with its class's module, configuration and variables stands for one."""

    def variable(name, value):
        return types.SimpleNamespace(name=name, numpy=lambda: np.asarray(value, np.float32))

    def layer(name, **values):
        weights = [variable(f"{name}/{key}:0", value) for key, value in values.items()]
        return types.SimpleNamespace(name=name, weights=weights)

    class Sequential:
        name, built, input_shape, optimizer = "m", True, (None, 2), None
        # A moving statistic first: places must not matter, names must.
        layers = (
            layer(
                "bn", moving_variance=[4.0, 9.0], moving_mean=[1.0, 2.0], gamma=[2.0, 3.0], beta=[0.5, -0.5]
            ),
            layer("d", bias=[0.25], kernel=[[1.0], [2.0]]),
        )
        weights = layers[0].weights + layers[1].weights

        def get_config(self):
            bn = {"name": "bn", "axis": [1], "epsilon": 0.0, "momentum": 0.99, "center": True, "scale": True}
            dense = {"name": "d", "units": 1, "activation": "hard_sigmoid"}
            records = [
                {"class_name": "BatchNormalization", "config": bn},
                {"class_name": "Dense", "config": dense},
            ]
            return {"name": "m", "layers": records, "build_input_shape": (None, 2)}

    Sequential.__module__ = "tf_keras.src.engine.sequential"
    network = foldnet.from_keras(Sequential())
    x = np.array([[2.0, 5.0]])
    h = (x - [1, 2]) / np.sqrt([4, 9]) * [2, 3] + [0.5, -0.5]
    np.testing.assert_allclose(km.outputs(network, x)[0], h @ [[1], [2]] + 0.25 > 2.5, atol=1e-6)


def test_live_model_of_another_kind():
    with pytest.raises(UnsupportedError, match=r"takes a keras.Model"):
        foldnet.from_keras(object())
