"""IntegerLookup against what Keras computes with TensorFlow (scripts/make_lookup_fixtures.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

import foldnet
from foldnet.errors import ConfigError, FileFormatError, InputError, UnsupportedError
from foldnet.layers import Dense, Input, IntegerLookup
from foldnet.network import Model
from tests.support.arrays import arrays_of
from tests.support.keras_pairs import run_reference

FOLDER = Path(__file__).parents[1] / "fixtures" / "lookups"
RECORDS = json.loads((FOLDER / "results.json").read_text())


def network(config, shape, dtype="int32"):
    x = Input(shape, dtype=dtype)
    return Model(x, IntegerLookup.from_config(config)(x))


@pytest.mark.parametrize("record", RECORDS, ids=[str(i) for i in range(len(RECORDS))])
def test_computes_what_keras_does(record, engine):
    rows = np.array(record["rows"], np.int32)
    model = network(record["config"], rows.shape[1:])
    # On arrays Keras gives all forms but tf_idf as whole numbers; between layers it says that they are float32.
    dtype = "int64" if record["config"]["output_mode"] == "int" else "float32"
    expected = np.array(record["result"], dtype)
    (result,) = engine(model, [rows], "float32")
    assert model.outputs[0].dtype == dtype
    assert model.outputs[0].shape[1:] == expected.shape[1:]
    if dtype == "int64":
        np.testing.assert_array_equal(result, expected)
    else:
        np.testing.assert_allclose(result, expected, rtol=2e-6)


@pytest.mark.parametrize("record", RECORDS, ids=[str(i) for i in range(len(RECORDS))])
def test_stores_keras_s_settings(record):
    config = IntegerLookup.from_config(record["config"]).get_config()
    assert {k: v for k, v in config.items() if k != "dtype"} == record["config"]


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_opens_keras_s_files(ending, tmp_path):
    known = arrays_of(FOLDER / "network.npz")
    model = foldnet.load_model(FOLDER / f"network.{ending}")
    if ending == "h5":  # does not hold what was adapted
        with pytest.raises(UnsupportedError, match=r"'adapted' has no vocabulary.*get_vocabulary"):
            model.predict(known["rows"])
        model.get_layer("adapted").vocabulary = known["known"].tolist()
    np.testing.assert_allclose(model.predict(known["rows"]), known["result"], rtol=1e-5, atol=1e-6)
    assert model.get_layer("adapted").get_vocabulary() == known["known"].tolist()
    model.save(tmp_path / f"again.{ending}")
    again = foldnet.load_model(tmp_path / f"again.{ending}")
    np.testing.assert_array_equal(again.predict(known["rows"]), model.predict(known["rows"]))


def test_a_vocabulary_file_that_does_not_fit_is_refused(tmp_path):
    import zipfile

    name = "assets/layers/integer_lookup_1/vocabulary.txt"
    for content, reason in [
        (b"1\n2", "list of 6"),
        (b"-1\n1\n1\n2\n3\n4", "more than once"),
        (b"\xff", "codec"),
    ]:
        with (
            zipfile.ZipFile(FOLDER / "network.keras") as old,
            zipfile.ZipFile(tmp_path / "x.keras", "w") as new,
        ):
            for member in old.namelist():
                new.writestr(member, content if member == name else old.read(member))
        with pytest.raises(FileFormatError, match=rf"vocabulary.txt of layer 'adapted'.*{reason}"):
            foldnet.load_model(tmp_path / "x.keras")
    with zipfile.ZipFile(FOLDER / "network.keras") as old, zipfile.ZipFile(tmp_path / "x.keras", "w") as new:
        for member in old.namelist():
            if member != name:
                new.writestr(member, old.read(member))
    with pytest.raises(FileFormatError, match=r"no 'assets/layers/integer_lookup_1/vocabulary.txt'"):
        foldnet.load_model(tmp_path / "x.keras")


def test_a_number_without_an_index(engine):
    model = network({"vocabulary": [3, 5], "num_oov_indices": 0, "name": "mine"}, (2,))
    np.testing.assert_array_equal(engine(model, [np.int32([[5, 3]])], "float32")[0], [[1, 0]])
    with pytest.raises(InputError, match="vocabulary"):
        engine(model, [np.int32([[5, 4]])], "float32")
    with pytest.raises(InputError, match=r"'mine'.*num_oov_indices=1"):
        foldnet.freeze(model)(np.int32([[5, 4]]))


def test_floats_are_cut_off():
    model = network({"vocabulary": [3, 5]}, (3,), "float32")
    np.testing.assert_array_equal(run_reference(model, [np.float32([[3.9, 5, 4]])])[0], [[1, 2, 0]])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"vocabulary": []}, "empty"),
        ({"vocabulary": [1, 1]}, "more than once"),
        ({"vocabulary": [1, 2], "mask_token": 2}, "special number 2"),
        ({"vocabulary": [1, 2], "oov_token": 2, "invert": True}, "special number 2"),
        ({"vocabulary": [1, 2], "max_tokens": 2}, "max_tokens=2"),
        ({"vocabulary": [1], "invert": True, "output_mode": "count"}, 'output_mode="int"'),
        ({"vocabulary": [1], "invert": True, "oov_token": None}, "needs oov_token"),
        ({"vocabulary": [1], "idf_weights": [1.0]}, "tf_idf"),
        ({"vocabulary": [1], "output_mode": "tf_idf"}, "idf_weights"),
        ({"vocabulary": [1], "pad_to_max_tokens": True}, "max_tokens"),
    ],
)
def test_settings_that_do_not_go_together(settings, reason):
    with pytest.raises(ConfigError, match=rf"mine.*{reason}"):
        IntegerLookup(name="mine", **settings)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"vocabulary": [1], "sparse": True, "output_mode": "count"}, "sparse"),
        ({"vocabulary": "words.txt"}, "name of a file"),
        ({"vocabulary": [2**40]}, "32 bits"),
        ({"vocabulary": [1], "num_oov_indices": 2, "oov_method": "farmhash"}, "farmhash"),
        ({"vocabulary": [1], "salt": 3, "oov_method": "farmhash"}, "salt"),
    ],
)
def test_what_foldnet_does_not_compute(settings, reason):
    with pytest.raises(UnsupportedError, match=rf"mine.*{reason}"):
        IntegerLookup(name="mine", **settings)


def test_trains_what_comes_after_it():
    x = Input((3,), dtype="int32")
    model = Model(x, Dense(1)(IntegerLookup(vocabulary=[4, 7], output_mode="count")(x)))
    model.compile("sgd", "mse")
    rows = np.int32([[4, 7, 7], [1, 4, 4], [7, 7, 7]])
    before = model.evaluate(rows, np.float32([1, 2, 3]), verbose=0)
    model.fit(rows, np.float32([1, 2, 3]), epochs=5, verbose=0)
    assert model.evaluate(rows, np.float32([1, 2, 3]), verbose=0) < before
