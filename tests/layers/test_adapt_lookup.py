"""IntegerLookup.adapt: the vocabularies and results that Keras recorded with TensorFlow, which it needs for them.

``scripts/make_lookup_fixtures.py`` made the record.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import foldnet
from foldnet import Input, Sequential, freeze, layers
from foldnet.errors import ConfigError, InputError, UnsupportedError

FOLDER = Path(__file__).parents[1] / "fixtures" / "lookups"
RECORDS = json.loads((FOLDER / "adapted.json").read_text())


def given(record, how):
    batches = [np.array(batch) for batch in record["data"]]
    if how == "batches":
        return iter(batches)
    whole = np.concatenate(batches)
    return whole if how == "whole" else whole.ravel()


@pytest.mark.parametrize("how", ["whole", "flat", "batches"])
@pytest.mark.parametrize("record", RECORDS, ids=lambda r: json.dumps(r["settings"]))
def test_as_in_keras(record, how):
    layer = layers.IntegerLookup(**record["settings"])
    layer.adapt(given(record, how))
    assert layer.get_vocabulary() == record[how]["vocabulary"]
    rows = np.array(record["rows"])
    network = Sequential([Input((rows.shape[1],), dtype="int32"), layer])
    np.testing.assert_allclose(freeze(network)(rows), record[how]["result"], rtol=1e-6)
    other = layers.IntegerLookup(**record["settings"])
    other.adapt(
        given(record, how).tolist() if how != "batches" else given(record, how)
    )  # a list is one batch
    assert other.get_vocabulary() == layer.get_vocabulary()


def test_every_record_says_something():
    assert len(RECORDS) > 8
    assert any(r["whole"]["result"] != r["flat"]["result"] for r in RECORDS)  # rows count for tf_idf


@pytest.mark.parametrize("settings", [{}, {"output_mode": "tf_idf"}])
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_file_has_the_vocabulary(tmp_path, settings, ending):
    layer = layers.IntegerLookup(**settings)
    layer.adapt([[3, 1, 1], [3, 3, 8]])
    network = Sequential([Input((2,), dtype="int32"), layer])
    network.save(tmp_path / f"m{ending}")
    again = foldnet.load_model(tmp_path / f"m{ending}")
    rows = np.array([[3, 8], [1, 5]])
    np.testing.assert_allclose(again.predict(rows), network.predict(rows), rtol=1e-6)


def test_adapting_again():
    layer = layers.IntegerLookup()
    layer.adapt([1, 1, 2])
    layer.adapt([7])
    assert layer.get_vocabulary() == [-1, 7]
    network = foldnet.load_model(FOLDER / "network.keras")
    adapted = network.get_layer("adapted")  # in Keras
    adapted.adapt(np.array([[5, 5, 4, 3, 2, 1, 1, 1]]))
    assert adapted.get_vocabulary() == [-1, 1, 5, 4, 3, 2]
    with pytest.raises(ConfigError, match=r"'given' \(IntegerLookup\) was given its vocabulary"):
        network.get_layer("given").adapt([1, 2])


def test_what_is_no_data():
    layer = layers.IntegerLookup(name="mine")
    for data in ([0.5], np.array(["a"]), [np.nan], [2.0**70]):
        with pytest.raises(InputError, match=r"'mine'.*whole numbers"):
            layer.adapt(data)
    for data in ([], [-1, -1]):
        with pytest.raises(InputError, match=r"'mine'.*no number"):
            layer.adapt(data)
    with pytest.raises(UnsupportedError, match="32 bits"):
        layer.adapt([2**40])
    with pytest.raises(InputError, match="adapt takes"):
        layer.adapt("abc")
    with pytest.raises(ConfigError, match="steps"):
        layer.adapt(iter([np.ones(3)]), steps=0)
    assert layer.vocabulary is None


def test_endless_data():
    def endless():
        while True:
            yield np.array([[4, 4, 6]])

    layer = layers.IntegerLookup()
    layer.adapt(endless(), steps=3)
    assert layer.get_vocabulary() == [-1, 4, 6]
