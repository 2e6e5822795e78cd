"""The FastAPI application of the examples."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import foldnet
from tests.serving.conftest import MODELS

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "WINE_MODEL": str(MODELS / "wine.keras")}
EXAMPLE = ROOT / "examples" / "serve"
COLUMNS = (ROOT / "data" / "wine.csv").read_text().splitlines()[0].replace(" ", "_").split(",")[:11]


def get(url, document=None):
    """Status and document; a POST if there is one to send."""
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@contextmanager
def run(command, port):
    """A server that has started."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=EXAMPLE, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    try:
        end = time.monotonic() + 300
        while True:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < end
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=300)
        assert "Traceback" not in errors


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


SERVERS = {
    "uvicorn": lambda port: ["uvicorn", "app:app", "--port", port, "--workers", "1"],
    "gunicorn": lambda port: ["gunicorn", "app:app", "-k", "uvicorn_worker.UvicornWorker", "--workers", "2", "-b",
                              f"127.0.0.1:{port}"],
}  # fmt: skip


@pytest.mark.parametrize("name", SERVERS)
def test_fastapi_application(name, rows):
    port = free_port()
    with run([str(a) for a in SERVERS[name](port)], port) as url:
        assert get(f"{url}/health") == (200, {"status": "ok"})
        x = np.clip(rows[:5], 1, 50)
        wines = [dict(zip(COLUMNS, map(float, row), strict=True)) for row in x]
        status, said = get(f"{url}/quality", wines)
        expected = foldnet.freeze(MODELS / "wine.keras")(x)
        assert status == 200, said
        assert np.array(said, "f4").tobytes() == expected.tobytes()
        for wrong in ([], [{**wines[0], "alcohol": 200}], [{"pH": 3}], [{**wines[0], "pH": "x"}], wines[0]):
            assert get(f"{url}/quality", wrong)[0] == 422
        # The protocol beside it.
        entry = {"name": "wine", "shape": [5, 11], "datatype": "FP32", "data": x.tolist()}
        status, said = get(f"{url}/models/v2/models/wine/infer", {"inputs": [entry]})
        assert status == 200, said
        assert np.array(said["outputs"][0]["data"], "f4").tobytes() == expected.tobytes()


def test_files_of_the_image_exist():
    """The Dockerfile is text here: what it copies and calls is there."""
    text = (EXAMPLE / "Dockerfile").read_text()
    copied = set(re.findall(r"\b[a-z]+\.py\b", text))
    assert copied == {path.name for path in EXAMPLE.glob("*.py")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "warm.py"], cwd=EXAMPLE, capture_output=True, text=True, timeout=300,
        env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "native" in done.stdout
