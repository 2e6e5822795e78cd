"""Networks of a class of the user's own: their settings, and their places in files, are as Keras has them."""

import keras
import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, Sequential, layers

X = np.random.default_rng(3).normal(size=(5, 3)).astype("f")


def with_setting(base):
    class Own(base):
        def __init__(self, *args, param=1, **kwargs):
            super().__init__(*args, **kwargs)
            self.param = param

        def get_config(self):
            return super().get_config() | {"param": self.param}

    return Own


def made(base, own):
    if base is Sequential:
        return own([Input((3,)), layers.Dense(2)], param=3)
    x = Input((3,))
    return own(inputs=x, outputs=layers.Dense(2)(x), param=3)


@pytest.mark.parametrize("base", [Model, Sequential])
def test_a_setting_of_its_own_comes_back(base, tmp_path):
    own = with_setting(base)
    model = made(base, own)
    assert model.name.startswith("own")
    again = own.from_config(model.get_config())
    assert (type(again), again.param) == (own, 3)
    model.save(tmp_path / "m.keras")
    loaded = foldnet.load_model(tmp_path / "m.keras", custom_objects={"Own": own})
    assert (type(loaded), loaded.param) == (own, 3)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.parametrize("base", [Model, Sequential])
def test_inside_another_network_a_file_has_it_where_keras_looks(base, tmp_path):
    own = with_setting(base)
    inner = made(base, own)
    x = Input((3,))
    outer = Model(x, inner(x))
    outer.save(tmp_path / "m.keras")
    loaded = foldnet.load_model(tmp_path / "m.keras", custom_objects={"Own": own})
    assert loaded.layers[1].param == 3
    np.testing.assert_array_equal(loaded.predict(X), outer.predict(X))
    theirs = with_setting(keras.Model if base is Model else keras.Sequential)
    opened = keras.models.load_model(tmp_path / "m.keras", custom_objects={"Own": theirs})
    if base is Model:  # Keras's Sequential drops settings of its own
        assert opened.layers[1].param == 3
    np.testing.assert_allclose(opened.predict(X, verbose=0), outer.predict(X), rtol=1e-5, atol=1e-6)
    opened.save(tmp_path / "k.keras")
    again = foldnet.load_model(tmp_path / "k.keras", custom_objects={"Own": own})
    np.testing.assert_array_equal(again.predict(X), outer.predict(X))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("source", "target"), [(keras, foldnet), (foldnet, keras), (foldnet, foldnet)])
def test_a_model_goes_both_ways_with_keras(tmp_path, source, target, nested):
    own_class = {library: with_setting(library.Model) for library in (keras, foldnet)}
    inputs = source.layers.Input((3,))
    model = own_class[source](inputs=inputs, outputs=source.layers.Dense(4)(inputs), param=3, name="own")
    if nested:
        model = source.Model(inputs, source.layers.Dense(2)(model(inputs)))
    model.save(tmp_path / "x.keras")
    load = keras.models.load_model if target is keras else foldnet.load_model
    back = load(tmp_path / "x.keras", custom_objects={"Own": own_class[target]})
    own = back.get_layer("own") if nested else back
    assert type(own) is own_class[target]
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
