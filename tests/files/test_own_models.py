"""Classes of one's own made from Model go both ways with Keras."""

from __future__ import annotations

import numpy as np
import pytest
from keras_models import keras

import foldnet


def model_class(library):
    class OwnModel(library.Model):
        def __init__(self, *args, param=1, **kwargs):
            super().__init__(*args, **kwargs)
            self.param = param

        def get_config(self):
            return super().get_config() | {"param": self.param}

    return OwnModel


OWN = {library: model_class(library) for library in (keras, foldnet)}
X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def network(library, nested):
    inputs = library.layers.Input((3,))
    own = OWN[library](inputs=inputs, outputs=library.layers.Dense(4)(inputs), param=3, name="own")
    return library.Model(inputs, library.layers.Dense(2)(own(inputs))) if nested else own


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("source", "target"), [(keras, foldnet), (foldnet, keras), (foldnet, foldnet)])
def test_both_ways_with_keras(tmp_path, source, target, nested):
    model = network(source, nested)
    model.save(tmp_path / "x.keras")
    load = keras.models.load_model if target is keras else foldnet.load_model
    back = load(tmp_path / "x.keras", custom_objects={"OwnModel": OWN[target]})
    own = back.get_layer("own") if nested else back
    assert type(own) is OWN[target]
    assert own.param == 3
    np.testing.assert_allclose(
        back.predict(X, verbose=0), np.asarray(model.predict(X, verbose=0)), rtol=1e-5, atol=1e-6
    )


def test_a_model_that_makes_its_layers_itself(tmp_path):
    class Whole(foldnet.Model):
        def __init__(self, **kwargs):
            inputs = foldnet.layers.Input((3,))
            dense = foldnet.layers.Dense(2)
            super().__init__(inputs, dense(inputs), **kwargs)
            self.dense = dense

        def get_config(self):
            return {}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    model = Whole()
    model.compile("adam", "mse")
    model.save(tmp_path / "x.keras")
    back = foldnet.load_model(tmp_path / "x.keras", custom_objects={"Whole": Whole})
    assert type(back) is Whole
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    assert back.optimizer.name == model.optimizer.name
