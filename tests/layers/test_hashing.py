"""Hashing against what Keras computes with TensorFlow (scripts/make_lookup_fixtures.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

import foldnet
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.layers import Hashing, Input
from foldnet.lowering.lower import lower
from foldnet.network import Model

RECORDS = json.loads((Path(__file__).parents[1] / "fixtures" / "lookups" / "hashes.json").read_text())


def network(config, dtype="int32"):
    x = Input((8,), dtype=dtype)
    return Model(x, Hashing.from_config(config)(x))


@pytest.mark.parametrize("record", RECORDS, ids=[str(i) for i in range(len(RECORDS))])
def test_computes_what_keras_does(record, engine, tmp_path):
    rows, expected = np.array(record["rows"], np.int32), np.array(record["result"], record["dtype"])
    model = network(record["config"])
    (result,) = engine(model, [rows], "float32")
    np.testing.assert_array_equal(result, expected)
    assert model.outputs[0].dtype == record["dtype"]
    assert model.outputs[0].shape[1:] == expected.shape[1:]
    for ending in ("keras", "h5"):
        model.save(tmp_path / f"x.{ending}")
        again = foldnet.load_model(tmp_path / f"x.{ending}")
        assert again.layers[-1].get_config() == model.layers[-1].get_config()
        np.testing.assert_array_equal(again.predict(rows), model.predict(rows))


@pytest.mark.parametrize("record", RECORDS, ids=[str(i) for i in range(len(RECORDS))])
def test_stores_keras_s_settings(record):
    stored = {**record["config"], "dtype": record["config"]["dtype"]["config"]["name"]}
    assert Hashing.from_config(record["config"]).get_config() == stored


def test_exported(tmp_path):
    rows = np.array(RECORDS[1]["rows"], np.int32)
    scope = {}
    path = tmp_path / "net.py"
    foldnet.freeze(network({"num_bins": 7})).to_numpy(path)
    exec(path.read_text(), scope)
    np.testing.assert_array_equal(scope["predict"](rows), RECORDS[1]["result"])


def test_floats_are_cut_off_but_not_compared_with_a_mask():
    rows = np.float32([[7.9, -1.2, 0, 1, 2, 3, 4, 5]])
    numbers = rows.astype(np.int32)
    plain = network({"num_bins": 50}, "float32")
    np.testing.assert_array_equal(plain.predict(rows), network({"num_bins": 50}).predict(numbers))
    with pytest.raises(UnsupportedError, match=r"'mine'.*mask_value.*int32"):
        lower(network({"num_bins": 5, "mask_value": 3, "name": "mine"}, "float32"))


def test_what_is_refused():
    with pytest.raises(UnsupportedError, match=r"mine.*salt"):
        Hashing(5, salt=3, name="mine")
    for settings in [{"dtype": "float32"}, {"output_mode": "count", "dtype": "int64"}]:
        with pytest.raises(ConfigError, match=r"mine.*dtype"):
            Hashing(5, name="mine", **settings)
