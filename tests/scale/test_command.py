"""What ``foldnet predict`` says about data sets, and what it refuses."""

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import foldnet as fn
from foldnet import layers
from foldnet.cli import main
from tests.scale.lakes import WINE


def predict(*arguments):
    return CliRunner().invoke(main, ["predict", *map(str, arguments)])


def test_the_report_as_json_and_as_text(own_lake, tmp_path):
    command = [WINE, "--data", own_lake.folder, "--columns", "1-11", "--keep", "id", "-o", tmp_path / "out"]
    report = json.loads(predict(*command, "--json").stdout)
    assert report.pop("seconds") > report.pop("working") > report.pop("predicting") > 0
    assert report == {
        "file": str(WINE), "data": str(own_lake.folder), "out": str(tmp_path / "out"), "parts": 6, "made": 6,
        "found": 0, "removed": 0, "rows": 1800, "columns": ["prediction"], "broken": {}, "complete": True,
    }  # fmt: skip
    own_lake.assert_equal(tmp_path / "out")
    (own_lake.folder / own_lake.parts[0]).unlink()
    (own_lake.folder / own_lake.parts[1]).write_text("no Parquet")
    text = predict(*command)
    assert (text.exit_code, text.stdout) == (2, "")
    for words in (
        "4 were there already",
        "any more: 1\n",
        f"Broken: {own_lake.parts[1]}: ",
        "Error: 1 of 5 parts",
    ):
        assert words in text.stderr
    report = json.loads((done := predict(*command, "--json")).stdout)
    assert (done.exit_code, report["complete"], list(report["broken"])) == (2, False, own_lake.parts[1:2])


def test_several_inputs_come_from_one_data_set(tmp_path):
    a, b = layers.Input((2,), name="a"), layers.Input((1,), name="b")
    fn.Model([a, b], layers.Concatenate()([b, a])).save(tmp_path / "two.keras")
    (tmp_path / "in").mkdir()
    pq.write_table(
        pa.table({"x": [1.5, 2.5], "y": [3.5, 4.5], "z": [5.5, 6.5]}), tmp_path / "in" / "p.parquet"
    )
    data, out = ["--data", tmp_path / "in"], ["-o", tmp_path / "out"]
    once = predict(tmp_path / "two.keras", *data, *out)
    assert once.exit_code == 2
    assert "2 inputs (a, b): give --data once for each" in once.stderr
    done = predict(tmp_path / "two.keras", *data, *data, "--columns", "z,x", "--columns", "y", *out)
    assert done.exit_code == 0, done.output
    made = np.column_stack(pq.read_table(tmp_path / "out" / "p.parquet").columns)
    assert made.tolist() == [[3.5, 5.5, 1.5], [4.5, 6.5, 2.5]]


def test_memory_stays_bounded_for_a_part_larger_than_it(tmp_path):
    """700 MB of numbers, which are few bytes in the file, go through a process that may have 400 MB of its own."""
    (tmp_path / "in").mkdir()
    table = pa.table({str(k): np.full(100_000, k / 7) for k in range(11)})
    with pq.ParquetWriter(tmp_path / "in" / "large.parquet", table.schema) as writer:
        for _ in range(80):
            writer.write_table(table)
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_DATA, (400 * 2**20,) * 2); "
        "from foldnet.cli import main; main()"
    )
    command = ["predict", WINE, "--data", tmp_path / "in", "-o", tmp_path / "out", "--keep", "0"]
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        capture_output=True,
        text=True,
        env=os.environ | threads,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert pq.read_metadata(tmp_path / "out" / "large.parquet").num_rows == 8_000_000


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--data", "LAKE"], "give a folder for the results with -o"),
        (["--data", "LAKE", "-o", "-"], "give a folder for the results with -o"),
        (["--data", "LAKE", "-o", "OUT", "--decimal", ","], "--decimal is about CSV"),
        (["--data", "LAKE", "-o", "OUT", "--engine", "dask"], "--scheduler ADDRESS belong together"),
        (["--data", "LAKE", "-o", "OUT", "--scheduler", "x"], "--scheduler ADDRESS belong together"),
        (["--data", "LAKE", "--data", "FILE", "-o", "OUT"], "only one data set"),
        (["--data", "FILE", "-o", "OUT.parquet", "--keep", "id"], "--keep is for a folder or a pattern"),
        (["--data", "FILE", "-o", "OUT.parquet", "--engine", "dask"], "--engine dask is for a folder"),
        (["--data", "LAKE/none-*.parquet", "-o", "OUT"], "no file fits this pattern"),
        (["--data", "EMPTY", "-o", "OUT"], "there is no .parquet file"),
        (["--data", "LAKE", "-o", "OUT"], "takes 11 values per row, and the table has 13 columns"),
        (["--data", "LAKE", "-o", "OUT", "--columns", "1-10,none"], "there is no column 'none'"),
        (["--data", "LAKE", "-o", "OUT", "--columns", "1-11", "--keep", "none"], "there is no column 'none'"),
        (
            ["--data", "LAKE", "-o", "FILE", "--columns", "1-11"],
            "is a file; the results of a data set need a folder",
        ),
    ],
)
def test_what_is_refused(lake, tmp_path, arguments, text):
    (tmp_path / "empty").mkdir()
    words = {
        "LAKE": lake.folder,
        "FILE": lake.folder / lake.parts[0],
        "OUT": tmp_path / "out",
        "EMPTY": tmp_path / "empty",
    }
    for word, path in words.items():
        arguments = [a.replace(word, str(path)) for a in arguments]
    done = predict(WINE, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert text in " ".join(done.stderr.split())
    assert not list(tmp_path.rglob("*.parquet"))
