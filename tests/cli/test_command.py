"""The command as a whole: help, version, exit codes, errors, pipes, interruption."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from foldnet import __version__
from foldnet.cli import COMMANDS, main

OPTIONS = {
    "demo": ("--out", "--rows"),
    "summary": (),
    "explain": ("--layer", "--data"),
    "freeze": (
        "--out",
        "--to-numpy",
        "--unfolded",
        "--to-c",
        "--to-library",
        "--to-wheel",
        "--to-wasm",
        "--target",
        "--show-passes",
    ),
    "verify": ("--against", "--data"),
    "recalibrate": ("--data", "--validation", "--target", "--metric", "--out"),
    "report": ("--out", "--plots", "--format"),
    "predict": ("--data", "--columns", "--drop", "--out"),
    "serve": (
        "--name",
        "--host",
        "--port",
        "--workers",
        "--threads",
        "--max-body",
        "--timeout",
        "--log-requests",
    ),
    "doctor": ("--data", "--target", "--history", "--validation", "--check", "--script", "--fix", "--sarif"),
}


def test_every_command_is_listed_with_what_it_does(foldnet):
    text = foldnet.ok("--help")
    for name in COMMANDS:
        assert re.search(rf"^  {name}  +[A-Z].*\.$", text, re.MULTILINE), name
    assert set(OPTIONS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_options_and_examples_and_fits_80_columns(foldnet, name):
    text = foldnet.ok(name, "--help")
    for option in (*OPTIONS[name], "--json", "--debug"):
        assert option in text
    assert f"  foldnet {name} " in text.partition("Examples:")[2] + " "
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_in_the_help_are_real_usage(name):
    """Every option that an example uses exists."""
    context = main.make_context("foldnet", [name], resilient_parsing=True)
    command = main.get_command(context, name)
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
    examples = [line for line in command.epilog.splitlines() if f"foldnet {name}" in line]
    assert examples
    for line in examples:
        assert set(re.findall(r"(?<= )--?[a-z][a-z-]*", line)) <= known


def test_version_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys; from foldnet.cli import main; main(['--version'], standalone_mode=False); "
        "print([m for m in ('numpy', 'h5py', 'rich', 'foldnet.network') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"foldnet {__version__}\n[]\n"


def test_unknown_commands_and_missing_arguments_are_usage_errors(foldnet):
    assert "No such command 'fold'" in foldnet.refused("fold")
    assert "Missing argument 'FILE'" in foldnet.refused("explain")
    assert "No such option" in foldnet.refused("summary", "x.keras", "--frobnicate")


@pytest.mark.parametrize("name", ["summary", "explain", "doctor", "freeze", "verify"])
def test_a_missing_or_damaged_file_is_one_message(foldnet, tmp_path, name):
    assert "none.keras" in foldnet.refused(name, tmp_path / "none.keras")
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(b"PK\x03\x04 not a zip")
    assert "damaged.keras" in foldnet.refused(name, damaged)


def test_debug_shows_the_traceback(foldnet, tmp_path):
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(b"PK\x03\x04 not a zip")
    result = foldnet("summary", damaged, "--debug")
    assert result.exit_code == 1
    assert type(result.exception).__name__ == "FileFormatError"


def test_a_fault_of_our_own_has_its_own_code(foldnet, wine, monkeypatch):
    def broken(path):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("foldnet.load_model", broken)
    message = foldnet.refused("summary", wine, exit_code=3)
    assert "foldnet itself failed (ZeroDivisionError: oops). --debug" in message


def test_a_closed_pipe_ends_quietly(start, wine, data):
    process = start("predict", wine, "--data", data / "wine.csv", "--drop", "quality", "--json")
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(600) == 141


def test_interruption_says_so_and_leaves_no_file(start, wine, tmp_path):
    out = tmp_path / "out.csv"
    process = start("predict", wine, "--data", "-", "-o", out, stdin=subprocess.PIPE)
    process.stdin.write("1,2,3,4,5,6,7,8,9,10,11\n" * 30_000)
    process.stdin.flush()
    deadline = time.monotonic() + 600
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(600) == 130
    with process.stdin, process.stdout, process.stderr:
        assert process.stderr.read() == "Interrupted\n"
    assert list(tmp_path.iterdir()) == []
