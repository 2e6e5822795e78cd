"""Networks that strangers make: each must be the same in foldnet, and in Keras again after foldnet saved it."""

from __future__ import annotations

import random

import h5py
import keras
import numpy as np
import pytest

import foldnet
from foldnet import losses, metrics
from foldnet.errors import UnsupportedError
from foldnet.layers import Dense, Input
from foldnet.network import Model
from foldnet.sequential import Sequential

RNG = np.random.default_rng(8)
X = RNG.normal(2, 3, (6, 3)).astype(np.float32)
L = keras.layers


def of(function, **kwargs):
    x = L.Input((3,))
    return keras.Model(x, function(x), **kwargs)


def adapted(name=None):
    norm = L.Normalization(name=name)
    norm.adapt(X)
    return norm


def shared_normalization():
    inner = keras.Sequential([L.Input((3,)), adapted("norm"), L.Dense(3)])
    return of(lambda x: L.Add()([inner(x), inner(adapted()(x))]))


def called_twice():
    inner = of(lambda x: L.BatchNormalization()(L.Dense(3, activation=L.LeakyReLU(0.2))(x)))
    return keras.Sequential([L.Input((3,)), of(lambda x: L.Add()([inner(inner(x)), inner(x)])), L.Dense(2)])


def deferred():
    model = keras.Sequential([L.Dense(3, activation="gelu"), L.BatchNormalization(), L.Dense(2)])
    model.build((None, 3))
    return model


def dictionaries():
    z, a = L.Input((3,), name="x:0"), L.Input((3,), name="моделі 1")
    h = L.Concatenate()([z, a])
    return keras.Model(
        {"x:0": z, "моделі 1": a}, {"ü": L.Dense(2, name="my layer")(h), "b": L.Dense(1, name="vars")(h)}
    )


NETWORKS = {
    "nested normalization": lambda: keras.Sequential(
        [L.Input((3,)), of(lambda x: L.Dense(3)(of(adapted())(x))), L.Dense(2)]
    ),
    "shared normalization": shared_normalization,
    "functional in the middle": lambda: keras.Sequential(
        [L.Input((3,)), L.Dense(3), of(lambda x: of(L.Dense(3))(x)), L.BatchNormalization(), L.Dense(2)]
    ),
    "called twice": called_twice,
    "deferred": deferred,
    "dictionaries": dictionaries,
    "names of others": lambda: keras.Sequential(
        [
            L.Input((3,), name="dense"),
            L.Dense(3, name="batch_normalization"),
            L.BatchNormalization(name="dense_1"),
        ]
    ),
    "names of the file": lambda: of(
        lambda x: of(lambda y: L.Dense(3, name="vars")(L.PReLU(name="layers")(y)), name="optimizer")(x),
        name="vars",
    ),
}


def randomize(model):
    for variable in model.weights:
        if variable.path.rsplit("/")[-1] not in ("mean", "variance", "count"):  # those of a Normalization
            variable.assign(RNG.uniform(0.3, 1.5, variable.shape))
    return model


def data(model):
    keys = model.input if isinstance(model, keras.Model) and len(model.inputs) > 1 else ()
    return {key: X * (i + 1) for i, key in enumerate(keys)} or X


def outputs(result):
    return [np.asarray(value) for value in keras.tree.flatten(result)]


def assert_same(result, expected):
    assert isinstance(result, dict) == isinstance(expected, dict)
    for ours, theirs in zip(outputs(result), outputs(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_foldnet_and_keras_agree_after_every_journey(tmp_path, name):
    live = randomize(NETWORKS[name]())
    x = data(live)
    expected = live(x, training=False)
    for ending in ("keras", "h5"):
        live.save(tmp_path / f"live.{ending}")
        network = foldnet.load_model(tmp_path / f"live.{ending}")
        assert_same(network.predict(x), expected)
        assert_same(foldnet.freeze(network, engine="reference")(x), expected)
        for own in ("keras", "h5"):
            network.save(tmp_path / f"own.{own}")
            assert_same(keras.models.load_model(tmp_path / f"own.{own}")(x, training=False), expected)
            assert_same(foldnet.load_model(tmp_path / f"own.{own}").predict(x), expected)
    network.save_weights(tmp_path / "own.h5")
    network.set_weights([w * 0 for w in network.get_weights()])
    network.load_weights(tmp_path / "own.h5")
    assert_same(network.predict(x), expected)


LOSSES = ["mse", losses.Huber(0.4), losses.LogCosh(name="lc"), losses.MeanSquaredError()]
METRICS = [metrics.RootMeanSquaredError(name="r"), metrics.MeanAbsoluteError(), "mae"]


@pytest.mark.parametrize("seed", range(3))
def test_compile_settings_go_through_one_file_into_the_other(tmp_path, seed):
    """From a file they come as data in that file's words, and must not be written on in those."""
    pick = random.Random(seed)
    x = Input((3,))
    network = Model(x, {"a": Dense(1, name="a")(x), "b": Dense(1, name="b")(x)})
    chosen = {key: pick.choice(LOSSES[1:]) for key in "ab"}
    network.compile("adam", chosen, {"a": 1.0, "b": 0.5}, metrics={"a": METRICS[:2], "b": METRICS[2:]})
    y = {key: RNG.normal(size=(6, 1)) for key in "ab"}
    expected = network.evaluate(X, y, verbose=0, return_dict=True)
    for first in ("keras", "h5"):
        network.save(tmp_path / f"x.{first}")
        for second in ("keras", "h5"):
            foldnet.load_model(tmp_path / f"x.{first}").save(tmp_path / f"y.{second}")
            again = foldnet.load_model(tmp_path / f"y.{second}")
            assert again.evaluate(X, y, verbose=0, return_dict=True) == expected
            live = keras.models.load_model(tmp_path / f"y.{second}")
            live.run_eagerly = True
            assert live.evaluate(X, y, verbose=0) == pytest.approx(
                network.evaluate(X, y, verbose=0), rel=1e-4
            )


def named(name):
    return Sequential([Input((3,)), Dense(2, name=name)])


@pytest.mark.parametrize("name", ["top_level_model_weights", ".", "a//b", "a\0b", "/a"])
def test_names_that_hdf5_cannot_have_are_refused_before_writing(tmp_path, name):
    for save in (named(name).save, named(name).save_weights):
        with pytest.raises(UnsupportedError, match="can be called"):
            save(tmp_path / "x.h5")
    assert not list(tmp_path.iterdir())


def test_a_slash_goes_to_h5_and_not_to_keras(tmp_path):
    network = named("block/dense")
    with pytest.raises(UnsupportedError, match="slash"):
        network.save(tmp_path / "x.keras")
    network.save(tmp_path / "x.h5")
    np.testing.assert_array_equal(foldnet.load_model(tmp_path / "x.h5").predict(X), network.predict(X))
    with h5py.File(tmp_path / "x.h5") as file:
        assert "block/dense" in file["model_weights"]
