"""The demonstration does the whole job, and notices when a number is wrong."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from foldnet.cli import main
from foldnet.demo import run_exports
from foldnet.errors import FoldnetError

DEMO = Path(run_exports.__file__).parent
CHECKS = [
    "All 1,599 wines, against what Keras predicted",
    "one row alone gives the same bits as among all",
    "wine.foldnet, loaded again",
    "wine_predict.py, a Python with NumPy alone",
    "wine_unfolded.py, every layer as it stands",
    "wine_c/, compiled and fed from stdin",
]


def demo(out, *options):
    return CliRunner().invoke(main, ["demo", "--out", str(out), "--rows", "5000", *options])


def test_the_demo_shows_every_step_in_80_columns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = demo("demo-output")
    assert result.exit_code == 0, result.output
    titles = re.findall(r"^(\d)\. ", result.stdout, re.MULTILINE)
    assert titles == list("123456")
    assert "Every number agrees." in result.stdout
    assert "\x1b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    written = {p.name for p in (tmp_path / "demo-output").iterdir()}
    assert written == {"wine.foldnet", "wine_predict.py", "wine_unfolded.py", "wine_c"}
    assert demo("demo-output").exit_code == 0  # and once more over its own files


def test_the_demo_as_json(tmp_path):
    result = demo(tmp_path / "out", "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert report["ok"] is True
    assert report["verified"] is True
    assert [c["name"] for c in report["checks"]] == CHECKS
    assert all(c["ok"] for c in report["checks"])
    assert report["timings"]["rows"] == 5000
    assert min(report["timings"]["one_row"], report["timings"]["all_rows"]) > 0


def test_the_demo_fails_when_keras_predicted_something_else(tmp_path, monkeypatch):
    for name in ("wine.csv", "wine.keras"):
        shutil.copy(DEMO / name, tmp_path / name)
    with np.load(DEMO / "wine.npz") as recorded:
        y = recorded["y"].copy()
    y[7] += 1e-3
    np.savez(tmp_path / "wine.npz", y=y)
    monkeypatch.setattr("foldnet.demo.run.resources.files", lambda package: tmp_path)
    result = demo(tmp_path / "out", "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [c["ok"] for c in report["checks"]] == [False] + [True] * (len(CHECKS) - 1)
    assert report["ok"] is False


def test_the_bare_python_has_numpy_and_nothing_else(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import importlib.util as u, numpy, sys\n"
        "print(*[u.find_spec(m) is not None for m in ('numpy', 'foldnet', 'h5py', 'click', 'keras')], sep=',')\n"
        "raise SystemExit(3)\n"
    )
    with pytest.raises(FoldnetError, match=r"code 3: True,False,False,False,False"):
        run_exports.run_python(program, np.zeros((1, 1), np.float32))


def test_c_that_does_not_compile_is_reported(tmp_path):
    (tmp_path / "main.c").write_text("int main(void) { return nothing; }\n")
    compiler = run_exports.find_compiler()
    assert compiler is not None
    with pytest.raises(FoldnetError, match="error"):
        run_exports.run_c(tmp_path, compiler, np.zeros((1, 1), np.float32))


def test_without_a_compiler_the_demo_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("foldnet.demo.run.find_compiler", lambda: None)
    result = demo(tmp_path / "out")
    assert result.exit_code == 0
    assert "there is no C compiler here" in result.stdout
