"""``foldnet serve`` as a process: under load, with Triton's own client, with clients that go, to its end."""

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import foldnet
from foldnet.errors import UnsupportedError
from foldnet.serving import application, metrics
from foldnet.serving import server as serving
from tests.serving.conftest import MODELS, mixed_network, wine_input

INFER = "/v2/models/wine/infer"


@pytest.fixture(scope="module")
def running(start, tmp_path_factory):
    mixed = foldnet.freeze(mixed_network())
    path = tmp_path_factory.mktemp("served") / "mixed.foldnet"
    mixed.save(path)
    with start(MODELS / "wine.keras", path, "--max-body", "1") as server:
        server.mixed = mixed
        yield server


def until(condition, seconds=300):
    """Wait for what must come; the limit is for deadlocks."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_800_requests_from_4_threads(running, predictors, rows, record_property):
    """Each in JSON or in bytes, of 1 to 9 rows: all have the bits of a call."""
    predict, wrong, times = predictors["wine"], [], []

    def ask(seed):
        rng = np.random.default_rng(seed)
        connection = http.client.HTTPConnection(running.host, running.port, timeout=300)
        for k in range(200):
            x = rows[rng.integers(0, len(rows), rng.integers(1, 10))]
            entry, tail, asked = wine_input(x.tolist(), list(x.shape)), b"", {}
            if k % 2:
                entry["parameters"], tail = {"binary_data_size": x.nbytes}, x.tobytes()
                del entry["data"]
                asked = {"parameters": {"binary_data_output": True}}
            head = json.dumps({"id": f"{seed}-{k}", "inputs": [entry], **asked}).encode()
            headers = {"Inference-Header-Content-Length": str(len(head))} if tail else {}
            started = time.perf_counter()
            connection.request("POST", INFER, head + tail, headers)
            answer = connection.getresponse()
            body = answer.read()
            times.append(time.perf_counter() - started)
            length = int(answer.headers.get("Inference-Header-Content-Length", len(body)))
            said = json.loads(body[:length])
            output = said["outputs"][0]
            got = np.frombuffer(body[length:], "f4") if tail else np.array(output["data"], "f4")
            if said["id"] != f"{seed}-{k}" or got.reshape(output["shape"]).tobytes() != predict(x).tobytes():
                wrong.append((seed, k))
        connection.close()

    before = running.metrics().get('foldnet_requests_total{model="wine",status="200"}', 0)
    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    p50, p99 = np.quantile(times, [0.5, 0.99]) * 1000
    record_property("p50_ms", round(float(p50), 2))
    record_property("p99_ms", round(float(p99), 2))
    print(f"800 requests from 4 threads: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    assert (len(times), wrong) == (800, [])
    assert running.metrics()['foldnet_requests_total{model="wine",status="200"}'] == before + 800


def test_tritonclient_as_it_is(running, predictors, rows):
    from tritonclient import http as triton

    client = triton.InferenceServerClient(f"{running.host}:{running.port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("wine")
    assert client.is_model_ready("wine", "1")
    assert not client.is_model_ready("win")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    assert client.get_model_metadata("wine")["inputs"] == [
        {"name": "wine", "datatype": "FP32", "shape": [-1, 11]}
    ]
    assert client.get_model_config("wine", "1")["input"][0]["data_type"] == "TYPE_FP32"
    expected = predictors["wine"](rows)
    forms = [(a, b, c) for a in (True, False) for b in (True, False, None) for c in (None, "gzip", "deflate")]
    for binary, asked, coding in forms:
        tensor = triton.InferInput("wine", list(rows.shape), "FP32")
        tensor.set_data_from_numpy(rows, binary_data=binary)
        outputs = None if asked is None else [triton.InferRequestedOutput("quality", binary_data=asked)]
        result = client.infer(
            "wine", [tensor], outputs=outputs, request_id="seven", model_version="1" if asked else "",
            request_compression_algorithm=coding, response_compression_algorithm=coding,
        )  # fmt: skip
        assert result.get_response()["id"] == "seven"
        assert result.as_numpy("quality").tobytes() == expected.tobytes(), (binary, asked, coding)
    # Several inputs, texts among them, and several results; also many requests at once.
    numbers = np.random.default_rng(1).normal(size=(3, 3)).astype("f4")
    codes, words = np.array([[0, 5], [1, 2], [3, 4]]), np.array([["red"], ["rosé"], [""]], object)
    answers = []
    for binary in (True, False):
        inputs = []
        for name, array, datatype in (
            ("words", words, "BYTES"),
            ("codes", codes, "INT64"),
            ("numbers", numbers, "FP32"),
        ):
            inputs.append(triton.InferInput(name, list(array.shape), datatype))
            inputs[-1].set_data_from_numpy(array, binary_data=binary)
        several = [client.async_infer("mixed", inputs) for _ in range(3)]
        answers += [one.get_result() for one in several]
    assert len(answers) == 6
    for name, values in running.mixed({"words": words, "codes": codes, "numbers": numbers}).items():
        assert {a.as_numpy(name).tobytes() for a in answers} == {values.tobytes()}
    with pytest.raises(
        triton.InferenceServerException,
        match=r"\[400\] input 'wine' has shape \(3, 2\); expected \(rows, 11\)",
    ):
        client.infer("wine", [triton.InferInput("wine", [3, 2], "FP32").set_data_from_numpy(rows[:3, :2])])
    with pytest.raises(triton.InferenceServerException, match="there is no model 'win'"):
        client.infer("win", [])
    client.close()


def connect(running):
    return socket.create_connection((running.host, running.port), timeout=300)


def head(length, *more):
    return "\r\n".join(
        [f"POST {INFER} HTTP/1.1", "Host: x", f"Content-Length: {length}", *more, "", ""]
    ).encode()


def test_clients_that_hang_up(running, rows):
    """In the head, in the body, and before the answer; politely or not. The server then works as before."""
    body = json.dumps({"inputs": [wine_input(rows.ravel().tolist())]}).encode()
    before = running.metrics().get('foldnet_requests_total{model="wine",status="499"}', 0)
    in_body = 0
    for k in range(60):
        with connect(running) as opened:
            if k % 2:  # a reset instead of an end
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            if k % 3 == 0:
                opened.sendall(head(len(body))[:40])
            elif k % 3 == 1:
                opened.sendall(head(len(body), "Expect: 100-continue"))
                assert opened.recv(100).startswith(b"HTTP/1.1 100")  # it has begun to read the body
                opened.sendall(body[: len(body) // 2])
                in_body += 1
            else:
                opened.sendall(head(len(body)) + body)
    until(lambda: running.metrics()['foldnet_requests_in_progress{model="wine"}'] == 0)
    until(
        lambda: (
            running.metrics().get('foldnet_requests_total{model="wine",status="499"}', 0) >= before + in_body
        )
    )
    assert running.get("/v2/health/ready") == (200, {"ready": True})
    assert running.ask("POST", INFER, body)[0] == 200


def test_what_is_no_http_and_heads_that_are_too_large(running):
    for sent in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"\0" * 100 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000,
        b"POST " + INFER.encode() + b" HTTP/1.1\r\nContent-Length: -4\r\n\r\n",
    ):  # fmt: skip
        with connect(running) as opened:
            try:
                opened.sendall(sent)
                answer = opened.recv(1000)
            except ConnectionError:  # it was closed before all was sent
                continue
            assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
    assert running.get("/v2/health/live") == (200, {"live": True})


def test_large_bodies_get_their_answer(running):
    """Also a client that sends all of it before it reads, and one that says no length."""
    big = b" " * 3_000_000
    status, headers, body = running.ask("POST", INFER, big)
    assert (status, headers["Connection"]) == (413, "close")
    assert "larger than 1000000 bytes" in json.loads(body)["error"]
    status, _, body = running.ask("POST", INFER, iter([big[:1_500_000], big[:1_500_000]]))
    assert status == 413
    with connect(running) as opened:  # one that asks first sends nothing
        opened.sendall(head(10**15, "Expect: 100-continue"))
        assert opened.recv(2000).startswith(b"HTTP/1.1 413")


def test_sigterm_answers_what_has_begun(start, rows, predictors):
    body = json.dumps({"inputs": [wine_input(rows.tolist(), list(rows.shape))]}).encode()
    with start(MODELS / "wine.keras") as running, connect(running) as opened:
        opened.sendall(head(len(body), "Expect: 100-continue"))
        assert opened.recv(100).startswith(b"HTTP/1.1 100")
        opened.sendall(body[:1000])
        running.process.send_signal(signal.SIGTERM)
        until(lambda: not accepts(running))
        opened.sendall(body[1000:])
        answer = b""
        while part := opened.recv(100_000):
            answer += part
        assert answer.startswith(b"HTTP/1.1 200")
        values = json.loads(answer.partition(b"\r\n\r\n")[2])["outputs"][0]["data"]
        assert np.array(values, "f4").tobytes() == predictors["wine"](rows).tobytes()
        assert running.process.wait(300) == 0


def accepts(running):
    try:
        connect(running).close()
    except ConnectionError:
        return False
    return True


def workers(running):
    """Numbers of the processes that serve."""
    task = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
    started = {int(n): Path(f"/proc/{n}/cmdline").read_bytes() for n in task.read_text().split()}
    return {n for n, command in started.items() if b"spawn_main" in command}


def test_several_processes_count_together_and_are_replaced(start, rows):
    body = json.dumps({"inputs": [wine_input(rows[:2].tolist(), [2, 11])]}).encode()
    with start(MODELS / "wine.keras", "--name", "red wine", "--workers", 2, "--log-requests") as running:
        path = "/v2/models/red%20wine/infer"
        assert running.said == {"url": running.url, "models": ["red wine"], "workers": 2}
        for _ in range(30):  # each by a new connection, which any process may take
            assert running.ask("POST", path, body)[0] == 200
        assert running.metrics()['foldnet_rows_total{model="red wine"}'] == 60
        assert running.ask("POST", path, b"{}")[0] == 400
        before = workers(running)
        assert len(before) == 2
        os.kill(min(before), signal.SIGKILL)
        until(lambda: min(before) not in workers(running) and len(workers(running)) == 2)
        for _ in range(10):
            assert running.ask("POST", path, body)[0] == 200
        running.process.send_signal(signal.SIGTERM)
        _, errors = running.process.communicate(timeout=300)
        assert running.process.returncode == 0
        lines = [json.loads(line) for line in errors.splitlines()]
        assert [line["status"] for line in lines].count(200) == 40
        assert [line["error"] for line in lines if line["status"] == 400] == ['the request has no "inputs"']


def test_metrics_forget_processes_that_were_killed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for process in (dead.pid, os.getpid()):
        (tmp_path / f"gauge_livesum_{process}.db").write_bytes(b"")
    from prometheus_client import multiprocess

    metrics._forget_dead(tmp_path, multiprocess)
    assert [file.name for file in tmp_path.iterdir()] == [f"gauge_livesum_{os.getpid()}.db"]


def test_connections_without_a_head_are_closed(predictors, monkeypatch):
    uvicorn = serving.load_uvicorn()
    from foldnet.serving.protocol import Protocol

    monkeypatch.setattr(Protocol, "head_seconds", 0.3)

    async def talk():
        opened = serving.listening("127.0.0.1", 0)
        config = uvicorn.Config(
            application({"wine": predictors["wine"]}), http=Protocol, ws="none", lifespan="off", log_config=None,
            timeout_keep_alive=300,
        )  # fmt: skip
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[opened]))
        port = opened.getsockname()[1]
        for begins in (
            b"",
            b"GET /v2/health/live HTTP/1.1\r\nHost:",
            b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(begins)
            answer = await asyncio.wait_for(reader.read(), 300)  # until it is closed
            assert answer.endswith(b'{"live":true}' if begins.endswith(b"\n\r\n") else b"")
            writer.close()
        server.should_exit = True
        await task

    asyncio.run(talk())


# -- the command ------------------------------------------------------------------------------------------------


def refused(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "foldnet.cli", "serve", *map(str, arguments)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.returncode == 2, done.stderr
    return " ".join(done.stderr.split())


def test_it_speaks_to_people(rows):
    """Without --json: where it is, a line for each prediction, and that Ctrl+C has ended it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "foldnet.cli", "serve", MODELS / "iris.h5", "--port", "0", "--log-requests"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        port = int(re.fullmatch(r"Serving iris at http://127\.0\.0\.1:(\d+)/v2\n", line)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        connection.request("GET", "/v2/models/iris")
        name = json.load(connection.getresponse())["inputs"][0]["name"]
        for columns, status in ((4, 200), (3, 400)):
            entry = {
                "name": name,
                "shape": [5, columns],
                "datatype": "FP32",
                "data": rows[:5, :columns].tolist(),
            }
            connection.request("POST", "/v2/models/iris/infer", json.dumps({"inputs": [entry]}))
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
        connection.close()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    assert (process.returncode, rest) == (0, "")
    good, bad, end = errors.splitlines()
    assert re.fullmatch(r"iris 200 5 rows \d\.\d+ s", good)
    assert re.fullmatch(
        r"iris 400 0 rows \d\.\d+ s: input '.*' has shape \(5, 3\); expected \(rows, 4\)", bad
    )
    assert end == "Stopped."


def test_a_port_in_use_and_files_that_cannot_be_served(tmp_path):
    wine = MODELS / "wine.keras"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(wine, "--port", port)
        assert f"port {port} of 127.0.0.1 cannot be opened: Address already in use" in said
        assert "0 takes a free one" in said
    broken = tmp_path / "broken.foldnet"
    broken.write_bytes(b"FOLDNET\x01nothing")
    assert f"{broken}: the file" in refused(broken, "--port", 0)


def test_names_and_addresses():
    assert serving.named(["a/wine.v2.keras", "b/iris.h5"], []) == {
        "wine": "a/wine.v2.keras",
        "iris": "b/iris.h5",
    }
    assert serving.named(["a.h5", "b.h5"], ["x", "y"]) == {"x": "a.h5", "y": "b.h5"}
    with pytest.raises(ValueError, match="two models would be called 'a': give --name for each file"):
        serving.named(["x/a.h5", "y/a.keras"], [])
    with pytest.raises(ValueError, match="once for each of the 2 files"):
        serving.named(["a.h5", "b.h5"], ["x"])
    with pytest.raises(ValueError, match="there is no address"):
        serving.listening("no.such.host.invalid", 0)
    with serving.listening("127.0.0.1", 0) as opened:
        assert serving.address_of(opened) == f"http://127.0.0.1:{opened.getsockname()[1]}"


def test_without_the_extra(monkeypatch, predictors):
    for package, use in (
        ("uvicorn", serving.load_uvicorn),
        ("prometheus_client", lambda: application({"wine": predictors["wine"]})),
    ):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(
            UnsupportedError, match=rf"needs the package {package}.*pip install 'foldnet\[serve\]'"
        ):
            use()
