"""Weights in several files: both ways with live Keras, what is written when, and maps that lie."""

from __future__ import annotations

import json

import numpy as np
import pytest

import foldnet
from foldnet.disk.atomic import write_all
from foldnet.errors import ConfigError, FileFormatError, SettingTypeError
from tests.files.keras_models import keras

GB = 1024**3
SIZES = [1, 300 / GB]
"""All in one file; and layers apart, with the optimizer's variables over several."""


def trained(library):
    L = library.layers
    inputs = L.Input((4,))
    x = L.BatchNormalization(name="b")(L.Dense(7, name="a")(inputs))
    x = library.Sequential([L.Input((7,)), L.Dense(5, name="x"), L.Dense(5, name="y")], name="inner")(x)
    model = library.Model(inputs, L.Dense(2, name="c")(x))
    model.compile(optimizer="adam", loss="mse")
    rng = np.random.default_rng(0 if library is keras else 1)
    model.set_weights([rng.normal(size=w.shape) ** 2 for w in model.get_weights()])
    model.fit(rng.normal(size=(8, 4)), rng.normal(size=(8, 2)), verbose=0)
    return model


@pytest.fixture(scope="module")
def models():
    return {keras: trained(keras), foldnet: trained(foldnet)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("source", "target"), [(keras, foldnet), (foldnet, keras), (foldnet, foldnet)])
def test_both_ways_with_keras(tmp_path, models, source, target, size):
    path = tmp_path / "net.weights.json"
    models[source].save_weights(path, max_shard_size=size)
    other = models[target] if source is not target else trained(target)
    other.fit(np.zeros((8, 4)), np.ones((8, 2)), verbose=0)
    other.load_weights(path)
    for ours, theirs in zip(other.get_weights(), models[source].get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    pairs = zip(other.optimizer.variables, models[source].optimizer.variables, strict=True)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


@pytest.mark.parametrize("size", SIZES)
def test_files_and_map_are_kerass(tmp_path, models, size):
    for library, model in models.items():
        (tmp_path / library.__name__).mkdir()
        model.save_weights(tmp_path / library.__name__ / "net.weights.json", max_shard_size=size)
    ours, theirs = (tmp_path / name for name in ("foldnet", "keras"))
    assert sorted(p.name for p in ours.iterdir()) == sorted(p.name for p in theirs.iterdir())
    ours, theirs = (json.loads((p / "net.weights.json").read_text()) for p in (ours, theirs))
    assert ours == theirs


def small():
    return foldnet.Sequential([foldnet.layers.Input((3,)), foldnet.layers.Dense(4), foldnet.layers.Dense(2)])


def test_a_name_of_one_file_becomes_that_of_a_map(tmp_path):
    with pytest.warns(UserWarning, match=r"a.weights.json is written"):
        small().save_weights(tmp_path / "a.weights.h5", max_shard_size=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.weights.json", "a_00000.weights.h5"]
    small().load_weights(tmp_path / "a.weights.json")


def test_arguments(tmp_path):
    with pytest.raises(ConfigError, match=r"as \.weights\.json, unlike"):
        small().save_weights(tmp_path / "a.keras", max_shard_size=1)
    with pytest.raises(ConfigError, match="max_shard_size=1"):
        small().save_weights(tmp_path / "a.weights.json")
    for size in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="positive"):
            small().save_weights(tmp_path / "a.weights.json", max_shard_size=size)
    with pytest.raises(SettingTypeError, match="a number of GiB"):
        small().save_weights(tmp_path / "a.weights.json", max_shard_size="5GB")
    with pytest.raises(ConfigError, match="weight /layers/dense/0 has 48 bytes, more than max_shard_size"):
        small().save_weights(tmp_path / "a.weights.json", max_shard_size=47 / GB)
    assert list(tmp_path.iterdir()) == []
    small().save_weights(tmp_path / "a.weights.json", max_shard_size=48 / GB)


def test_layers_to_skip(tmp_path):
    source, target = small(), small()
    source.save_weights(tmp_path / "a.weights.json", max_shard_size=1, objects_to_skip=[source.layers[0]])
    before = np.array(target.layers[0].kernel)
    target.load_weights(tmp_path / "a.weights.json", objects_to_skip=[target.layers[0]])
    np.testing.assert_array_equal(target.layers[0].kernel, before)
    np.testing.assert_array_equal(target.layers[1].kernel, source.layers[1].kernel)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda m: m.update({"/layers/dense/vars": "../a_00000.weights.h5"}), "must be in the list's folder"),
        (lambda m: m.update({"/layers/dense/vars": "/a_00000.weights.h5"}), "must be in the list's folder"),
        (lambda m: m.update({"/layers/dense/vars": ".."}), "must be in the list's folder"),
        (lambda m: m.update({"/layers/dense/vars": 3}), "should be a name"),
        (lambda m: m.update({"/layers/dense/vars": "b_00000.weights.h5"}), "which is not in its folder"),
        (lambda m: m.update({"/layers/dense_2/vars": "a_00000.weights.h5"}), "has no such group"),
        (lambda m: m.update({"/layers/dense/vars": "a_00001.weights.h5"}), "has no such group"),
        (lambda m: m.pop("/layers/dense/vars"), "layers/dense"),
        (lambda m: m.clear(), "lists no weights"),
    ],
)
def test_maps_that_lie(tmp_path, change, match):
    path = tmp_path / "a.weights.json"
    small().save_weights(path, max_shard_size=64 / GB)
    assert (tmp_path / "a_00001.weights.h5").exists()
    stored = json.loads(path.read_text())
    change(stored["weight_map"])
    path.write_text(json.dumps(stored))
    with pytest.raises(FileFormatError, match=match) as caught:
        small().load_weights(path)
    assert "a.weights.json" in str(caught.value)


def test_a_weight_in_two_files_is_refused(tmp_path):
    path = tmp_path / "a.weights.json"
    small().save_weights(path, max_shard_size=64 / GB)
    stored = json.loads(path.read_text())
    small().save_weights(tmp_path / "b.weights.json", max_shard_size=1)
    stored["weight_map"]["/layers/dense/vars"] = ["a_00000.weights.h5", "b_00000.weights.h5"]
    path.write_text(json.dumps(stored))
    with pytest.raises(FileFormatError, match="is in 2 of the files"):
        small().load_weights(path)


def test_no_file_changes_before_all_are_written(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text("old")

    def fails(part):
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_all([(tmp_path / "a", lambda part: part.write_text("new")), (tmp_path / "b", fails)])
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a": "old", "b": "old"}
