"""The code of README runs as it is printed, on the network and the table of wine that the project holds."""

import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

from foldnet.tables import open_table
from foldnet.tables.select import Selection

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
COMMANDS = [
    line.partition(" #")[0].strip()
    for language, code in BLOCKS
    if language == "sh"
    for line in code.splitlines()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files that README names."""
    folder = tmp_path_factory.mktemp("readme")
    for file in (ROOT / "data" / "models" / "wine.keras", ROOT / "data" / "wine.csv"):
        (folder / file.name).write_bytes(file.read_bytes())
    wines = pyarrow.csv.read_csv(folder / "wine.csv")
    for year in (2008, 2009):
        part = folder / "lake" / f"year={year}" / "wines.parquet"
        part.parent.mkdir(parents=True)
        pyarrow.parquet.write_table(wines, part)
    return folder


@pytest.fixture(scope="module")
def table():
    """Features and quality of the wines."""
    with open_table(ROOT / "data" / "wine.csv", Selection()) as opened:
        (rows,) = opened.blocks(10_000)
    return rows[:, :11], rows[:, 11:]


def test_nothing_is_passed_over():
    assert {language for language, _ in BLOCKS} == {"sh", "python"}
    assert len(PYTHON) >= 1
    assert sum(command.startswith("foldnet ") for command in COMMANDS) >= 7


def test_python_in_order(folder, table, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    x, y = table
    import foldnet

    names = {
        "foldnet": foldnet,
        "x": x,
        "y": y,
        "my_function": foldnet.freeze("wine.keras", engine="reference"),
    }
    for number, code in enumerate(PYTHON):
        names |= {"x": x, "y": y}
        exec(compile(code, f"README.md, Python block {number + 1}", "exec"), names)
    assert "NOT EQUAL" not in capsys.readouterr().out
    assert {"wine.foldnet", "wine_predict.py", "wine_c"} <= {p.name for p in folder.iterdir()}


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("foldnet ")])
def test_command(command, folder, table):
    from foldnet import freeze

    predictor = freeze(folder / "wine.keras")
    if "wine_predict.py" in command:
        predictor.to_numpy(folder / "wine_predict.py")
    if "predict wine.foldnet" in command:
        predictor.save(folder / "wine.foldnet")
    program = [sys.executable, "-m", "foldnet.cli", *shlex.split(command)[1:]]
    if "serve" in program:
        answers([*program, "--port", "0"], folder)
        return
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr


def answers(program, folder):
    """A server says where it is, answers, and ends when told to. Its port may be in use here, so it takes another."""
    with subprocess.Popen(program, cwd=folder, stdout=subprocess.PIPE, text=True, env=os.environ) as server:
        try:
            address = server.stdout.readline().split()[-1]
            with urllib.request.urlopen(f"{address}/models/wine") as answer:
                assert json.load(answer)["name"] == "wine"
        finally:
            server.terminate()
    assert server.returncode == 0


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [command.split()[1] for command in COMMANDS if command.startswith("make ")]
    assert targets
    assert all(f"\n{target}:" in makefile for target in targets)
