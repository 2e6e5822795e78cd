"""``foldnet recalibrate``."""

import numpy as np
import pytest

import foldnet as package


@pytest.fixture
def wine_table(data):
    return data / "wine.csv"


def recalibrated(wine, wine_table):
    table = np.loadtxt(wine_table, delimiter=",", skiprows=1)
    model = package.load_model(wine)
    result = package.recalibrate(
        model, table[:, :11], validation_data=(table[:, :11], table[:, 11:]), metric="mae"
    )
    return model, result


def test_the_report_is_that_of_the_function(foldnet, wine, wine_table):
    _, result = recalibrated(wine, wine_table)
    printed = foldnet.ok(
        "recalibrate",
        wine,
        "--data",
        wine_table,
        "--validation",
        wine_table,
        "--target",
        "quality",
        "--metric",
        "mae",
    )
    assert printed.startswith(str(result))
    assert "Nothing is written" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_what_it_writes_has_the_new_statistics(foldnet, wine, wine_table, tmp_path):
    model, _ = recalibrated(wine, wine_table)
    out = tmp_path / "better.keras"
    document = foldnet.json("recalibrate", wine, "--data", wine_table, "--drop", "quality", "-o", out)
    assert document["applied"]
    assert document["validation"] is None
    written = package.load_model(out)
    for layer in ("norm_1", "norm_2", "norm_3"):
        for name, value in model.get_layer(layer).named_weights.items():
            np.testing.assert_allclose(written.get_layer(layer).named_weights[name], value, rtol=1e-6)


def test_one_layer(foldnet, wine, wine_table):
    document = foldnet.json("recalibrate", wine, "--data", wine_table, "--target", "12", "--layer", "norm_2")
    assert [layer["layer"] for layer in document["layers"]] == ["norm_2"]


def test_what_is_refused(foldnet, wine, wine_table):
    assert "several times" in foldnet.refused("recalibrate", wine, "--data", "-")
    assert "--target" in foldnet.refused(
        "recalibrate", wine, "--data", wine_table, "--validation", wine_table
    )
    assert "no BatchNormalization" in foldnet.refused(
        "recalibrate", wine, "--data", wine_table, "--drop", "quality", "--layer", "hidden_1"
    )
    assert "takes 11 values" in foldnet.refused("recalibrate", wine, "--data", wine_table)
