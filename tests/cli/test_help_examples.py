"""Every example that ``--help`` prints works as it stands, and fits 80 columns."""

import gzip
import re
import shlex

import numpy as np
import pytest

import foldnet as package
from foldnet import Sequential, layers
from foldnet.callbacks import NormalizationMonitor
from foldnet.cli import COMMANDS, main
from foldnet.tables import create_table, open_table
from foldnet.tables.select import Selection

ELSEWHERE = {
    "foldnet demo": "it has tests of its own",
    "foldnet demo --out /tmp/wine --rows 100000": "it has tests of its own",
    **dict.fromkeys(
        (
            "foldnet serve wine.foldnet",
            "foldnet serve wine.foldnet --port 8000",
            "foldnet serve wine.keras iris.h5 --port 9000 --workers 2",
            "foldnet serve models/v3.foldnet --name wine --host 0.0.0.0 --log-requests",
        ),
        "a server runs until it is ended: tests/serving starts it with these options",
    ),
    "cat rows.csv | foldnet predict wine.keras --data - > out.csv": "two programs joined by the shell",
    "foldnet predict wine.keras --data lake/ --columns 1-11 -o out/ --engine dask --scheduler tcp://10.0.0.5:8786": (
        "tests/scale/test_dask.py has clusters"
    ),
}
"""Examples that are not run here, and why."""


def examples():
    for name in (None, *COMMANDS):
        command = main if name is None else main.get_command(None, name)
        text = command.epilog.replace("\\\n", " ")
        yield from re.findall(r"^  ((?:foldnet|cat) .*)$", text, re.MULTILINE)


EXAMPLES = sorted({" ".join(line.split()) for line in examples()})


@pytest.fixture(scope="module")
def folder(tmp_path_factory, data):
    """A folder with every file that the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    network, table = data / "models" / "wine.keras", data / "wine.csv"
    (folder / "wine.keras").write_bytes(network.read_bytes())
    for name in ("wine.csv", "train.csv", "valid.csv"):
        (folder / name).write_bytes(table.read_bytes())
    whole = package.load_model(network)
    (folder / "wine.json").write_text(whole.to_json())
    whole.save_weights(folder / "wine_weights.h5")
    predict = package.freeze(network)
    predict.save(folder / "wine.foldnet")
    predict.to_numpy(folder / "wine_predict.py")
    predict.to_c(folder / "wine_c")
    predict.to_wasm(folder / "wine_web")
    with open_table(table, Selection(drop="quality")) as opened:
        (rows,) = opened.blocks(2000)
        columns = opened.columns
    lines = (";".join(f"{v:.6g}".replace(".", ",") for v in row) for row in rows[:9])
    with gzip.open(folder / "rows.csv.gz", "wt") as compressed:
        compressed.write("\n".join(lines) + "\n")
    for name in ("rows.npy", "x.npy"):
        np.save(folder / name, rows)
    np.save(folder / "predictions.npy", predict(rows))
    pytest.importorskip("pyarrow")
    with create_table(folder / "big.parquet", [*columns, "quality"]) as big:
        big.write(np.column_stack([rows, np.ones(len(rows))]))
    for year in (2023, 2024):
        part = folder / "lake" / f"year={year}" / "part-0.parquet"
        part.parent.mkdir(parents=True)
        part.write_bytes((folder / "big.parquet").read_bytes())
    digits = Sequential([layers.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(10)])
    digits.save(folder / "digits.keras")
    np.save(folder / "images.npy", np.random.default_rng(1).normal(size=(40, 8, 8, 1)))
    np.save(folder / "labels.npy", np.arange(40) % 10)
    (folder / "log.csv").write_text("epoch,loss,val_loss\n0,1.5,2\n1,1.25,1.75\n")
    (folder / "train.py").write_text("from keras import Sequential\nmodel = Sequential()\n")
    model = Sequential([layers.Input((3,)), layers.BatchNormalization(), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(40, 3))
    model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=NormalizationMonitor(folder / "run"))
    return folder


def test_there_are_examples_and_those_left_out_exist():
    assert len(EXAMPLES) > 25
    assert set(ELSEWHERE) <= set(EXAMPLES)


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e not in ELSEWHERE])
def test_example(foldnet, folder, monkeypatch, example):
    if "--plots" in example:
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(folder)
    # The examples share one folder, so one may find what another has written there.
    writes = any(o in example for o in (" -o ", "--html", "--to-", "--fix", "--sarif", "--plots"))
    result = foldnet(*shlex.split(example)[1:], *["--force"] * writes)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_the_line(foldnet, name):
    text = foldnet.ok(name, "--help")
    assert "Examples:" in text
    assert "--json" in text
    assert max(map(len, text.splitlines())) <= 80
