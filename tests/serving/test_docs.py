"""The code of docs/serving.md runs, and its tables are true."""

import json
import re
import shlex
from pathlib import Path

import click
import numpy as np

import foldnet
from foldnet.cli import main
from tests.serving.conftest import MODELS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_code_of_the_page(start, tmp_path, monkeypatch, capsys):
    foldnet.freeze(MODELS / "wine.keras").save(tmp_path / "wine.foldnet")
    monkeypatch.chdir(tmp_path)
    row = np.array([[7.4, 0.7, 0, 1.9, 0.076, 11, 34, 0.9978, 3.51, 0.56, 9.4]], np.float32)
    (expected,) = foldnet.load_predictor("wine.foldnet")(row)[0]
    with start("wine.foldnet") as running:
        address = f"{running.host}:{running.port}"
        for kind, code in BLOCKS:
            if kind == "python":
                scope = {}
                exec(code.replace("localhost:8000", address), scope)
                if "client" in scope:
                    assert f"{expected:.6f}"[:6] in capsys.readouterr().out
                    scope["client"].close()
                else:
                    assert list(scope["app"].models) == ["wine"]
        asked = [
            line for _, code in BLOCKS if "curl" in code for line in re.split(r"(?m)^(?=curl )", code) if line
        ]
        assert len(asked) == 2
        for line in asked:
            _, url, *data = shlex.split(line)
            body = data[1].encode() if data else None
            status, _, answer = running.ask("POST" if data else "GET", url.partition("8000")[2], body)
            assert status == 200, answer
            if data:
                assert np.float32(json.loads(answer)["outputs"][0]["data"][0]) == expected
            else:
                assert json.loads(answer)["name"] == "wine"


def test_options_and_their_defaults():
    command = main.get_command(None, "serve")
    context = click.Context(command)
    known = {p.opts[0]: p.get_default(context) for p in command.params}
    said = re.findall(r"^\| (`--[^|]*) \| ([^|]*) \|", TEXT, re.MULTILINE)
    assert len(said) == 8
    for options, defaults in said:
        names = re.findall(r"--[a-z-]+", options)
        values = re.findall(r"[\w.]+", defaults)
        assert len(names) == len(values)
        for name, value in zip(names, values, strict=True):
            default = known[name]
            assert value == (f"{default:g}" if isinstance(default, float) else str(default or "off"))
