"""``foldnet report``."""

import numpy as np
import pytest

from foldnet import Sequential, layers
from foldnet.callbacks import NormalizationMonitor


@pytest.fixture
def run(tmp_path):
    model = Sequential([layers.Input((3,)), layers.BatchNormalization(name="norm"), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(40, 3))
    model.fit(x, x[:, :1], epochs=3, verbose=0, callbacks=NormalizationMonitor(tmp_path / "run"))
    return tmp_path / "run"


def test_the_page_lands_in_the_run(foldnet, run):
    printed = foldnet.ok("report", run)
    assert "norm: After 6 steps at momentum 0.99, 94.1 % of each moving statistic" in " ".join(
        printed.split()
    )
    assert max(map(len, printed.splitlines()[:-1])) <= 80
    assert (run / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_elsewhere_and_as_json(foldnet, run, tmp_path):
    document = foldnet.json("report", run, "-o", tmp_path / "mine.html")
    assert document["page"] == str(tmp_path / "mine.html")
    assert document["plots"] == []
    assert list(document["layers"]) == ["norm"]
    assert not (run / "report.html").exists()


def test_a_directory_without_a_run(foldnet, tmp_path):
    assert "holds no run.json" in foldnet.refused("report", tmp_path)
