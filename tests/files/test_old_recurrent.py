"""Recurrent layers of Keras 1, and the layers of Keras 2 for GPUs: predictions equal those that Keras itself recorded.

``scripts/make_format_fixtures.py`` made the files. What a CuDNN layer computes was recorded from the layers that run
anywhere, with the weights as Keras 2.2.4 converts them.
"""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, layers
from foldnet.errors import FileFormatError
from foldnet.files.keras1 import modern_settings
from foldnet.files.old_recurrent import by_weight
from foldnet.models import model_from_json
from tests.support.arrays import arrays_of
from tests.support.recorded import assert_recorded

FOLDER = Path(__file__).parent.parent / "fixtures" / "steps"
WHOLE = sorted(p.stem for p in FOLDER.glob("*.h5") if "weights" not in p.name)
PAIRS = sorted(p.stem for p in FOLDER.glob("*.json"))


@pytest.mark.parametrize("stem", WHOLE)
def test_whole_networks(stem):
    assert_recorded(foldnet.load_model(FOLDER / f"{stem}.h5"), FOLDER / stem)


@pytest.mark.parametrize("stem", PAIRS)
def test_architectures_and_weights(stem):
    path = FOLDER / f"{stem}.json"
    network = foldnet.load_model(architecture=path, weights=FOLDER / f"{stem}.old-weights.h5")
    assert_recorded(network, FOLDER / stem)


def test_every_form_is_here():
    assert {"keras-1.2.2-stepped", "keras-1.2.2-tf-stepped", "keras-2.2.4-tensor-cudnn"} <= set(WHOLE)
    with h5py.File(FOLDER / "keras-1.2.2-stepped.h5") as file:
        names = {key: list(group.attrs["weight_names"]) for key, group in file["model_weights"].items()}
    assert [len(names[key]) for key in ("memory", "backwards", "simple", "both", "as_one")] == [
        12,
        9,
        3,
        24,
        3,
    ]
    assert names["memory"][:4] == [b"memory_W_i", b"memory_U_i", b"memory_b_i", b"memory_W_c"]
    classes = {
        layer["class_name"]
        for layer in json.loads((FOLDER / "keras-2.2.4-tensor-cudnn.json").read_text())["config"]["layers"]
    }
    assert {"CuDNNLSTM", "CuDNNGRU", "Bidirectional"} <= classes


def test_gates_stand_in_todays_order():
    names = [f"a_{weight}_{gate}:0" for gate in "icfo" for weight in "WUb"]
    assert by_weight(names) == {
        f"a_{weight}:0": tuple(f"a_{weight}_{gate}:0" for gate in "ifco") for weight in "WUb"
    }
    # A name that only looks like one of several gates is a weight of its own.
    assert by_weight(["a_W_i", "a_W_f", "a_b_z"]) == {n: (n,) for n in ("a_W_i", "a_W_f", "a_b_z")}


def test_settings_of_keras_1():
    config = {
        "name": "l", "output_dim": 4, "init": "uniform", "inner_init": "orthogonal", "forget_bias_init": "one",
        "activation": "tanh", "inner_activation": "hard_sigmoid", "W_regularizer": None, "U_regularizer": None,
        "b_regularizer": None, "dropout_W": 0.25, "dropout_U": 0.5, "consume_less": "mem", "input_dim": 3,
        "input_length": None, "return_sequences": True,
    }  # fmt: skip
    kind, settings = modern_settings("LSTM", config, "l")
    assert kind == "LSTM"
    assert settings == {
        "name": "l", "units": 4, "kernel_initializer": "uniform", "recurrent_initializer": "orthogonal",
        "unit_forget_bias": True, "activation": "tanh", "recurrent_activation": "hard_sigmoid",
        "kernel_regularizer": None, "recurrent_regularizer": None, "bias_regularizer": None, "dropout": 0.25,
        "recurrent_dropout": 0.5, "return_sequences": True,
    }  # fmt: skip
    assert (
        modern_settings("LSTM", {**config, "forget_bias_init": "zero"}, "l")[1]["unit_forget_bias"] is False
    )
    del config["forget_bias_init"]
    assert modern_settings("GRU", config, "l")[1]["reset_after"] is False


def test_a_cudnn_layer_is_the_one_that_computes_the_same():
    network = model_from_json((FOLDER / "keras-2.2.4-tensor-cudnn.json").read_text())
    memory, gates = network.get_layer("memory"), network.get_layer("gates")
    assert (type(memory).__name__, type(gates).__name__, gates.reset_after) == ("LSTM", "GRU", True)
    assert memory.recurrent_activation is gates.recurrent_activation is foldnet.activations.sigmoid


def cudnn(**gates):
    """The network of the file as a user writes it, without CuDNN."""
    steps = Input((7, 5))
    memory = layers.LSTM(3, return_sequences=True, name="memory")(steps)
    parts = [
        layers.GRU(4, name="gates", go_backwards=True, **gates)(memory),
        layers.Bidirectional(layers.GRU(2, **gates), name="both")(memory),
        layers.Bidirectional(layers.LSTM(2), merge_mode="sum", name="sum")(steps),
    ]
    return Model(steps, layers.Dense(3, name="out")(layers.Concatenate()(parts)))


@pytest.mark.parametrize("ending", [".h5", ".old-weights.h5"])
def test_weights_of_cudnn_layers_onto_todays(ending):
    """They show that the gates are sigmoids, so nothing is asked."""
    stem = "keras-2.2.4-tensor-cudnn"
    network = cudnn()
    network.load_weights(FOLDER / f"{stem}{ending}")
    assert_recorded(network, FOLDER / stem)


def test_a_gru_of_the_other_kind_is_told_which_it_is():
    with pytest.raises(
        FileFormatError, match=r"'gates' \(GRU\) has reset_after=False.*Give the layer reset_after=True"
    ):
        cudnn(reset_after=False).load_weights(FOLDER / "keras-2.2.4-tensor-cudnn.old-weights.h5")
    row = foldnet.Sequential(
        [Input((9, 4)), layers.LSTM(4, return_sequences=True), layers.GRU(3), layers.Dense(2)]
    )
    with pytest.raises(
        FileFormatError, match=r"\(GRU\) has reset_after=True.*Give the layer reset_after=False"
    ):
        row.load_weights(FOLDER / "keras-2.2.4-tensor-stepped_row.old-weights.h5")


@pytest.mark.parametrize("stem", ["keras-1.2.2-stepped", "keras-2.2.4-tensor-cudnn"])
def test_both_engines_and_a_file_of_todays_keras(tmp_path, stem):
    network = foldnet.load_model(FOLDER / f"{stem}.h5", compile=False)
    recorded = arrays_of(FOLDER / f"{stem}.npz")
    np.testing.assert_allclose(foldnet.freeze(network)(recorded["x0"]), recorded["y0"], rtol=1e-5, atol=1e-6)
    if "cudnn" in stem:  # Keras 3 has no name for the hard_sigmoid of Keras 1
        import keras

        network.save(tmp_path / "m.keras")
        model = keras.saving.load_model(tmp_path / "m.keras")
        np.testing.assert_allclose(
            model.predict(recorded["x0"], verbose=0), recorded["y0"], rtol=2e-5, atol=2e-6
        )


def test_a_missing_gate_is_refused(tmp_path):
    path = tmp_path / "m.h5"
    path.write_bytes((FOLDER / "keras-1.2.2-stepped.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        group = file["model_weights/memory"]
        group.attrs["weight_names"] = [n for n in group.attrs["weight_names"] if n != b"memory_U_c"]
    with pytest.raises(FileFormatError, match="memory holds 5 weights for layer 'memory', which has 3"):
        foldnet.load_model(path)
