"""Weights that a file has in part, arguments of saving and loading, and directories in an archive's place."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import foldnet
from foldnet.errors import ConfigError, FileFormatError, MissingFileError, UnsupportedError
from foldnet.layers import Dense, Input
from foldnet.sequential import Sequential
from tests.files.keras_models import keras


def network(units=4, last="last"):
    return Sequential([Input((3,)), Dense(units, name="first"), Dense(2, name=last)])


@pytest.mark.parametrize("name", ["x.weights.h5", "x.h5", "x.keras"])
def test_what_does_not_fit_is_named_and_kept(tmp_path, name):
    target = network(4)
    wider = Sequential([Input((3,)), Dense(4, name="first"), Dense(5, name="last")])
    write = wider.save if name.endswith("keras") else wider.save_weights
    write(tmp_path / name)
    before = target.layers[1].get_weights()
    with pytest.raises(FileFormatError):
        target.load_weights(tmp_path / name)
    np.testing.assert_array_equal(target.layers[1].get_weights()[0], before[0])
    with pytest.warns(UserWarning, match="layer 'last' keeps its weights"):
        target.load_weights(tmp_path / name, skip_mismatch=True)
    np.testing.assert_array_equal(target.layers[0].kernel, wider.layers[0].kernel)
    for now, old in zip(target.layers[1].get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, old)


def test_layers_to_skip(tmp_path):
    source = network()
    source.layers[0].set_weights([np.ones((3, 4)), np.ones(4)])
    path = tmp_path / "x.weights.h5"
    source.save_weights(path)
    target = network()
    before = np.array(target.layers[0].kernel)
    target.load_weights(path, objects_to_skip=[target.layers[0]])
    np.testing.assert_array_equal(target.layers[0].kernel, before)
    np.testing.assert_array_equal(target.layers[1].kernel, source.layers[1].kernel)
    source.save_weights(path, objects_to_skip=[source.layers[0]])
    with pytest.raises(FileFormatError):
        target.load_weights(path)
    target.load_weights(path, objects_to_skip=[target.layers[0]])
    with pytest.raises(ConfigError, match=r"only supports .weights.h5"):
        source.save_weights(tmp_path / "x.h5", objects_to_skip=[source.layers[0]])


def test_by_name(tmp_path):
    source, target = network(), network(last="new")
    source.save_weights(tmp_path / "x.h5")
    target.load_weights(tmp_path / "x.h5", by_name=True)
    np.testing.assert_array_equal(target.layers[0].kernel, source.layers[0].kernel)
    assert not np.array_equal(target.layers[1].kernel, source.layers[1].kernel)


@pytest.mark.parametrize(
    ("name", "arguments", "match"),
    [
        ("x.keras", {"objects_to_skip": []}, r"\.weights\.h5"),
        ("x.h5", {"objects_to_skip": []}, r"\.weights\.h5"),
        ("x.keras", {"by_name": True}, "legacy"),
        ("x.weights.h5", {"by_name": True}, "legacy"),
        ("x.keras", {"other": 1}, "does not take other"),
    ],
)
def test_arguments_of_load_weights(name, arguments, match):
    with pytest.raises(ConfigError, match=match):
        network().load_weights(name, **arguments)


def test_arguments_of_save(tmp_path):
    model = network()
    with pytest.raises(ConfigError, match=r"not taken.*random_arg"):
        model.save(tmp_path / "x.keras", random_arg=True)
    with pytest.raises(ValueError, match="save_format='keras' is deprecated"):
        model.save(tmp_path / "x.txt", save_format="keras")
    with pytest.warns(DeprecationWarning, match="save_format") as caught:
        model.save(tmp_path / "x.keras", save_format="keras")
    assert caught[0].filename == __file__


def test_a_missing_file_is_both(tmp_path):
    with pytest.raises(MissingFileError) as caught:
        foldnet.load_model(tmp_path / "x.keras")
    assert isinstance(caught.value, ValueError)
    assert caught.value.filename == str(tmp_path / "x.keras")
    assert "No such file" in str(caught.value)


def test_unzipped(tmp_path):
    model = network()
    with pytest.raises(ConfigError, match="should not end in"):
        model.save(tmp_path / "x.keras", zipped=False)
    model.save(tmp_path / "x", zipped=False)
    loaded = foldnet.load_model(tmp_path / "x")
    theirs = keras.saving.load_model(tmp_path / "x")
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    np.testing.assert_allclose(theirs(x), model.predict(x), atol=1e-6)


@pytest.mark.parametrize("names", [("a", "a/a"), ("a/a", "a"), ("a", "a/a/kernel:0")])
def test_a_layer_among_another_layers_weights(tmp_path, names):
    model = Sequential([Input((2,)), *[Dense(2, name=name) for name in names]])
    with pytest.raises(UnsupportedError, match="among the weights of another layer"):
        model.save(tmp_path / "x.h5")
    assert not list(tmp_path.iterdir())


def test_names_with_slashes_that_do_not_clash(tmp_path):
    model = Sequential([Input((2,)), Dense(2, name="a"), Dense(2, name="a/b")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.save(tmp_path / "x.h5")
    for ours, again in zip(
        model.get_weights(), foldnet.load_model(tmp_path / "x.h5").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, again)
