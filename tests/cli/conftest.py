"""How the command-line tests call the command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from foldnet.cli import main

DATA = Path(__file__).resolve().parents[2] / "data"


class Foldnet:
    """Runs ``foldnet`` in this process and hands back its result."""

    def __call__(self, *arguments, stdin=None):
        return CliRunner().invoke(main, [str(a) for a in arguments], input=stdin)

    def ok(self, *arguments, **options):
        result = self(*arguments, **options)
        assert result.exit_code == 0, result.output
        assert "\x1b" not in result.output
        return result.stdout

    def json(self, *arguments, exit_code=0, **options):
        result = self(*arguments, "--json", **options)
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout)

    def refused(self, *arguments, exit_code=2, **options):
        """The error, which is one message on stderr, with nothing on stdout and no traceback."""
        result = self(*arguments, **options)
        assert result.exit_code == exit_code, result.output
        assert result.stdout == ""
        assert "Error: " in result.stderr
        assert "Traceback" not in result.stderr
        return " ".join(result.stderr.split())


@pytest.fixture
def foldnet():
    return Foldnet()


@pytest.fixture
def start():
    """Start ``foldnet`` as a process of its own."""

    def start(*arguments, **options):
        command = [sys.executable, "-m", "foldnet.cli", *map(str, arguments)]
        settings = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "env": dict(os.environ),
        }
        return subprocess.Popen(command, **settings | options)

    return start


@pytest.fixture(scope="session")
def data():
    return DATA


@pytest.fixture
def wine():
    return DATA / "models" / "wine.keras"
