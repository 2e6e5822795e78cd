"""Files of the installed Keras 3: every layout it writes, predictions equal to its own."""

from __future__ import annotations

import json
import zipfile

import h5py
import numpy as np
import pytest

import foldnet
from foldnet.errors import ConfigError, FileFormatError, UnsupportedError
from tests.files import keras_models as km
from tests.files.keras_models import L, assert_same, keras, randomize, rows

SINGLE = {
    "q2": (km.q2_network, (11,)),
    "misleading names": (km.misleading_names, (4,)),
    "more than ten layers": (km.many_layers, (5,)),
    "missing gamma or beta": (km.missing_parts, (6,)),
    "renorm": (km.renormalized, (3,)),
}


@pytest.fixture(params=[".keras", ".h5", "live", "directory", "weights", "weights of a model", "old weights"])
def through(request, tmp_path):
    """One way from a live model to foldnet."""

    def go(model):
        kind = request.param
        if kind == "live":
            return foldnet.from_keras(model)
        if kind in ("weights", "old weights", "weights of a model"):
            network = foldnet.from_keras(randomize(keras.models.clone_model(model), seed=99))
            path = tmp_path / {"weights": "m.weights.h5", "old weights": "w.h5"}.get(kind, "m.keras")
            if kind == "weights":
                model.save_weights(path)
            elif kind == "old weights":
                from keras.src.legacy.saving import legacy_h5_format

                with h5py.File(path, "w") as file:
                    legacy_h5_format.save_weights_to_hdf5_group(file, model)
            else:
                model.save(path)
            network.load_weights(path)
            return network
        path = tmp_path / f"m{kind if kind.startswith('.') else '.keras'}"
        model.save(path)
        if kind == "directory":
            zipfile.ZipFile(path).extractall(tmp_path / "unzipped")
            path = tmp_path / "unzipped"
        return foldnet.load_model(path)

    return go


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SINGLE)
def test_one_input(through, name):
    make, shape = SINGLE[name]
    model = make()
    assert_same(through(model), model, rows(20, *shape))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("freeze", [False, True])
def test_nested_and_shared(through, freeze):
    model = km.nested(freeze)
    assert_same(through(model), model, rows(9, 4), rows(9, 4, seed=5))


@pytest.mark.filterwarnings("ignore")
def test_dicts_of_inputs_and_outputs(through):
    model = km.in_dicts()
    network = through(model)
    a, z = rows(7, 2), rows(7, 3, seed=4)
    expected = model({"zz": z, "aa": a})
    for result, key in zip(km.outputs(network, a, z), sorted(expected), strict=True):
        np.testing.assert_allclose(result, expected[key], rtol=1e-5, atol=1e-6)


def saved(model, path):
    model.save(path)
    return path


def edit_config(path, change):
    """Change the configuration inside an archive."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_group_name_is_not_the_layer_name(tmp_path):
    """Group dense_1 holds the layer named second; the layer named dense_1 is in group dense_2."""
    path = saved(km.misleading_names(), tmp_path / "m.keras")
    network = foldnet.load_model(path)
    with zipfile.ZipFile(path) as archive, h5py.File(archive.open("model.weights.h5")) as file:
        np.testing.assert_array_equal(network.get_layer("dense_1").kernel, file["layers/dense_2/vars/0"])
        assert not np.array_equal(network.get_layer("dense_1").kernel, file["layers/dense_1/vars/0"])


def test_names_noted_beside_the_weights_are_a_check(tmp_path):
    """Two layers whose names were swapped in the configuration: each would get the other's weights."""
    path = saved(km.misleading_names(), tmp_path / "m.keras")

    def swap(config):
        first, second = config["config"]["layers"][1], config["config"]["layers"][3]
        first["config"]["name"], second["config"]["name"] = "second", "first"

    with pytest.raises(FileFormatError, match=r"'first'.*'second'"):
        foldnet.load_model(edit_config(path, swap))


def test_weights_go_by_place_and_not_by_layer_name(tmp_path):
    model = km.q2_network()
    model.save_weights(tmp_path / "m.weights.h5")
    network = foldnet.from_keras(randomize(keras.models.clone_model(model), seed=7))
    other = foldnet.Sequential([foldnet.Input((11,))])
    for layer in network.layers:
        layer.name = f"other_{layer.name}"
        other.add(layer)
    other.load_weights(tmp_path / "m.weights.h5")
    assert_same(other, model, rows(5, 11))


def test_failed_load_weights_changes_nothing(tmp_path):
    model = km.q2_network()
    model.layers[-1].bias.assign([np.nan])
    model.save_weights(tmp_path / "m.weights.h5")
    network = foldnet.from_keras(km.q2_network())
    before = network.get_weights()
    with pytest.raises(FileFormatError, match=r"'bias'.*NaN"):
        network.load_weights(tmp_path / "m.weights.h5")
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))


def test_training_false_on_dropout_is_noise(tmp_path):
    """Keras up to 3.15.1 writes it into every Dropout of a Functional model."""
    a = L.Input((4,))
    model = randomize(keras.Model(a, L.Dense(2)(L.Dropout(0.5)(a))))
    path = saved(model, tmp_path / "m.keras")
    stored = json.loads(zipfile.ZipFile(path).read("config.json"))["config"]["layers"][1]
    assert stored["inbound_nodes"][0]["kwargs"] == {"training": False}
    network = foldnet.load_model(path)
    assert all(not call.kwargs for layer in network.layers for call in layer.calls)
    assert_same(network, model, rows(3, 4))


@pytest.mark.parametrize("layer", ["Dropout", "BatchNormalization"])
def test_training_true_is_refused_by_name(tmp_path, layer):
    a = L.Input((4,))
    made = L.Dropout(0.5, name="mc") if layer == "Dropout" else L.BatchNormalization(name="mc")
    model = keras.Model(a, made(a, training=True))
    path = saved(model, tmp_path / "m.keras")
    # Keras itself may overwrite the argument while it builds the model; a file that holds it is what matters.
    edit_config(path, lambda c: c["config"]["layers"][1]["inbound_nodes"][0]["kwargs"].update(training=True))
    network = foldnet.load_model(path)
    assert network.get_layer("mc").calls[0].kwargs == {"training": True}
    with pytest.raises(UnsupportedError, match=r"'mc'.*training=True"):
        km.outputs(network, rows(2, 4))


def test_training_true_that_keras_writes_itself_is_no_wish(tmp_path):
    """Layers that change images have it as their default, and Keras up to 3.15 stores it; its predict overrules it."""
    a = L.Input((4, 4, 3))
    model = randomize(keras.Model(a, L.Dense(2)(L.RandomFlip()(a))))
    path = saved(model, tmp_path / "m.keras")
    stored = json.loads(zipfile.ZipFile(path).read("config.json"))["config"]["layers"][1]
    assert stored["inbound_nodes"][0]["kwargs"] == {"training": True}
    x = rows(3, 4, 4, 3)
    expected = model.predict(x, verbose=0)
    for network in (foldnet.load_model(path), foldnet.from_keras(model)):
        np.testing.assert_allclose(network.predict(x), expected, rtol=1e-5, atol=1e-6)


WITH_LAYERS_INSIDE = {
    "MultiHeadAttention": lambda: L.MultiHeadAttention(2, 3),
    "GRU": lambda: L.GRU(3),
    "Bidirectional": lambda: L.Bidirectional(L.LSTM(2, return_sequences=True)),
    "cells": lambda: L.RNN([L.GRUCell(2), L.GRUCell(3), L.LSTMCell(2)]),
    "TimeDistributed": lambda: L.TimeDistributed(L.Dense(3)),
    "TimeDistributed of a network": lambda: L.TimeDistributed(
        keras.Sequential([L.Input((4,)), L.Dense(4), L.BatchNormalization(), L.Dense(4, name="d")])
    ),
}


@pytest.mark.parametrize("name", WITH_LAYERS_INSIDE)
def test_layers_with_weights_inside(through, name):
    x = L.Input((5, 4))
    layer = WITH_LAYERS_INSIDE[name]()
    y = layer(x, x) if name == "MultiHeadAttention" else layer(x)
    model = randomize(keras.Model(x, y))
    result = km.outputs(through(model), rows(3, 5, 4))[0]
    np.testing.assert_allclose(result, model.predict(rows(3, 5, 4), verbose=0), rtol=2e-5, atol=2e-6)


def test_cells_of_one_name_go_by_their_order():
    """Keras itself cannot write an HDF5 file of them."""
    x = L.Input((5, 4))
    model = randomize(keras.Model(x, L.RNN([L.GRUCell(4, name="c"), L.GRUCell(4, name="c")])(x)))
    assert_same(foldnet.from_keras(model), model, rows(3, 5, 4))


def test_training_false_on_batch_normalization_and_networks_is_kept(tmp_path):
    a = L.Input((4,))
    inner = keras.Sequential([L.Input((4,)), L.BatchNormalization()], name="inner")
    model = randomize(
        keras.Model(a, L.BatchNormalization(name="bn")(inner(a, training=False), training=False))
    )
    network = foldnet.load_model(saved(model, tmp_path / "m.keras"))
    assert network.get_layer("bn").calls[0].kwargs == {"training": False}
    assert network.get_layer("inner").calls[-1].kwargs == {"training": False}
    assert_same(network, model, rows(3, 4))


@pytest.mark.parametrize("name", ["add", "average", "maximum", "minimum", "multiply", "subtract"])
def test_operations_that_share_a_layers_name_are_the_operations(name, tmp_path):
    """``a * 2`` is stored as class Multiply of keras.src.ops.numpy, which is not the layer Multiply."""
    a = L.Input((4,))
    average = name == "average"
    y = keras.ops.average(a, axis=1)[:, None] if average else getattr(keras.ops, name)(a, 0.25)
    model = keras.Model(a, L.Dense(2)(y))
    assert_same(foldnet.load_model(saved(model, tmp_path / "m.keras")), model, rows(3, 4))


def test_an_operation_with_a_layers_name_that_is_none_of_keras_s_is_refused(tmp_path):
    a = L.Input((4,))
    path = saved(keras.Model(a, L.Dense(2)(a * 2.0)), tmp_path / "m.keras")

    def rename(config):
        (record,) = (x for x in config["config"]["layers"] if x["class_name"] == "Multiply")
        record["class_name"] = record["registered_name"] = "Flatten"

    with pytest.raises(UnsupportedError, match=r"multiply.*Flatten of keras\.src\.ops\.numpy"):
        foldnet.load_model(edit_config(path, rename))


def test_sequential_built_by_data(tmp_path):
    model = keras.Sequential([L.Dense(3), L.BatchNormalization()])
    model(rows(2, 5))
    path = saved(randomize(model), tmp_path / "m.keras")
    assert_same(foldnet.load_model(path), model, rows(4, 5))


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
def test_sequential_never_built(tmp_path):
    model = keras.Sequential([L.Dense(3)])
    path = saved(model, tmp_path / "m.keras")
    with pytest.raises(FileFormatError, match=r"before it had seen data"):
        foldnet.load_model(path)
    with pytest.raises(ConfigError, match="not built"):
        foldnet.from_keras(model)


def test_build_config_gives_the_shape_of_a_sequential_without_input(tmp_path):
    path = saved(km.misleading_names(), tmp_path / "m.keras")

    def drop_input(config):
        assert config["config"]["layers"].pop(0)["class_name"] == "InputLayer"
        config["config"].pop("build_input_shape", None)
        assert config["build_config"] == {"input_shape": [None, 4]}

    assert foldnet.load_model(edit_config(path, drop_input)).inputs[0].shape == (None, 4)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_compile_settings_and_version_are_kept(tmp_path, suffix):
    model = km.q2_network()
    model.compile(keras.optimizers.Adam(0.02), loss="mae", metrics=["mse"])
    path = tmp_path / f"m{suffix}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("absl.logging.warning", lambda *_: None)
        model.save(path)
    for network in (foldnet.load_model(path), foldnet.from_keras(model)):
        assert network.keras_version == keras.__version__
        assert network.compile_config["loss"] == "mae"
    assert foldnet.load_model(saved(km.q2_network(), tmp_path / "plain.keras")).compile_config is None


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")
@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16", "float16", "float64"])
def test_dtype_policies_are_kept_or_overridden(tmp_path, policy):
    model = randomize(keras.Sequential([L.Input((4,)), L.Dense(3, dtype=policy), L.BatchNormalization()]))
    path = saved(model, tmp_path / "m.keras")
    assert foldnet.load_model(path).layers[0].dtype_policy == policy
    network = foldnet.load_model(path, dtype="float32")
    assert {layer.dtype_policy for layer in network.layers} == {"float32"}
    kernel = np.asarray(model.layers[0].kernel.numpy()).astype(np.float32)
    np.testing.assert_array_equal(
        network.layers[0].kernel, kernel
    )  # bfloat16 is 2 bytes without a NumPy type
    assert network.layers[0].kernel.dtype == np.float32
    np.testing.assert_array_equal(foldnet.from_keras(model, dtype="float32").layers[0].kernel, kernel)


def test_activation_as_name_function_and_layer(tmp_path):
    model = keras.Sequential(
        [
            L.Input((4,)),
            L.Dense(4, activation="elu"),
            L.Dense(4, activation=keras.activations.silu),
            L.Dense(4, activation=L.LeakyReLU(0.37)),
            L.Dense(4, activation=L.ReLU(max_value=0.9, negative_slope=0.2, threshold=0.1)),
            L.Activation("hard_sigmoid"),
        ]
    )
    randomize(model)
    for suffix in (".keras", ".h5"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("absl.logging.warning", lambda *_: None)
            model.save(tmp_path / f"m{suffix}")
        assert_same(foldnet.load_model(tmp_path / f"m{suffix}"), model, rows(30, 4))
    assert_same(foldnet.from_keras(model), model, rows(30, 4))


def test_layer_shared_between_networks(tmp_path):
    shared = L.Dense(4, name="shared")
    i = L.Input((4,))
    inner = keras.Model(i, L.BatchNormalization()(shared(i)), name="inner")
    a = L.Input((4,), name="a")
    model = randomize(keras.Model(a, L.Dense(2)(shared(inner(a)))))
    network = foldnet.load_model(saved(model, tmp_path / "m.keras"))
    assert_same(network, model, rows(5, 4))
    assert network.get_layer("shared") is network.get_layer("inner").get_layer("shared")


def test_subclassed_model_is_refused():
    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(2)

        def call(self, x):
            return self.dense(x)

    model = Mine()
    model(rows(1, 3))
    with pytest.raises(UnsupportedError, match=r"Mine.*Python code"):
        foldnet.from_keras(model)
