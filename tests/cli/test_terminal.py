"""Any terminal: its letters, its width, and what the shell completes."""

import os
import subprocess
import sys

import numpy as np
import pytest

from foldnet import Sequential, layers
from foldnet.cli.terminal import printable

CALLS = {
    "summary": lambda d: ["summary", d / "n.keras"],
    "explain": lambda d: ["explain", d / "n.keras"],
    "explain rows": lambda d: ["explain", d / "n.keras", "--data", d / "x.csv"],
    "doctor": lambda d: ["doctor", d / "n.keras"],
    "verify": lambda d: ["verify", d / "n.keras"],
    "verify wrong": lambda d: (
        f"verify {d}/n.keras --data {d}/x.csv --against {d}/y.npy --pair-seconds 0".split()
    ),
    "recalibrate": lambda d: ["recalibrate", d / "n.keras", "--data", d / "x.csv"],
    "freeze": lambda d: ["freeze", d / "n.keras"],
    "help": lambda d: ["--help"],
}  # fmt: skip


def run(*arguments, **variables):
    command = [sys.executable, "-m", "foldnet.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, env=os.environ | variables, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("terminal")
    rng = np.random.default_rng(0)
    model = Sequential(
        [
            layers.Input((3,)),
            layers.BatchNormalization(name="normalize_what_comes_in"),
            layers.Dense(4, activation="relu", name="hidden"),
            layers.Dropout(0.25),
            layers.Dense(1),
        ]
    )
    model.set_weights([rng.uniform(0.5, 2, w.shape) for w in model.get_weights()])
    model.save(folder / "n.keras")
    x = rng.normal(size=(6, 3))
    np.savetxt(folder / "x.csv", x, delimiter=",", header="a,b,c", comments="")
    np.save(folder / "y.npy", -model.predict(x))
    return folder


@pytest.mark.parametrize("columns", [40, 61, 120])
@pytest.mark.parametrize("call", [c for c in CALLS if c != "help"])
def test_lines_are_as_wide_as_the_terminal(foldnet, folder, monkeypatch, call, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    result = foldnet(*CALLS[call](folder))
    assert result.exit_code in (0, 1), result.output
    # One word may be longer than the line, and code must not be broken.
    lines = result.stdout.partition("Your prediction function")[0].splitlines()
    wide = [line for line in lines if len(line) > columns and len(line.split()) > 2]
    assert wide == []
    assert call == "doctor" or "what_comes_in" in result.stdout.replace("\n", "")


@pytest.mark.parametrize(
    ("encoding", "call"),
    [
        ("ascii", "explain rows"),
        ("latin-1", "verify wrong"),
        ("koi8-r", "summary"),
        ("cp437", "explain"),
        ("utf-16", "help"),
    ],
)
def test_signs_that_the_terminal_lacks_are_written_in_those_it_has(folder, encoding, call):
    done = run(*CALLS[call](folder), PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert done.returncode in (0, 1), done.stderr
    text = done.stdout.decode(encoding)
    assert "?" not in text
    assert len(text) > 100


@pytest.mark.parametrize("call", CALLS)
def test_every_sign_in_use_has_a_plain_one(foldnet, folder, call):
    result = foldnet(*CALLS[call](folder))
    assert "?" not in printable(result.stdout.replace("?", ""), "ascii")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_errors_speak_of_names_that_the_terminal_lacks(encoding, tmp_path):
    damaged = tmp_path / "日本→é.keras"
    damaged.write_bytes(b"PK\x03\x04 not a zip")
    for path in (damaged, tmp_path / "没有.keras"):
        done = run("summary", path, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
        assert done.returncode == 2
        assert b"Traceback" not in done.stderr
        assert b"Error: " in done.stderr


def test_the_c_locale(folder):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHON"))}
    environment |= {"LC_ALL": "C", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    command = [sys.executable, "-m", "foldnet.cli", "explain", str(folder / "n.keras")]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


def test_an_accent_goes_before_the_letter_does():
    assert printable("café → ½ 日 e\u0301", "ascii") == "cafe -> 1 ? e?"
    assert printable("café → 日", "latin-1") == "café -> ?"
    assert printable("café → 日", "utf-8") == "café → 日"


def test_a_completion_script_and_what_it_completes():
    def complete(**variables):
        return run(**variables).stdout.decode()

    assert "foldnet" in complete(_FOLDNET_COMPLETE="zsh_source")
    found = complete(_FOLDNET_COMPLETE="bash_complete", COMP_WORDS="foldnet fre", COMP_CWORD="1")
    assert found.split(",")[1].strip() == "freeze"
    found = complete(_FOLDNET_COMPLETE="bash_complete", COMP_WORDS="foldnet freeze --to-", COMP_CWORD="2")
    assert {"--to-numpy", "--to-c"} <= {line.split(",")[1] for line in found.split()}


def test_exit_codes_are_in_the_help(foldnet):
    text = foldnet.ok("--help").partition("Exit codes:")[2]
    assert [line.split()[0] for line in text.strip().splitlines()] == ["0", "1", "2", "3", "130", "141"]
