"""``KerasFileEditor``: what it shows, compares, changes and writes, and what it refuses."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import foldnet
from foldnet.errors import ConfigError, FileFormatError, MissingFileError, SettingTypeError
from foldnet.layers import BatchNormalization, Dense, Input
from foldnet.saving import KerasFileEditor
from foldnet.sequential import Sequential
from tests.files.keras_models import L, keras, randomize


def network(units=4):
    return Sequential([Input((3,)), Dense(units), BatchNormalization(), Dense(2)])


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.weights.h5"
    network().save_weights(path)
    return path


@pytest.fixture
def editor(saved):
    return KerasFileEditor(saved)


def test_weights_are_those_of_the_network(tmp_path):
    source = network()
    source.save(tmp_path / "a.keras")
    editor = KerasFileEditor(str(tmp_path / "a.keras"))
    stored = editor.weights_dict["layers"]
    assert list(stored) == ["batch_normalization", "dense", "dense_1"]
    np.testing.assert_array_equal(stored["dense_1"]["0"], source.layers[-1].kernel)
    assert editor.config["class_name"] == "Sequential"
    assert editor.metadata["keras_version"]
    assert editor.object_metadata["/layers/dense"] == {"name": source.layers[0].name}


def test_a_network_in_a_network_and_more_than_ten_weights(tmp_path):
    inner = keras.Sequential([L.Input((3,)), L.Dense(4), L.BatchNormalization()])
    model = randomize(keras.Sequential([L.Input((3,)), inner, L.Dense(2)]))
    model.compile("adam", "mse")
    model.fit(np.ones((2, 3)), np.ones((2, 2)), verbose=0)
    model.save_weights(tmp_path / "a.weights.h5")
    editor = KerasFileEditor(tmp_path / "a.weights.h5")
    assert list(editor.weights_dict["layers"]["sequential"]["layers"]) == ["batch_normalization", "dense"]
    assert list(editor.weights_dict["optimizer"]) == [str(i) for i in range(14)]
    editor.save(tmp_path / "b.weights.h5")
    before = model.get_weights()
    model.set_weights([np.zeros_like(w) for w in before])
    model.load_weights(tmp_path / "b.weights.h5")
    for now, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, old)


def test_a_file_is_made_to_fit_a_changed_network(tmp_path, editor, capsys):
    target = Sequential([Input((3,)), Dense(4), BatchNormalization(), Dense(4), Dense(2)])
    assert editor.compare(network()) == {"status": "success", "error_count": 0, "match_count": 8}
    # the file's dense_1 has another shape twice, and its dense_2 is missing
    assert editor.compare(target) == {"status": "error", "error_count": 3, "match_count": 6}
    editor.rename_object("dense_1", "dense_2")
    editor.add_object("layers/dense_1", {"0": np.eye(4, dtype="f4"), "1": np.zeros(4, "f4")})
    assert editor.compare(target)["status"] == "success"
    editor.summary()
    shown = capsys.readouterr().out
    assert "layers/dense_2: the network has an object of 0, 1, and the file does not" in shown
    assert "dense_1\n" in shown
    assert "0: shape=(4, 4), dtype=float32" in shown
    editor.resave_weights(tmp_path / "b.weights.h5")
    target.load_weights(tmp_path / "b.weights.h5")
    np.testing.assert_array_equal(target.layers[2].kernel, np.eye(4))


def test_weights_are_deleted_and_added(editor):
    editor.delete_weight("layers/dense", "1")
    assert list(editor.weights_dict["layers"]["dense"]) == ["0"]
    editor.add_weights("dense", {"1": [1.0, 2.0]})
    assert editor.weights_dict["layers"]["dense"]["1"].shape == (2,)
    editor.delete_object("dense")
    assert editor.compare(network())["error_count"] == 1


def test_a_new_name_that_is_taken_or_the_same(editor):
    with pytest.raises(ConfigError, match="'dense' cannot be renamed to 'dense_1', which is there already"):
        editor.rename_object("dense", "dense_1")
    before = editor.weights_dict["layers"]["dense"]
    editor.rename_object("dense", "dense")
    assert editor.weights_dict["layers"]["dense"] is before


def test_what_is_not_there_is_named(editor):
    for change in (
        lambda: editor.delete_object("dence"),
        lambda: editor.rename_object("dence", "a"),
        lambda: editor.delete_weight("dence", "0"),
        lambda: editor.add_weights("dence", {}),
    ):
        with pytest.raises(ConfigError, match=r"no object 'dence'.*layers/dense"):
            change()
    with pytest.raises(ConfigError, match=r"no object 'layers/dence'; layers holds .*dense"):
        editor.delete_object("layers/dence")
    with pytest.raises(ConfigError, match=r"no 'layer', where 'layer/dense' should be; it holds layers"):
        editor.add_object("layer/dense", {})
    with pytest.raises(ConfigError, match=r"'dense' has no weight '2'; it has 0, 1"):
        editor.delete_weight("dense", "2")
    with pytest.raises(ConfigError, match="'layers/dense/0' is a weight"):
        editor.delete_object("layers/dense/0")
    with pytest.raises(ConfigError, match="'layers/dense/0' is a weight"):
        editor.add_object("layers/dense/0", {})
    editor.add_object("dense", {"0": [1.0]})
    with pytest.raises(
        ConfigError, match="several objects named 'dense'; give one of the paths dense, layers/dense"
    ):
        editor.delete_object("dense")


def test_names_and_weights_that_are_none(editor):
    for name in ("a/b", "", ".", "vars", None):
        with pytest.raises(ConfigError, match="not a name of an object"):
            editor.rename_object("dense", name)
    with pytest.raises(SettingTypeError, match="a dict of arrays by name"):
        editor.add_object("layers/a", [np.ones(3)])
    with pytest.raises(SettingTypeError, match="weights are numbers"):
        editor.add_weights("dense", {"0": "text"})
    with pytest.raises(ConfigError, match="is not an array"):
        editor.add_weights("dense", {"0": [[1, 2], [3]]})


def test_files_of_other_kinds(tmp_path, editor):
    with pytest.raises(ConfigError, match=r"ends in .keras or .weights.h5"):
        KerasFileEditor(tmp_path / "a.h5")
    with pytest.raises(ConfigError, match=r"saved as .weights.h5"):
        editor.save(tmp_path / "a.keras")
    with pytest.raises(MissingFileError):
        KerasFileEditor(tmp_path / "none.weights.h5")
    (tmp_path / "bad.keras").write_bytes(b"no archive")
    with pytest.raises(FileFormatError, match=r"bad\.keras"):
        KerasFileEditor(tmp_path / "bad.keras")


@pytest.mark.parametrize("kind", ["ExternalLink", "SoftLink", "virtual"])
def test_what_leads_elsewhere_is_refused(tmp_path, saved, kind):
    with h5py.File(tmp_path / "bad.weights.h5", "w") as file:
        if kind == "virtual":
            layout = h5py.VirtualLayout((3, 4), "f4")
            layout[:] = h5py.VirtualSource(str(saved), "layers/dense/vars/0", (3, 4))
            file.create_virtual_dataset("layers/dense/vars/0", layout)
        else:
            link = h5py.SoftLink("/x") if kind == "SoftLink" else h5py.ExternalLink(str(saved), "/layers")
            file["layers"] = link
    with pytest.raises(FileFormatError, match=kind):
        KerasFileEditor(tmp_path / "bad.weights.h5")


def test_names_of_a_file_send_a_terminal_nothing(tmp_path, saved, capsys):
    with h5py.File(saved, "r+") as file:
        file["layers"].move("dense", "[red]\x1b[31m")
    editor = KerasFileEditor(saved)
    editor.summary()
    editor.compare(network())
    shown = capsys.readouterr().out
    assert "\x1b[31m" not in shown
    assert "[red]\\x1b" in shown


def test_an_editor_of_what_keras_wrote_counts_each_weight_once(tmp_path):
    model = keras.Sequential([L.Input((3,)), L.Dense(4), L.BatchNormalization(), L.Dense(2)])
    model.save_weights(tmp_path / "k.weights.h5")
    found = KerasFileEditor(tmp_path / "k.weights.h5").compare(foldnet.from_keras(model))
    assert found == {"status": "success", "error_count": 0, "match_count": 8}
