"""``summary``, ``explain``, ``freeze`` and ``verify``: text, JSON, files and exit codes."""

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import foldnet as fn
from tests.support.arrays import arrays_of


def width(text):
    return max(map(len, text.splitlines()))


def test_summary(foldnet, wine):
    text = foldnet.ok("summary", wine)
    assert "norm_2" in text
    assert "moving_mean" in text
    assert width(text) <= 80


def test_summary_as_json(foldnet, wine):
    document = foldnet.json("summary", wine)
    assert set(document) == {"file", "name", "layers"}
    norm = next(layer for layer in document["layers"] if layer["name"] == "norm_1")
    assert norm == {
        "name": "norm_1",
        "class": "BatchNormalization",
        "calls": [{"inputs": [[None, 10]], "outputs": [[None, 10]]}],
        "weights": [
            {"name": name, "shape": [10], "trainable": name in ("gamma", "beta")}
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        ],
        "parameters": 40,
    }


def test_explain(foldnet, wine, data):
    text = foldnet.ok("explain", wine)
    assert width(text) <= 80
    for name in ("dense_1", "dropout_1", "norm_1", "quality"):
        assert name in text
    one = foldnet.ok("explain", wine, "--layer", "norm_1", "--data", data / "wine.csv", "--drop", "quality")
    assert "norm_1" in one
    assert "norm_2" not in one
    assert width(one) <= 80
    document = foldnet.json("explain", wine, "--layer", "norm_1")
    assert document["file"] == str(wine)
    assert "norm_1" in foldnet.refused("explain", wine, "--layer", "norm_9")


def test_freeze_prints_steps(foldnet, wine):
    text = foldnet.ok("freeze", wine)
    assert text.splitlines() == [str(step) for step in fn.freeze(wine).steps()]
    assert width(text) <= 80


def test_freeze_says_what_it_needs_in_memory(foldnet, wine):
    assert foldnet("freeze", wine).stderr.strip() == str(fn.freeze(wine).memory())


def test_freeze_shows_passes(foldnet, wine):
    text = foldnet.ok("freeze", wine, "--show-passes")
    assert text.startswith("before\n")
    assert "after fold_forward\n" in text
    assert width(text) <= 80
    document = foldnet.json("freeze", wine, "--show-passes")
    assert set(document) == {"file", "steps", "memory", "passes", "written", "seconds"}
    assert document["memory"] == asdict(fn.freeze(wine).memory())
    assert [p["pass"] for p in document["passes"]][:2] == ["before", "after drop_identities"]
    assert document["passes"][0]["graph"] in text


def test_freeze_counts_what_it_wrote_alone(foldnet, wine, tmp_path):
    (tmp_path / "other").write_bytes(bytes(1_000_000))
    said = foldnet("freeze", wine, "--to-c", tmp_path).stderr
    size = sum(p.stat().st_size for p in tmp_path.iterdir() if p.name != "other")
    assert f"wrote {tmp_path} ({size / 1000:,.0f} kB)" in said


ROW = "7.4,0.7,0.0,1.9,0.076,11.0,34.0,0.9978,3.51,0.56,9.4"


@pytest.mark.parametrize("unfolded", [False, True])
def test_freeze_writes_what_it_is_asked_for(foldnet, wine, tmp_path, unfolded):
    module = tmp_path / "wine_predict.py"
    document = foldnet.json(
        "freeze", wine, "-o", tmp_path / "w.foldnet", "--to-c", tmp_path / "c", "--to-numpy", module,
        *["--unfolded"] * unfolded,
    )  # fmt: skip
    assert document["written"] == [str(tmp_path / "w.foldnet"), str(module), str(tmp_path / "c")]
    assert {"predict.h", "predict.c", "main.c", "Makefile"} <= {p.name for p in (tmp_path / "c").iterdir()}
    assert ("moving_variance" in module.read_text()) == unfolded
    done = subprocess.run(
        [sys.executable, "-I", module], input=f"{ROW}\n", capture_output=True, text=True, check=True
    )
    np.testing.assert_allclose(float(done.stdout), arrays_of(wine.with_suffix(".npz"))["y"][0, 0], rtol=1e-5)


def test_freeze_writes_libraries_and_wheels(foldnet, wine, tmp_path):
    document = foldnet.json(
        "freeze", wine, "--to-library", tmp_path / "wine_lib", "--to-wheel", tmp_path / "dist",
        "--wheel-name", "wine-model", "--wheel-version", "1.2", "--target", "host",
    )  # fmt: skip
    folder, wheel = document["written"]
    assert folder == str(tmp_path / "wine_lib")
    assert Path(wheel).name.startswith("wine_model-1.2-py3-none-")
    asked = (
        "import sys; sys.path.insert(0, sys.argv[1]); import wine_lib\n"
        "print(wine_lib.engine, wine_lib.predict([[float(v) for v in sys.argv[2].split(',')]])[0, 0])"
    )
    command = [sys.executable, "-I", "-c", asked, tmp_path, ROW]
    engine, y = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert engine == "native"
    np.testing.assert_allclose(float(y), arrays_of(wine.with_suffix(".npz"))["y"][0, 0], rtol=1e-5)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("mine = 1\n")
    assert "__init__.py" in foldnet.refused("freeze", wine, "--to-library", tmp_path / "mine")
    assert "no target 'vax'" in foldnet.refused(
        "freeze", wine, "--to-library", tmp_path / "vax", "--target", "vax"
    )
    assert "--wheel-name" in foldnet.refused("freeze", wine, "--to-wheel", tmp_path / "dist")
    assert "--to-wheel" in foldnet.refused("freeze", wine, "--wheel-name", "wine")
    assert "--to-library" in foldnet.refused("freeze", wine, "--target", "host")


def test_freeze_refuses_what_makes_no_sense(foldnet, wine, tmp_path):
    assert "--to-numpy" in foldnet.refused("freeze", wine, "--unfolded")
    foldnet.refused("freeze", wine, "-o", tmp_path / "none" / "w.foldnet")
    (tmp_path / "mine.py").write_text("print('mine')\n")
    assert "mine.py" in foldnet.refused("freeze", wine, "--to-numpy", tmp_path / "mine.py")
    assert (tmp_path / "mine.py").read_text() == "print('mine')\n"


def test_verify_own_predictor(foldnet, wine, data):
    text = foldnet.ok("verify", wine)
    assert width(text) <= 80
    assert "norm_1" in text
    document = foldnet.json("verify", wine, "--data", data / "wine.csv", "--drop", "quality")
    assert document["ok"] is True
    assert {"name", "max_abs", "max_rel", "max_ulp", "sight", "status"} <= set(document["layers"][0])
    assert {layer["status"] for layer in document["layers"]} <= {"proven", "unproven"}


def test_verify_exports(foldnet, wine, tmp_path):
    files = (tmp_path / "w.foldnet", tmp_path / "w.py", tmp_path / "c")
    foldnet.ok("freeze", wine, "-o", files[0], "--to-numpy", files[1], "--to-c", files[2])
    for file in files:
        foldnet.ok("verify", wine, "--against", file)


def test_verify_fails_with_code_1(foldnet, wine, tmp_path):
    wrong = tmp_path / "wrong.py"
    foldnet.ok("freeze", wine, "--to-numpy", wrong, "--unfolded")
    text = wrong.read_text()
    assert "np.sqrt(" in text
    wrong.write_text(text.replace("np.sqrt(", "("))
    result = foldnet("verify", wine, "--against", wrong)
    assert result.exit_code == 1
    assert "NOT EQUAL" in result.stdout
    document = foldnet.json("verify", wine, "--against", wrong, exit_code=1)
    assert document["ok"] is False
    norms = {(d["mistake"], d["layer"]) for d in document["diagnoses"]}
    assert norms == {("variance-without-sqrt", f"norm_{k}") for k in (1, 2, 3)}
    assert set(document["diagnoses"][0]) >= {"mistake", "layer", "residual", "message"}
    assert document["departs"] == "quality"
    assert "variance-without-sqrt" in result.stdout
    assert width(result.stdout) <= 80


def test_verify_numbers_from_a_file(foldnet, wine, tmp_path):
    x = np.random.default_rng(0).normal(size=(30, 11)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    right = fn.freeze(wine)(x)
    np.save(tmp_path / "right.npy", right)
    np.save(tmp_path / "wrong.npy", right - fn.load_model(wine).get_layer("quality").bias)
    np.savez(tmp_path / "layers.npz", quality=right)
    data = ("--data", tmp_path / "x.npy")
    foldnet.ok("verify", wine, *data, "--against", tmp_path / "right.npy")
    foldnet.ok("verify", wine, *data, "--against", tmp_path / "layers.npz")
    document = foldnet.json("verify", wine, *data, "--against", tmp_path / "wrong.npy", exit_code=1)
    assert [(d["mistake"], d["layer"]) for d in document["diagnoses"]] == [("bias-missing", "quality")]
    (tmp_path / "broken.npy").write_bytes(b"no numbers")
    assert "holds no arrays" in foldnet.refused("verify", wine, *data, "--against", tmp_path / "broken.npy")
    assert "give x" in foldnet.refused("verify", wine, "--against", tmp_path / "right.npy")


def test_verify_says_what_it_did_not_find(foldnet, wine, tmp_path):
    wrong = tmp_path / "wrong.py"
    foldnet.ok("freeze", wine, "--to-numpy", wrong, "--unfolded")
    text = wrong.read_text()
    wrong.write_text(text.replace("np.sqrt(", "1.01 * np.sqrt("))
    result = foldnet("verify", wine, "--against", wrong, "--pair-seconds", "0.5")
    assert result.exit_code == 1
    assert "None of the known mistakes" in result.stdout


def test_verify_tells_networks_apart(foldnet, wine, data):
    result = foldnet("verify", wine, "--against", data / "models" / "wine_question.keras")
    assert result.exit_code == 1
    assert "first differs at 'dense_1'" in result.stdout


@pytest.mark.parametrize("name", ["summary", "explain", "freeze", "verify"])
def test_a_frozen_file_is_no_network(foldnet, wine, tmp_path, name):
    frozen = tmp_path / "wine.bin"
    fn.freeze(wine).save(frozen)
    message = foldnet.refused(name, frozen)
    assert "is a frozen predictor" in message
    assert "--against" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "--row", "0"], "--row chooses among the numbers of --data"),
        (["explain", "--channel", "1"], "--channel chooses"),
        (["explain", "--columns", "1-3"], "--columns is about reading --data"),
        (["verify", "--decimal", ","], "--decimal is about reading --data"),
        (["verify", "--no-header"], "--header is about reading --data"),
        (["doctor", "--drop", "x"], "--drop is about reading --data"),
        (["doctor", "--na", "x"], "--na is about reading --data"),
        (["doctor", "--target", "x"], "--target names a column of --data"),
    ],
)
def test_an_option_that_would_be_passed_over_is_refused(foldnet, wine, arguments, message):
    assert message in foldnet.refused(arguments[0], wine, *arguments[1:])


def test_row_and_channel_choose_what_is_shown(foldnet, wine, data):
    rows = ["--data", data / "wine.csv", "--drop", "quality", "--layer", "norm_1"]
    text = foldnet.ok("explain", wine, *rows, "--row", "3", "--channel", "2")
    assert "value of row 3" in text
    assert "channel 2" in text
    assert "value of row 0" in foldnet.ok("explain", wine, *rows)
    assert "row=5000: there are 1599 rows" in foldnet.refused("explain", wine, *rows, "--row", "5000")
