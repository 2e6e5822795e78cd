"""Each guide is a script: its blocks run from the first to the last in an empty folder, and print what it says.

A block of text belongs to the code before it and is all that this code prints; code without one prints nothing.
A line ``…`` in it stands for lines that are left out.
"""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
NAMES = {
    "from-keras-scripts",
    "images-and-sequences",
    "keras-file-without-tensorflow",
    "many-small-networks",
    "my-own-function",
    "ship",
    "training-and-prediction-disagree",
    "what-is-left-out",
    "which-axis",
}
CODE = {"python", "sh"}
END = "\x1e"
"""Printed after each block, to divide what they print."""
HEAD = f"""import subprocess as _subprocess, sys as _sys


def _end():
    print({END!r}, end="", flush=True)


def _run(words):
    _sys.stdout.flush()
    _subprocess.run([_sys.executable, "-m", "foldnet.cli", *words], check=True)


"""


def blocks(guide):
    """Language and lines of each block of a guide."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", guide.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def with_outputs(guide):
    """Each block of code, and the text that it is said to print."""
    found = [*blocks(guide), ("", "")]
    return [
        (language, code, text if following == "text" else "")
        for (language, code), (following, text) in pairwise(found)
        if language in CODE
    ]


def commands(code):
    """The words of each command in a block for a shell."""
    return [shlex.split(line, comments=True) for line in code.splitlines()]


def script(parts):
    """All blocks of a guide as one program."""
    pieces = []
    for language, code, _ in parts:
        if language == "sh":
            words = [command[1:] for command in commands(code) if command[0] == "foldnet"]
            code = "".join(f"_run({command})\n" for command in words)
        pieces.append(f"{code}_end()\n")
    return HEAD + "\n".join(pieces)


def tidy(text):
    """A text without what cannot be seen: spaces at the ends of lines, empty lines around it."""
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def expected(text):
    """A pattern of what a block of text says."""
    parts = (".*" if line == "…" else re.escape(line) for line in tidy(text).splitlines())
    return "\n".join(parts)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_prints_what_it_says(guide, tmp_path, quick_compiler):
    parts = with_outputs(guide)
    assert any(language == "python" and text for language, _, text in parts)
    program = tmp_path / "guide.py"
    program.write_text(script(parts), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "CC": quick_compiler, "COLUMNS": "80"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *printed, rest = done.stdout.split(END)
    assert rest == ""
    assert len(printed) == len(parts)
    for number, ((_, code, text), got) in enumerate(zip(parts, printed, strict=True), start=1):
        if not re.fullmatch(expected(text), tidy(got), re.DOTALL):
            assert tidy(got) == tidy(text), f"block {number} of {guide.name}:\n{code}"


def test_script_runs_in_keras(tmp_path, monkeypatch, capsys):
    """The script in "From Keras scripts" differs from one of Keras by one word, and prints the same."""
    _, code, text = with_outputs(ROOT / "docs" / "guides" / "from-keras-scripts.md")[0]
    assert code.count("foldnet") == 1
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace("foldnet", "keras"), "from-keras-scripts.md", "exec"), {})
    assert tidy(capsys.readouterr().out) == tidy(text)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_every_block_is_looked_at(guide):
    """No block is of a kind that is not run, and no text stands without the code that prints it."""
    kinds = [language for language, _ in blocks(guide)]
    assert set(kinds) <= {*CODE, "text"}
    for before, after in pairwise(["", *kinds]):
        assert after != "text" or before in CODE
    lines = [line for line in guide.read_text(encoding="utf-8").splitlines() if line.startswith("```")]
    assert len(lines) == 2 * len(kinds)


def test_commands_for_a_shell():
    """They are foldnet's own, or install packages and extras that there are."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    installs = {"foldnet", "pandas", *(f"foldnet[{extra}]" for extra in extras)}
    for guide in GUIDES:
        for language, code in blocks(guide):
            for command in commands(code) if language == "sh" else []:
                known = command[0] == "foldnet" or (
                    command[:2] == ["pip", "install"] and {*command[2:]} <= installs
                )
                assert known, f"{guide.name}: {command}"


def test_there_are_all_of_them():
    assert {guide.stem for guide in GUIDES} == NAMES
