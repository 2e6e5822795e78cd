"""What a file of weights does not say and releases do differently: foldnet asks, or the file's release decides."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import foldnet
from foldnet import Input, Sequential, activations, layers
from foldnet.errors import ConfigError, FileFormatError, UnsupportedError
from foldnet.files.releases import Release
from foldnet.models import clone_model, model_from_json
from tests.support.recorded import assert_recorded

FOLDER = Path(__file__).parent.parent / "fixtures" / "steps"
OLD = ["keras-1.2.2-tf-stepped_row", "keras-2.2.4-tensor-stepped_row"]
NEW = ["tf-2.1-stepped_row", "tf-2.4-stepped_row", "tf_keras-2.21-stepped_row"]
K2 = {"recurrent_activation": activations.hard_sigmoid_keras2}


def weights(stem):
    return FOLDER / f"{stem}.old-weights.h5"


def row(lstm, gru):
    return Sequential([
        Input((9, 4)),
        layers.LSTM(4, return_sequences=True, name="memory", **lstm),
        layers.GRU(3, name="gates", **gru),
        layers.Dense(2, name="out"),
    ])  # fmt: skip


@pytest.mark.parametrize("stem", OLD)
def test_gates_left_to_the_default_are_asked_for(stem):
    network = row({}, {"reset_after": False})
    before = network.get_weights()
    with pytest.raises(ConfigError) as error:
        network.load_weights(weights(stem))
    text = str(error.value)
    assert "layer 'memory' (LSTM), layer 'gates' (GRU)" in text
    assert ("Keras 1." if "1.2.2" in stem else "Keras 2.2.4.") in text
    assert "hard_sigmoid_keras2" in text
    assert "up to 0.076" in text
    for now, old in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, old)
    with pytest.raises(ConfigError, match=r"^layer 'gates' \(GRU\): "):
        row(K2, {"reset_after": False}).load_weights(weights(stem))


@pytest.mark.parametrize("stem", OLD)
def test_the_answer_is_an_argument_of_the_layer(stem):
    network = row(K2, {**K2, "reset_after": False})
    network.load_weights(weights(stem))
    assert_recorded(network, FOLDER / stem)
    today = row(
        {"recurrent_activation": "sigmoid"}, {"recurrent_activation": "sigmoid", "reset_after": False}
    )
    today.load_weights(weights(stem))
    with pytest.raises(AssertionError):
        assert_recorded(today, FOLDER / stem)


@pytest.mark.parametrize("stem", NEW)
def test_newer_releases_had_todays_defaults(stem):
    network = row({}, {})
    network.load_weights(weights(stem))
    assert_recorded(network, FOLDER / stem)


def changed(tmp_path, stem, **attributes):
    """A copy of a file of weights with other attributes; None takes one out."""
    path = tmp_path / "w.h5"
    path.write_bytes(weights(stem).read_bytes())
    with h5py.File(path, "r+") as file:
        for key, value in attributes.items():
            file.attrs.pop(key, None)
            if value is not None:
                file.attrs[key] = value
    return path


@pytest.mark.parametrize(
    ("version", "asks"),
    [
        ("2.1.6", True), ("2.2.5", True), ("2.1.6-tf", True), ("2.2.4-tf", True), ("2.3.0", False), ("2.3.1", False),
        ("2.3.0-tf", False), ("2.15.0", False), ("3.0.5", False), (None, True),
    ],
)  # fmt: skip
def test_the_release_decides_whether_it_asks(tmp_path, version, asks):
    path = changed(tmp_path, "tf-2.4-stepped_row", keras_version=version)
    network = row({}, {})
    if asks:
        with pytest.raises(ConfigError, match="recurrent_activation"):
            network.load_weights(path)
    else:
        network.load_weights(path)
        assert_recorded(network, FOLDER / "tf-2.4-stepped_row")


def test_a_release_that_tensorflow_1_and_2_had(tmp_path):
    path = changed(tmp_path, "tf-2.4-stepped_row", keras_version="2.2.4-tf")
    with pytest.raises(ConfigError, match=r"Keras 2\.2\.4-tf.*TensorFlow 1 and 2 both had it"):
        row({}, {}).load_weights(path)


def test_only_layers_that_get_weights_are_asked_for():
    with h5py.File(weights(OLD[1])) as file:
        expected = file["out/out/kernel:0"][()]
    network = Sequential([Input((3,)), layers.Dense(2, name="out")])
    side = layers.LSTM(5, name="another")
    steps = Input((9, 4))
    both = foldnet.Model([network.inputs[0], steps], [network.outputs[0], side(steps)])
    both.load_weights(weights(OLD[1]), by_name=True)
    np.testing.assert_array_equal(network.get_layer("out").kernel, expected)


@pytest.mark.parametrize("how", ["cell", "cells", "bidirectional", "clone", "by place"])
def test_arguments_are_known_however_a_layer_is_made(tmp_path, how):
    """What counts is whether somebody wrote the argument, not which value the layer has."""

    def made(**given):
        cell = layers.LSTMCell(4, **given)
        layer = {
            "cell": lambda: layers.RNN(cell),
            "cells": lambda: layers.RNN([cell, layers.LSTMCell(4, **given)]),
            "bidirectional": lambda: layers.Bidirectional(layers.LSTM(4, **given)),
            "by place": lambda: layers.LSTM(4, "tanh", *given.values()),
        }.get(how, lambda: layers.LSTM(4, **given))()
        network = Sequential([Input((9, 4)), layer])
        return clone_model(network) if how == "clone" else network

    source = made(recurrent_activation="sigmoid")
    source.save_weights(tmp_path / "w.h5")
    made().load_weights(tmp_path / "w.h5")  # foldnet's own file
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        del file.attrs["written_by"]
        file.attrs["keras_version"] = b"2.1.0"
    with pytest.raises(ConfigError, match="recurrent_activation"):
        made().load_weights(tmp_path / "w.h5")
    target = made(recurrent_activation="sigmoid")
    target.load_weights(tmp_path / "w.h5")
    for now, old in zip(target.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(now, old)


def test_a_gru_without_bias_does_not_show_its_kind(tmp_path):
    def made(**given):
        return Sequential(
            [Input((5, 2)), layers.GRU(3, use_bias=False, recurrent_activation="sigmoid", name="g", **given)]
        )

    made().save_weights(tmp_path / "w.h5")
    for version, asks in (("2.3.1", True), ("2.2.4-tf", True), ("2.3.0-tf", False), ("2.4.0", False)):
        with h5py.File(tmp_path / "w.h5", "r+") as file:
            file.attrs.pop("written_by", None)
            file.attrs["keras_version"] = version
        if asks:
            with pytest.raises(ConfigError, match=r"'g' \(GRU\).*reset_after=False, or reset_after=True"):
                made().load_weights(tmp_path / "w.h5")
        else:
            made().load_weights(tmp_path / "w.h5")
        made(reset_after=True).load_weights(tmp_path / "w.h5")
        made(reset_after=False).load_weights(tmp_path / "w.h5")


@pytest.mark.parametrize("place", ["Dense", "Activation", "LSTM"])
def test_the_name_hard_sigmoid_had_another_meaning(tmp_path, place):
    def made(function):
        layer = {
            "Dense": lambda: layers.Dense(4, activation=function, name="x"),
            "Activation": lambda: layers.Activation(function, name="x"),
            "LSTM": lambda: layers.LSTM(4, recurrent_activation=function, name="x"),
        }[place]()
        return Sequential([Input((9, 4) if place == "LSTM" else (4,)), layer, layers.Dense(2, name="out")])

    made("hard_sigmoid").save_weights(tmp_path / "w.h5")
    made("hard_sigmoid").load_weights(tmp_path / "w.h5")  # foldnet's own file
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        del file.attrs["written_by"]
    with pytest.raises(ConfigError, match=r"'x' \(" + place + r"\).*0\.2 x \+ 0\.5.*up to 0\.083"):
        made("hard_sigmoid").load_weights(tmp_path / "w.h5")
    for function in (activations.hard_sigmoid, activations.hard_sigmoid_keras2, "tanh"):
        made(function).load_weights(tmp_path / "w.h5")


def test_how_far_apart_they_are():
    x = np.linspace(-8, 8, 100_001)
    old, new, sigmoid = (
        activations.hard_sigmoid_keras2(x),
        activations.hard_sigmoid(x),
        activations.sigmoid(x),
    )
    assert np.abs(old - sigmoid).max() == pytest.approx(0.076, abs=5e-4)
    assert np.abs(old - new).max() == pytest.approx(0.083, abs=5e-4)


@pytest.mark.parametrize(("stated", "asks"), [("sigmoid", False), ("hard_sigmoid", True)])
def test_the_configuration_of_a_whole_network_answers(tmp_path, stated, asks):
    path = changed(tmp_path, OLD[1])
    config = json.loads((FOLDER / f"{OLD[1]}.json").read_text())
    for layer in config["config"]["layers"]:
        if "recurrent_activation" in layer["config"]:
            layer["config"]["recurrent_activation"] = stated
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = json.dumps(config)
    network = row({}, {"reset_after": False})
    if asks:
        with pytest.raises(ConfigError, match="the file says hard_sigmoid"):
            network.load_weights(path)
    else:
        network.load_weights(path)


# -- architectures ------------------------------------------------------------------------------------------------


def without(stem, *settings, version="as it is"):
    """The architecture of a file without some settings, as JSON."""
    stored = json.loads((FOLDER / f"{stem}.json").read_text())
    if version != "as it is":
        stored.pop("keras_version")
        stored |= {} if version is None else {"keras_version": version}
    records = stored["config"] if isinstance(stored["config"], list) else stored["config"]["layers"]
    for record in records:
        for setting in settings:
            record["config"].pop(setting, None)
    return json.dumps(stored)


@pytest.mark.parametrize("stem", [*OLD, *NEW])
def test_an_architecture_without_the_setting_has_its_releases_default(tmp_path, stem):
    path = tmp_path / "a.json"
    path.write_text(without(stem, "recurrent_activation", "inner_activation"))
    assert_recorded(foldnet.load_model(architecture=path, weights=weights(stem)), FOLDER / stem)


def test_an_architecture_without_reset_after_is_of_a_release_without_it(tmp_path):
    (tmp_path / "a.json").write_text(without(OLD[1], "reset_after"))
    assert_recorded(foldnet.load_model(tmp_path / "a.json", weights=weights(OLD[1])), FOLDER / OLD[1])


def test_the_weights_say_what_the_architecture_does_not(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(without(OLD[1], "recurrent_activation", version=None))
    with pytest.raises(FileFormatError, match=r"'memory' \(LSTM\).*does not say which Keras.*keras_version"):
        model_from_json(path.read_text())
    assert_recorded(foldnet.load_model(path, weights=weights(OLD[1])), FOLDER / OLD[1])
    unsettled = changed(tmp_path, OLD[1], keras_version="2.2.4-tf")
    with pytest.raises(
        FileFormatError, match=r"a\.json: .*2\.2\.4-tf was the Keras of both TensorFlow 1 and 2"
    ):
        foldnet.load_model(path, weights=unsettled)


def test_an_architecture_of_keras_3_has_its_defaults():
    text = Sequential([Input((9, 4)), layers.LSTM(4, name="memory")]).to_json()
    stored = json.loads(text)
    for record in stored["config"]["layers"]:
        record["config"].pop("recurrent_activation", None)
    assert model_from_json(json.dumps(stored)).layers[0].recurrent_activation is activations.sigmoid


@pytest.mark.parametrize(
    ("version", "interpolation", "refused"),
    [
        ("2.2.4", "bilinear", True), ("2.3.1", "bilinear", True), ("2.2.4", "nearest", False),
        ("2.3.0-tf", "bilinear", False), ("2.4.0", "bilinear", False), (None, "bilinear", False),
    ],
)  # fmt: skip
def test_bilinear_positions_were_elsewhere(version, interpolation, refused):
    """Measured with Keras 2.2.4 on TensorFlow 1.15: numbers around 1 differ by up to 1.5."""
    config = {
        "name": "up", "size": [2, 2], "interpolation": interpolation, "data_format": "channels_last",
        "batch_input_shape": [None, 3, 4, 2],
    }  # fmt: skip
    stored = {"class_name": "Sequential", "config": [{"class_name": "UpSampling2D", "config": config}]}
    stored |= {} if version is None else {"keras_version": version}
    if refused:
        with pytest.raises(
            UnsupportedError, match=rf"'up' \(UpSampling2D\): in Keras {version}.*load_weights"
        ):
            model_from_json(json.dumps(stored))
    else:
        assert model_from_json(json.dumps(stored)).output_shape == (None, 6, 8, 2)


# -- BatchNormalization of Keras 1 --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variance", "given", "warns"),
    [(0.01, {}, True), (0.01, {"epsilon": 1e-3}, False), (1.0, {}, False)],
)
def test_a_small_variance_shows_which_epsilon_it_was(tmp_path, variance, given, warns):
    network = Sequential([Input((3,)), layers.BatchNormalization(name="norm", **given)])
    network.layers[0].moving_variance = np.float32([1.0, variance, 2.0])
    network.save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        for key in ("written_by", "keras_version", "backend"):
            del file.attrs[key]
    if warns:
        with pytest.warns(
            UserWarning, match=r"'norm' \(BatchNormalization\).*epsilon was 1e-6 before 1\.0\.8.* 4\.9 %"
        ):
            network.load_weights(tmp_path / "w.h5")
    else:
        network.load_weights(tmp_path / "w.h5")


def test_releases():
    def of(version):
        return Release(version, int(version[0]))

    assert [of(v).gates for v in ("1.2.2", "2.0.0", "2.2.4", "2.3.0", "3.1.0")] == [
        "hard_sigmoid", "hard_sigmoid", "hard_sigmoid", "sigmoid", "sigmoid",
    ]  # fmt: skip
    assert [of(v).reset_after for v in ("1.2.2", "2.2.4", "2.3.1", "2.3.0-tf", "2.4.0", "3.1.0")] == [
        False, False, False, True, True, True,
    ]  # fmt: skip
    assert of("2.2.4-tf").gates is of("2.2.4-tf").reset_after is None
    assert Release(None, 2).gates is None
