"""The notebooks run on the packaged network, and on files of other kinds, by changing one path.

A kernel takes seconds to start, so each notebook has one, in which it runs from the top for each file.
"""

import json
import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from foldnet import Input, Model, Sequential, layers
from tests.insight.insight_networks import fill

NOTEBOOKS = Path(__file__).parents[2] / "examples" / "notebooks"
CODE = {
    "packaged": "def predict(x):",
    "images": "def predict(x):",
    "plain": "def predict(word, number):",
    "wrapped": "This network has no such code: layer 'scale' has",
    "old": "def predict(x):",
}
"""What is said of the function, by the short name of a file."""
NAMES = ("prediction_by_hand", "which_axis")
PATH = re.compile(r"^FILE = .*$", re.MULTILINE)
DATA = re.compile(r"^DATA = .*$", re.MULTILINE)


def images(*, several):
    """A network for images, with a normalization inside a network that is called twice, and one of first channels.

    With ``several`` there is one with several axes, which only a .h5 can hold.
    """
    inner = Sequential([Input((6, 6, 4)), layers.BatchNormalization(name="norm")], name="inner")
    x = Input((6, 6, 3), name="image")
    y = layers.Conv2D(4, 3, padding="same", name="conv")(x)
    y = layers.ReLU(name="relu")(layers.BatchNormalization(name="first")(y))
    y = layers.Permute((3, 1, 2), name="turned")(inner(inner(y)))
    y = layers.BatchNormalization(axis=1, name="second")(y)
    if several:
        y = layers.BatchNormalization(axis=[1, 2, 3], name="places")(y)
    return fill(Model(x, layers.Dense(2, name="end")(layers.Flatten(name="flat")(y)), name="images"))


def plain():
    """Two inputs, one of them whole numbers, and no normalization."""
    word, number = Input((None,), dtype="int32", name="word"), Input((2,), name="number")
    y = layers.GlobalAveragePooling1D(name="mean")(layers.Embedding(5, 3, name="table")(word))
    joined = layers.Concatenate(name="joined")([y, number])
    return fill(Model([word, number], layers.Dense(1, name="end")(joined), name="plain"))


def wrapped():
    """A normalization inside a wrapper, after numbers that are settings, for which there is no code to copy."""
    scale = layers.Normalization(mean=np.linspace(1, 2, 70), variance=np.linspace(1, 3, 70), name="scale")
    y = x = Input((4, 70), name="steps")
    y = layers.TimeDistributed(layers.BatchNormalization(name="each"), name="time")(scale(y))
    return fill(Model(x, layers.Dense(1, name="end")(layers.Flatten(name="flat")(y)), name="wrapped"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """By a short name, what is put for FILE and DATA; None leaves what the notebook has."""
    folder = tmp_path_factory.mktemp("files")
    images(several=False).save(folder / "images.keras")
    plain().save(folder / "plain.keras")
    wrapped().save(folder / "wrapped.keras")
    images(several=True).save(folder / "old.h5")
    np.save(folder / "rows.npy", np.random.default_rng(0).normal(2, 3, (20, 6, 6, 3)).astype("float32"))
    return {
        "packaged": (None, None),
        "images": (folder / "images.keras", folder / "rows.npy"),
        "plain": (folder / "plain.keras", None),
        "wrapped": (folder / "wrapped.keras", None),
        "old": (folder / "old.h5", None),
    }


def read(name):
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def printed(notebook):
    """What its cells print, and what they show as HTML."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    shown = "".join(output.data.get("text/html", "") for output in outputs if "data" in output)
    return text, shown


def run(name, files, folder, monkeypatch, compiler):
    """What the notebook prints and shows for each of the files."""
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv("PYTHONWARNINGS", "error::RuntimeWarning")
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(folder / variable))
    notebook = read(name)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    sources = [cell.source for cell in notebook.cells]
    results = {}
    with client.setup_kernel():
        for kind, (file, data) in files.items():
            for number, cell in enumerate(notebook.cells):
                cell.source = sources[number]
                if file is not None:
                    cell.source = PATH.sub(f"FILE = {str(file)!r}", cell.source)
                if data is not None:
                    cell.source = DATA.sub(f"DATA = {str(data)!r}", cell.source)
                client.execute_cell(cell, number)
            results[kind] = printed(notebook)
    return results


def test_which_axis(files, tmp_path, monkeypatch, quick_compiler):
    results = run("which_axis", files, tmp_path, monkeypatch, quick_compiler)
    text, shown = results["packaged"]
    assert "1599 rows of shape (11,), given" in text
    assert (
        "norm_1: axis=-1 keeps the axes [1]\n    mean: x.mean(axis=(0,)); statistics of shape (10,)" in text
    )
    assert "axis=-1 names the axes that KEEP separate statistics" in shown
    assert text.count("the other axes: True") == 3
    assert text.count("by itself:      False") == 3
    for kind, origin in (
        ("images", "20 rows of shape (6, 6, 3), given"),
        ("old", "50 rows of shape (6, 6, 3), made up"),
    ):
        text, shown = results[kind]
        assert origin in text
        assert (
            "inner/norm: axis=-1 keeps the axes [3]\n    mean: x.mean(axis=(0, 1, 2)); statistics of shape (4,)"
            in text
        )
        assert (
            "second: axis=1 keeps the axes [1]\n    mean: x.mean(axis=(0, 2, 3)); statistics of shape (4,)"
            in text
        )
        assert text.count("the other axes: True") == (4 if kind == "old" else 3)
        assert "KEEP separate statistics" in shown
    assert "places: axis=[1, 2, 3] keeps the axes [1, 2, 3]\n    mean: x.mean(axis=(0,))" in results["old"][0]
    assert "statistics of shape (1, 4, 6, 6)" in results["old"][0]
    text, shown = results["plain"]
    assert "No BatchNormalization is among the layers of this network:\nConcatenate, Dense, Embedding" in text
    assert "There is nothing to compare" in text
    assert "KEEP separate statistics" not in shown
    assert "time wraps a BatchNormalization, which this notebook does not follow." in results["wrapped"][0]
    assert (tmp_path / "axes.html").read_text().startswith("<!")


def test_prediction_by_hand(files, tmp_path, monkeypatch, quick_compiler):
    results = run("prediction_by_hand", files, tmp_path, monkeypatch, quick_compiler)
    for kind, (text, shown) in results.items():
        assert CODE[kind] in text
        assert "proven" in shown
        assert "NOT EQUAL" not in shown
        assert "the same bits: True" in text
    text, _ = results["packaged"]
    assert "dropout_1 (Dropout): nothing at prediction time" in text
    assert "    gamma (10,)\n    beta (10,)\n    moving_mean (10,), not trained\n" in text
    assert "equal: False\n" + "".join(f"norm_{k} variance-without-sqrt\n" for k in (1, 2, 3)) in text
    for kind in ("images", "old"):
        assert "first variance-without-sqrt" in results[kind][0]
    text, _ = results["plain"]
    assert "The function divides by no square root" in text


@pytest.mark.parametrize("name", NAMES)
def test_stored_without_outputs(name):
    """So that a change of foldnet changes no notebook; and nothing of the machine that it was written on."""
    notebook = read(name)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    source = "\n".join(cell.source for cell in notebook.cells)
    assert len(PATH.findall(source)) == len(DATA.findall(source)) == 1
    assert os.sep + "home" not in source
    metadata = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["metadata"]
    assert set(metadata) == {"kernelspec", "language_info"}


def test_all_are_tested():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(NAMES)
