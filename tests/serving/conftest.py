"""A server as a process of its own, and an application that is called without one."""

import asyncio
import http.client
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import foldnet
from foldnet import layers
from foldnet.serving import application

MODELS = Path(__file__).resolve().parents[2] / "data" / "models"


class Running:
    """A server process: its address, and how to talk to it."""

    def __init__(self, process):
        self.process = process
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        self.said = json.loads(line)
        self.url = self.said["url"]
        self.host, port = self.url.removeprefix("http://").split(":")
        self.port = int(port)

    def ask(self, method, path, body=None, headers=None):
        """Status, headers and body of one request."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=300)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def get(self, path):
        status, _, body = self.ask("GET", path)
        return status, json.loads(body)

    def metrics(self):
        """Values of the metrics by their names and labels."""
        text = self.ask("GET", "/metrics")[2].decode()
        return {
            k: float(v)
            for k, v in (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        }


@contextmanager
def server(*arguments):
    """``foldnet serve`` on a free port; ended by SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-m", "foldnet.cli", "serve", *map(str, arguments), "--port", "0", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    try:
        yield Running(process)
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=300)
        assert "Traceback" not in errors, errors


@pytest.fixture(scope="module")
def start():
    return server


class Called:
    """An application, called as a server calls it."""

    def __init__(self, app):
        self.app = app

    def __call__(self, method, path, parts=b"", headers=None, root=""):
        """Status, headers and body; ``parts`` are those in which the body comes, None at its end hangs up."""
        parts = [parts] if isinstance(parts, bytes) else parts
        sent = []

        async def receive():
            if not parts or parts[0] is None:
                return {"type": "http.disconnect"}
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message):
            sent.append(message)

        named = [(k.lower().encode(), str(v).encode()) for k, v in (headers or {}).items()]
        scope = {"type": "http", "method": method, "path": path, "root_path": root, "headers": named}
        asyncio.run(self.app(scope, receive, send))
        if not sent:
            return None
        body = b"".join(m.get("body", b"") for m in sent[1:])
        found = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        assert int(found["content-length"]) == len(body)
        return sent[0]["status"], found, body

    def infer(self, document, tail=b"", model="wine", **headers):
        """Status and document of an inference request."""
        head = document if isinstance(document, bytes) else json.dumps(document).encode()
        if tail:
            headers.setdefault("Inference-Header-Content-Length", len(head))
        status, _, body = self("POST", f"/v2/models/{model}/infer", head + tail, headers)
        return status, json.loads(body)

    def refused(self, document, tail=b"", model="wine", status=400, **headers):
        """The text of the error."""
        got, said = self.infer(document, tail, model, **headers)
        assert got == status, said
        assert list(said) == ["error"]
        return said["error"]


def wine_input(data, shape=None, datatype="FP32", **more):
    """An entry of ``inputs``."""
    shape = [len(data) // 11, 11] if shape is None else shape
    return {"name": "wine", "shape": shape, "datatype": datatype, "data": data, **more}


def mixed_network():
    """Inputs of numbers, of indices and of texts, and two results by name."""
    numbers = foldnet.Input((3,), name="numbers")
    codes = foldnet.Input((2,), name="codes", dtype="int32")
    words = foldnet.Input((1,), name="words", dtype="string")
    looked_up = layers.StringLookup(vocabulary=["red", "white"])(words)
    places = layers.Concatenate()([layers.Flatten()(layers.Embedding(6, 3)(t)) for t in (codes, looked_up)])
    both = layers.Concatenate()([numbers, places])
    outputs = {"score": layers.Dense(2, activation="tanh")(both), "odds": layers.Dense(1)(both)}
    return foldnet.Model({"numbers": numbers, "codes": codes, "words": words}, outputs)


@pytest.fixture(scope="session")
def predictors():
    free = foldnet.Sequential([foldnet.Input((None, 4)), layers.Conv1D(3, 2), layers.UpSampling1D(5)])
    # 1 / x, which is infinite for 0.
    x = foldnet.Input((2,), name="x")
    inverse = foldnet.Model(x, foldnet.ops.divide(1.0, x))
    return {
        "wine": foldnet.freeze(MODELS / "wine.keras"),
        "mixed": foldnet.freeze(mixed_network()),
        "free": foldnet.freeze(free),
        "inverse": foldnet.freeze(inverse),
        "exact": foldnet.freeze(MODELS / "wine.keras", engine="reference", dtype="float64"),
    }


@pytest.fixture(scope="session")
def rows():
    return np.random.default_rng(3).normal(5, 3, (400, 11)).astype(np.float32)


@pytest.fixture(scope="session")
def called(predictors):
    return Called(application(predictors))
