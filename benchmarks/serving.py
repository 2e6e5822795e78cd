"""Requests a second of ``foldnet serve``, in JSON and in binary tensors, and how long one takes.

python benchmarks/serving.py [--quick]

One server process; the clients are threads of this one, so both share the machine's processors. Every answer is
compared with the predictor's own. Also prints how long the prediction alone takes.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import threading
import time
from importlib import resources

import numpy as np

import foldnet

INFER = "/v2/models/wine/infer"
LENGTH = "Inference-Header-Content-Length"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("--quick", action="store_true", help="half a second a line instead of three")
    seconds = 0.5 if arguments.parse_args().quick else 3.0
    wine = str(resources.files("foldnet.demo") / "wine.keras")
    predict = foldnet.freeze(wine)
    command = [sys.executable, "-m", "foldnet.cli", "serve", wine, "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = json.loads(server.stdout.readline())["url"].removeprefix("http://")
            print("| rows in a request | clients | form | requests a second | p50 | p99 | prediction alone |")
            print("|---|---|---|---|---|---|---|")
            for rows, clients in ((1, 1), (1, 4), (100, 4), (10_000, 2)):
                x = np.random.default_rng(rows).normal(size=(rows, 11)).astype(np.float32)
                for binary in (False, True):
                    print(
                        line(address, x, predict(x), clients, binary, seconds, alone(predict, x)), flush=True
                    )
        finally:
            server.terminate()


def line(address, x, expected, clients, binary, seconds, prediction) -> str:
    """A row of the table."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    threads = [
        threading.Thread(target=ask, args=(address, x, expected, binary, end, times)) for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    p50, p99 = np.quantile(times, [0.5, 0.99]) * 1e3
    form = "binary" if binary else "JSON"
    rate = float(f"{len(times) / seconds:.2g}")
    taken = f"{p50:.2f} ms | {p99:.2f} ms | {prediction * 1e6:.1f} µs"
    return f"| {len(x):,} | {clients} | {form} | {rate:,.0f} | {taken} |"


def ask(address, x, expected, binary, end, times) -> None:
    """Send requests until the end, and note how long each took."""
    entry = {"name": "wine", "shape": list(x.shape), "datatype": "FP32"}
    asked, tail = {}, b""
    if binary:
        entry["parameters"], tail = {"binary_data_size": x.nbytes}, x.tobytes()
        asked = {"parameters": {"binary_data_output": True}}
    else:
        entry["data"] = x.tolist()
    head = json.dumps({"inputs": [entry], **asked}).encode()
    headers = {LENGTH: str(len(head))} if binary else {}
    connection = http.client.HTTPConnection(address)
    while time.perf_counter() < end:
        started = time.perf_counter()
        connection.request("POST", INFER, head + tail, headers)
        answer = connection.getresponse()
        body = answer.read()
        times.append(time.perf_counter() - started)
        if binary:
            y = np.frombuffer(body[int(answer.headers[LENGTH]) :], np.float32)
        else:
            y = np.array(json.loads(body)["outputs"][0]["data"], np.float32)
        if not np.array_equal(y, expected.ravel()):
            raise SystemExit("the server's answer is not the prediction")
    connection.close()


def alone(predict, x) -> float:
    """Seconds of the prediction without the server, the least of several."""
    calls = max(1, 10_000 // len(x))
    return min(_seconds(predict, x, calls) for _ in range(5)) / calls


def _seconds(predict, x, calls) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        predict(x)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
