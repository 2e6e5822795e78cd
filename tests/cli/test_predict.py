"""``foldnet predict``: Keras's numbers, from and to every format, in bounded memory."""

import io
import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import foldnet as fn
from foldnet import Input, Model, layers
from tests.support.arrays import arrays_of


@pytest.fixture
def rows(data):
    return np.loadtxt(data / "wine.csv", delimiter=",", skiprows=1)[:, :-1]


@pytest.fixture
def keras_y(data):
    return arrays_of(data / "models" / "wine.npz")["y"]


def numbers(text):
    return np.loadtxt(io.StringIO(text), delimiter=",", skiprows=1, ndmin=2)


def test_a_csv_gives_keras_predictions_on_stdout(foldnet, wine, data, keras_y):
    text = foldnet.ok("predict", wine, "--data", data / "wine.csv", "--drop", "quality")
    assert text.startswith("prediction\n")
    np.testing.assert_allclose(numbers(text), keras_y, rtol=1e-5)
    assert text == foldnet.ok("predict", wine, "--data", data / "wine.csv", "--columns", "1-11")


@pytest.mark.parametrize("ending", ["csv", "npy", "parquet"])
@pytest.mark.parametrize("source", ["csv", "npy", "parquet"])
def test_every_format_in_and_out(foldnet, wine, data, rows, keras_y, tmp_path, source, ending):
    path, out = tmp_path / f"rows.{source}", tmp_path / f"out.{ending}"
    if source == "csv":
        np.savetxt(path, rows, delimiter=";")
    elif source == "npy":
        np.save(path, rows)
    else:
        pq.write_table(pa.table({f"c{i}": c for i, c in enumerate(rows.T)}), path)
    report = foldnet.json("predict", wine, "--data", path, "-o", out)
    assert report.pop("seconds") > 0
    assert report == {"file": str(wine), "rows": 1599, "columns": ["prediction"], "out": str(out)}
    if ending == "csv":
        y = numbers(out.read_text())
    else:
        y = np.load(out) if ending == "npy" else pq.read_table(out)["prediction"].to_numpy()[:, None]
        assert y.dtype == np.float32
    np.testing.assert_allclose(y, keras_y, rtol=1e-5)


def test_stdin_and_json(foldnet, wine, data, rows, keras_y):
    text = "\n".join(",".join(map(str, row)) for row in rows[:3])
    document = foldnet.json("predict", wine, "--data", "-", stdin=text)
    assert document["columns"] == ["prediction"]
    np.testing.assert_allclose(document["rows"], keras_y[:3], rtol=1e-5)


def test_json_has_no_bare_nan(foldnet, wine):
    text = foldnet.ok("predict", wine, "--data", "-", "--json", stdin="nan," * 10 + "1\n")
    assert json.loads(text, parse_constant=pytest.fail)["rows"] == [["nan"]]


def test_a_table_without_rows_gives_one_without_rows(foldnet, wine, tmp_path):
    np.save(tmp_path / "none.npy", np.empty((0, 11)))
    assert foldnet.ok("predict", wine, "--data", tmp_path / "none.npy") == "prediction\n"
    foldnet.ok("predict", wine, "--data", tmp_path / "none.npy", "-o", tmp_path / "out.npy")
    assert np.load(tmp_path / "out.npy").shape == (0, 1)


def test_several_units_are_several_columns(foldnet, data):
    table = data / "iris.csv"
    text = foldnet.ok("predict", data / "models" / "iris.keras", "--data", table, "--drop", "species")
    assert text.startswith("prediction_1,prediction_2,prediction_3\n")
    np.testing.assert_allclose(
        numbers(text), arrays_of(data / "models" / "iris.npz")["y"], rtol=1e-4, atol=1e-6
    )
    legacy = foldnet.ok("predict", data / "models" / "iris.h5", "--data", table, "--drop", "species")
    assert legacy == text


def test_several_inputs_are_several_tables(foldnet, data, rows, tmp_path):
    file = data / "models" / "branches.keras"
    np.save(tmp_path / "acids.npy", rows[:, :3])
    np.save(tmp_path / "others.npy", rows[:, 3:])
    tables = ("--data", tmp_path / "acids.npy", "--data", tmp_path / "others.npy")
    text = foldnet.ok("predict", file, *tables)
    np.testing.assert_allclose(numbers(text), arrays_of(data / "models" / "branches.npz")["y"], atol=1e-5)
    refusal = foldnet.refused("predict", file, *tables[:2])
    assert (
        "2 inputs, acids, others: give --data once for each, in this order; it was given 1 times" in refusal
    )
    np.save(tmp_path / "others.npy", rows[:-1, 3:])
    assert "differ in their number of rows" in foldnet.refused(
        "predict", file, *tables, "-o", tmp_path / "o.npy"
    )
    assert not (tmp_path / "o.npy").exists()


def test_a_frozen_file_predicts_the_same(foldnet, wine, data, tmp_path):
    frozen = tmp_path / "wine.foldnet"
    foldnet.ok("freeze", wine, "-o", frozen)
    table = ("--data", data / "wine.csv", "--drop", "quality")
    assert foldnet.ok("predict", frozen, *table) == foldnet.ok("predict", wine, *table)


def test_tables_that_do_not_fit_are_refused(foldnet, wine, data, tmp_path):
    table = data / "wine.csv"
    message = foldnet.refused("predict", wine, "--data", table)
    assert "takes 11 values per row, and the table has 12 columns: fixed acidity" in message
    assert "--drop" in message
    assert "no column 'ph'" in foldnet.refused("predict", wine, "--data", table, "--columns", "ph")
    assert "No such file" in foldnet.refused("predict", wine, "--data", tmp_path / "none.csv")
    assert "not as .xlsx" in foldnet.refused("predict", wine, "--data", table, "--drop", "12", "-o", "x.xlsx")
    species = ("predict", data / "models" / "iris.keras", "--data", data / "iris.csv", "--columns", "1-3,5")
    assert "iris.csv, line 2, column 5 (species): 'setosa' is not a number" in " ".join(
        foldnet(*species, "-o", tmp_path / "out.csv").stderr.split()
    )
    assert list(tmp_path.iterdir()) == []


def test_memory_stays_bounded_for_a_table_larger_than_it(wine, tmp_path):
    """A sparse file of 1.1 GB goes through a process that may have 400 MB of its own."""
    path = tmp_path / "large.npy"
    rows = 25_000_000 // 20
    np.lib.format.open_memmap(path, "w+", np.float64, (rows, 110))[:1] = 0
    assert path.stat().st_size > 1e9
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (400 * 2**20,) * 2); "
        "from foldnet.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "predict", wine, "--data", path, "--columns", "1-11"]
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "-o", tmp_path / "out.npy"],
        capture_output=True,
        text=True,
        env=os.environ | threads,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "out.npy", mmap_mode="r").shape == (rows, 1)


def test_an_npy_larger_than_the_address_space(foldnet, wine, tmp_path):
    """A sparse file of 900 MB goes through a process that may have 500 MB of addresses, maps of files included."""
    path, out = tmp_path / "large.npy", tmp_path / "out.npy"
    rows = 20_500_000
    x = np.lib.format.open_memmap(path, "w+", np.float32, (rows, 11))
    places = np.array([0, 1, 95_324, 95_325, rows // 2, rows - 1])  # 95,325 rows are a block
    x[places] = np.random.default_rng(0).normal(size=(len(places), 11))
    given = x[places]
    del x
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (500 * 2**20,) * 2); "
        "from foldnet.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "predict", wine, "--data", path, "-o", out]
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | threads, check=False)
    assert done.returncode == 0, done.stderr
    y = np.load(out, mmap_mode="r")
    assert y.shape == (rows, 1)
    predict = fn.freeze(wine)
    np.testing.assert_array_equal(y[places], predict(given))
    np.testing.assert_array_equal(y[2:1000], np.repeat(predict(np.zeros((1, 11), np.float32)), 998, axis=0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int16, np.dtype(">f4")])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_of_any_numbers_is_converted_part_by_part(
    foldnet, wine, rows, tmp_path, monkeypatch, dtype, order
):
    monkeypatch.setattr("foldnet.tables.npy_table.BLOCK_BYTES", 1000)
    data = np.asarray(rows, dtype, order=order)
    np.save(tmp_path / "rows.npy", data)
    foldnet.ok("predict", wine, "--data", tmp_path / "rows.npy", "-o", tmp_path / "out.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), fn.freeze(wine)(data))


def saved(model, path):
    fn.freeze(model, engine="reference").save(path)
    return path


def test_flat_rows_are_folded_to_the_shape_of_the_input(foldnet, tmp_path):
    x = Input((2, 3))
    file = saved(Model(x, layers.Flatten()(layers.Rescaling(2.0)(x))), tmp_path / "net.foldnet")
    document = foldnet.json("predict", file, "--data", "-", stdin="1,2,3,4,5,6\n")
    assert document["rows"] == [[2, 4, 6, 8, 10, 12]]
    assert "takes rows of shape (2, 3), not (5,)" in foldnet.refused(
        "predict", file, "--data", "-", stdin="1,2,3,4,5\n"
    )
    np.save(tmp_path / "x.npy", np.arange(12.0).reshape(2, 2, 3))
    assert foldnet.json("predict", file, "--data", tmp_path / "x.npy")["rows"][1] == [12, 14, 16, 18, 20, 22]


def test_results_of_higher_rank_go_to_npy_only(foldnet, tmp_path):
    x = Input((2, 3))
    file = saved(Model(x, layers.Rescaling(2.0)(x)), tmp_path / "net.foldnet")
    row = "1,2,3,4,5,6\n"
    assert "write them to a .npy file" in foldnet.refused("predict", file, "--data", "-", stdin=row)
    foldnet.ok("predict", file, "--data", "-", "-o", tmp_path / "y.npy", stdin=row)
    assert np.load(tmp_path / "y.npy").tolist() == [[[2, 4, 6], [8, 10, 12]]]


def test_several_results_stand_side_by_side(foldnet, tmp_path):
    x = Input((2,))
    double, half = layers.Rescaling(2.0)(x), layers.Rescaling(0.5)(x)
    two = saved(Model(x, [double, half]), tmp_path / "two.foldnet")
    assert foldnet.ok("predict", two, "--data", "-", stdin="1,2\n").splitlines() == [
        "prediction_1_1,prediction_1_2,prediction_2_1,prediction_2_2",
        "2.0,4.0,0.5,1.0",
    ]
    named = saved(Model(x, {"double": double, "half": half}), tmp_path / "named.foldnet")
    assert foldnet.ok("predict", named, "--data", "-", stdin="1,2\n").startswith(
        "double_1,double_2,half_1,half_2\n2.0"
    )


def test_a_progress_bar_only_on_a_terminal(wine, rows, tmp_path):
    np.save(tmp_path / "x.npy", rows)
    command = [sys.executable, "-m", "foldnet.cli", "predict", wine, "--data", tmp_path / "x.npy", "-o"]
    quiet = subprocess.run([*command, tmp_path / "y.npy"], capture_output=True, text=True, check=True)
    assert quiet.stderr.startswith("1,599 rows in ")
    master, slave = os.openpty()
    subprocess.run(
        [*command, tmp_path / "z.npy"], stderr=slave, env=os.environ | {"TERM": "xterm"}, check=True
    )
    os.close(slave)
    shown = os.read(master, 100_000).decode()
    os.close(master)
    assert "Predicting" in shown


def test_without_a_standard_output(wine, rows, tmp_path):
    np.save(tmp_path / "x.npy", rows)
    command = shlex.join(
        [sys.executable, "-m", "foldnet.cli", "predict", str(wine), "--data", str(tmp_path / "x.npy")]
    )
    done = subprocess.run(["sh", "-c", f"{command} >&-"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no standard output" in done.stderr


def test_columns_and_drop_go_with_each_table(foldnet, tmp_path):
    a, b = layers.Input((2,), name="a"), layers.Input((1,), name="b")
    model = Model([a, b], layers.Concatenate()([a, b]))
    model.save(tmp_path / "two.keras")
    (tmp_path / "a.csv").write_text("p,q,r\n1,2,3\n")
    (tmp_path / "b.csv").write_text("s;t\n4;5\n")
    tables = ["predict", tmp_path / "two.keras", "--data", tmp_path / "a.csv", "--data", tmp_path / "b.csv"]
    assert foldnet.json(*tables, "--columns", "r,p", "--columns", "t")["rows"] == [[3, 1, 5]]
    assert foldnet.json(*tables, "--drop", "q", "--drop", "s")["rows"] == [[1, 3, 5]]
    assert foldnet.json(*tables, "--columns", "1-3", "--columns", "1-2", "--drop", "2")["rows"] == [[1, 3, 4]]
    assert foldnet.json(*tables, "--drop", "1")["rows"] == [[2, 3, 5]]
    message = foldnet.refused(*tables, "--columns", "1", "--columns", "2", "--columns", "3")
    assert "--columns was given 3 times for 2 of --data" in message


def test_a_table_of_pandas_without_names_has_no_row_too_many(foldnet, wine, rows, keras_y, tmp_path):
    table = tmp_path / "x.csv"
    np.savetxt(table, rows, delimiter=",", header=",".join(map(str, range(11))), comments="")
    result = foldnet("predict", wine, "--data", table)
    assert result.exit_code == 0
    assert "Warning: " in result.stderr
    assert "counts from 0 to 10" in result.stderr
    assert len(result.stdout.splitlines()) == len(rows) + 1


def test_tables_as_the_options_say(foldnet, wine, rows, keras_y, tmp_path):
    lines = [";".join(f"{v!r}".replace(".", ",") for v in row) for row in rows[:4].tolist()]
    table = tmp_path / "x.csv"
    table.write_text("\n".join(["größe;" + ";".join("bcdefghijk"), *lines]) + "\n", encoding="latin-1")
    got = foldnet.json("predict", wine, "--data", table, "--decimal", ",", "--encoding", "latin-1")
    np.testing.assert_allclose(np.array(got["rows"]), keras_y[:4], rtol=1e-5)
    table.write_text("\n".join(lines[:1]).replace(lines[0].split(";")[0], "NA", 1), encoding="latin-1")
    options = ["--decimal", ",", "--na", "NA", "--no-header"]
    assert foldnet.json("predict", wine, "--data", table, *options)["rows"] == [["nan"]]
    tabs = tmp_path / "x.txt"
    tabs.write_text("\t".join(map(repr, rows[0].tolist())) + "\n")
    assert len(foldnet.json("predict", wine, "--data", tabs, "--delimiter", r"\t")["rows"]) == 1
