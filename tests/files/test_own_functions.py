"""Losses, metrics and activations of one's own: a file names them, and who opens it supplies them, as in Keras."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import foldnet
from foldnet.errors import ConfigError, FoldnetError, UnsupportedError
from tests.files.keras_models import keras

X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
Y = X[:, :2] * 2


def own_of(library):
    """A loss, an activation and a class of losses in a library's words."""
    ops = library.ops

    def own_loss(y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred), axis=-1)

    def own_act(x):
        return 2 * (ops if library is keras else np).tanh(x)

    class OwnLoss(library.losses.Loss):
        def __init__(self, factor=1.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def call(self, y_true, y_pred):
            return self.factor * ops.mean(ops.square(y_true - y_pred), axis=-1)

        def get_config(self):
            return {**super().get_config(), "factor": self.factor}

    return {"own_loss": own_loss, "own_act": own_act, "OwnLoss": OwnLoss}


OWN = {library: own_of(library) for library in (keras, foldnet)}


def network(library, loss, activation=None, metrics=None):
    L = library.layers
    model = library.Sequential([L.Input((3,)), L.Dense(2, activation=activation)])
    model.compile("sgd", loss=loss, metrics=metrics)
    return model


@pytest.mark.filterwarnings("ignore:training steps run on the slower")
@pytest.mark.filterwarnings("ignore:numbers come from the slower")
@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("kind", ["own_loss", "OwnLoss"])
@pytest.mark.parametrize(("source", "target"), [(keras, foldnet), (foldnet, keras), (foldnet, foldnet)])
def test_both_ways_with_keras(tmp_path, source, target, kind, ending):
    own = OWN[source]
    loss = own[kind] if kind == "own_loss" else own[kind](factor=3.0)
    model = network(source, loss, own["own_act"], [own["own_loss"]])
    model.save(tmp_path / f"x.{ending}")
    load = keras.models.load_model if target is keras else foldnet.load_model
    back = load(tmp_path / f"x.{ending}", custom_objects=OWN[target])
    np.testing.assert_allclose(back.evaluate(X, Y, verbose=0), model.evaluate(X, Y, verbose=0), rtol=1e-5)


def test_what_was_not_supplied_is_asked_for_by_name(tmp_path):
    network(foldnet, OWN[foldnet]["own_loss"]).save(tmp_path / "x.keras")
    back = foldnet.load_model(tmp_path / "x.keras")
    assert back.predict(X).shape == (8, 2)  # for which no loss is needed
    with pytest.raises(FoldnetError, match=r"own_loss.*custom_objects"):
        back.evaluate(X, Y)
    network(foldnet, OWN[foldnet]["OwnLoss"]()).save(tmp_path / "x.keras")
    with pytest.raises(FoldnetError, match=r"OwnLoss.*custom_objects"):
        foldnet.load_model(tmp_path / "x.keras").evaluate(X, Y)
    network(foldnet, "mse", OWN[foldnet]["own_act"]).save(tmp_path / "y.keras")
    with pytest.raises(UnsupportedError, match="own_act"):
        foldnet.load_model(tmp_path / "y.keras")


def test_a_name_that_means_something_else_is_refused(tmp_path):
    def mse(y_true, y_pred):
        return foldnet.ops.mean(y_pred, axis=-1)

    def relu(x):
        return np.maximum(x, 1.0)

    class Huber(foldnet.losses.Loss):
        def call(self, y_true, y_pred):
            return foldnet.ops.mean(y_pred, axis=-1)

    partial = functools.partial(mse)
    for loss in (mse, Huber(), lambda y_true, y_pred: foldnet.ops.mean(y_pred, axis=-1), partial):
        model = network(foldnet, loss)
        for name in ("x.keras", "x.h5"):
            with pytest.raises(
                UnsupportedError, match=r"your own code without a unique name.*include_optimizer=False"
            ):
                model.save(tmp_path / name)
            model.save(tmp_path / name, include_optimizer=False)
            assert foldnet.load_model(tmp_path / name).optimizer is None
    for activation in (relu, lambda x: x):
        for name in ("x.keras", "x.h5"):
            with pytest.raises(UnsupportedError, match="function of your own without a name"):
                network(foldnet, "mse", activation).save(tmp_path / name)


def test_a_name_under_which_another_function_is_registered_is_refused(tmp_path):
    @foldnet.saving.register_keras_serializable("own_test")
    def twice(y_true, y_pred):
        return foldnet.ops.mean(y_pred, axis=-1)

    first = twice

    def twice(y_true, y_pred):
        return foldnet.ops.mean(y_true, axis=-1)

    try:
        network(foldnet, first).save(tmp_path / "x.keras")
        assert foldnet.load_model(tmp_path / "x.keras").loss is not None
        with pytest.raises(UnsupportedError, match="twice is your own code"):
            network(foldnet, twice).save(tmp_path / "x.keras")
    finally:
        del foldnet.saving.get_custom_objects()["own_test>twice"]


def test_configurations_name_functions_as_files_do():
    own = OWN[foldnet]["own_act"]
    layer = foldnet.layers.Dense(2, activation=own)
    stored = foldnet.saving.serialize_keras_object(layer)
    assert stored["config"]["activation"] == {
        "module": "builtins", "class_name": "function", "config": "own_act", "registered_name": "function",
    }  # fmt: skip
    back = foldnet.saving.deserialize_keras_object(stored, custom_objects={"own_act": own})
    assert back.activation is own
    with pytest.raises((ConfigError, UnsupportedError), match="own_act"):
        foldnet.saving.deserialize_keras_object(stored)
