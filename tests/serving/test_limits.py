"""Bad requests get one clear error; limits hold before memory is used; nothing waits for ever."""

import asyncio
import gzip
import json
import struct
import threading
import tracemalloc
import zlib

import numpy as np
import pytest

from foldnet.errors import InputError
from foldnet.serving import Limits, application
from foldnet.serving.served import Served
from tests.serving.conftest import Called, wine_input

ROW = [7.4, 0.7, 0.0, 1.9, 0.076, 11.0, 34.0, 0.9978, 3.51, 0.56, 9.4]
GOOD = {"inputs": [wine_input(ROW)]}


def binary(size, shape=(1, 11), datatype="FP32"):
    entry = wine_input([], list(shape), datatype, parameters={"binary_data_size": size})
    del entry["data"]
    return {"inputs": [entry]}


def changed(**entry):
    return {"inputs": [{**wine_input(ROW), **entry}]}


DEEP = b'{"inputs":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
BAD = {
    "no JSON": (b"\xff\x00{", "the request is not valid JSON"),
    "nothing": (b"", "the request is not valid JSON"),
    "a list": (b"[]", "the request should be a JSON object, not list"),
    "a key twice": (b'{"id":"a","id":"b"}', "an object in it repeats a key"),
    "deep": (DEEP, "nests deeper than"),
    "deep parameters": (
        json.dumps({**GOOD, "parameters": {}}).replace("{}", '{"a":' * 500 + "1" + "}" * 500).encode(), "nests deeper",
    ),
    "a long number": (b'{"inputs":' + b"9" * 5000 + b"}", "the request is not valid JSON"),
    "no inputs": ({}, 'the request has no "inputs"'),
    "inputs is a text": ({"inputs": "wine"}, "inputs should be a list"),
    "an input is a number": ({"inputs": [3]}, "an entry of inputs should be an object"),
    "none": ({"inputs": []}, "the network's inputs are ['wine'], and it was given []"),
    "an unknown input": (changed(name="win"), "model 'wine' has no input 'win'; did you mean 'wine'?"),
    "a long name": (changed(name="wine" * 1_000_000), "it must be one of wine"),
    "a nameless input": (changed(name=None), "the name of an input should be a name"),
    "an input twice": ({"inputs": [wine_input(ROW)] * 2}, "the request has input 'wine' twice"),
    "id": ({**GOOD, "id": 3}, "the request's id must be a text, not 3"),
    "too few features": (wine_input([1.0, 2.0], [1, 2]), "input 'wine' has shape (1, 2); expected (rows, 11)"),
    "one row": (wine_input(ROW, [11]), "expected (rows, 11); for a single row pass x[None]"),
    "no axes": (wine_input([1.0], []), "input 'wine' has shape (); expected (rows, 11)"),
    "no rows": (wine_input([], [0, 11]), "input 'wine' has shape [0, 11]: there is nothing to predict"),
    "no shape": (changed(shape=None), "the shape of input 'wine' should be a list"),
    "a negative size": (changed(shape=[-1, -11]), "must be sizes from 0, not [-1, -11]"),
    "a broken size": (changed(shape=[1.0, 11]), "must be sizes from 0"),
    "a true size": (changed(shape=[True, 11]), "must be sizes from 0"),
    "a huge size": (changed(shape=[2**63, 11]), "must be sizes from 0"),
    "a product beyond 64 bits": (changed(shape=[2**40, 2**40]), f"so {2**80} values, and its data has 11"),
    "terabytes": (changed(shape=[10**12, 11]), "so 11000000000000 values, and its data has 11"),
    "many axes": (changed(shape=[1] * 40), "must be sizes from 0"),
    "too many values": (changed(data=[*ROW, 1.0]), "so 11 values, and its data has 12"),
    "ragged": (changed(shape=[2, 11], data=[ROW, ROW[:5]]), "every list at depth 2 must have 11 entries"),
    "too deep": (changed(data=[[[v] for v in ROW]]), "value 0 of its data is [7.4]"),
    "rows and numbers": (changed(shape=[2, 11], data=[ROW, 3.0]), "every list at depth 2"),
    "rows missing": (changed(shape=[3, 11], data=[ROW, ROW]), "shape [3, 11], and its data has 2 rows"),
    "data is a number": (changed(data=3), "data must be a list, not 3"),
    "no data": (changed(data=None), "data must be a list, not None"),
    "a text": (changed(data=["1.5", *ROW[1:]]), "which holds numbers, and value 0 of its data is '1.5'"),
    "null": (changed(data=[*ROW[:10], None]), "value 10 of its data is None"),
    "true": (changed(data=[*ROW[:10], True]), "value 10 of its data is True"),
    "an object": (changed(data=[*ROW[:10], {}]), "value 10 of its data is {}"),
    "NaN": (json.dumps(changed(data=[*ROW[:10], float("nan")])).encode(), "value 10 of its data is NaN"),
    "infinity": (json.dumps(changed(data=[*ROW[:10], float("inf")])).encode(), "value 10 of its data is Infinity"),
    "1e999": (json.dumps(GOOD).replace("9.4", "1e999").encode(), "the number 1e999 is out of range"),
    "beyond float32": (changed(data=[*ROW[:10], 1e39]), "a number that is out of the range of FP32"),
    "beyond float": (changed(data=[*ROW[:10], 10**400]), "a number that is out of the range of FP32"),
    "beyond int8": (changed(datatype="INT8", data=[1] * 10 + [300]), "out of the range of INT8"),
    "below 0": (changed(datatype="UINT8", data=[1] * 10 + [-1]), "out of the range of UINT8"),
    "a fraction": (changed(datatype="INT32"), "INT32, which holds whole numbers, and value 0 of its data is 7.4"),
    "BOOL": (changed(datatype="BOOL"), "BOOL, which holds true and false"),
    "texts": (changed(datatype="BYTES", data=["a"] * 11), "input 'wine' takes FP32, and was given BYTES"),
    "an unknown datatype": (changed(datatype="FP31"), "has datatype 'FP31'; did you mean 'FP32'"),
    "no datatype": (changed(datatype=None), "input 'wine' has datatype None"),
    "BF16": (changed(datatype="BF16"), "input 'wine' has datatype 'BF16'"),
    "an unknown output": ({**GOOD, "outputs": [{"name": "color"}]}, "model 'wine' has no output 'color'"),
    "an output twice": ({**GOOD, "outputs": [{"name": "quality"}] * 2}, "asks for output 'quality' twice"),
    "outputs is an object": ({**GOOD, "outputs": {"name": "quality"}}, "outputs should be a list"),
    "binary_data": (
        {**GOOD, "outputs": [{"name": "quality", "parameters": {"binary_data": 1}}]},
        "binary_data of output 'quality' must be true or false, not 1",
    ),
    "classification": (
        {**GOOD, "outputs": [{"name": "quality", "parameters": {"classification": 2}}]},
        "this server does not have the classification extension",
    ),
    "shared memory": (changed(parameters={"shared_memory_region": "x"}), "does not have shared memory"),
    "sequence": ({**GOOD, "parameters": {"sequence_id": 4}}, "does not have sequences"),
    "parameters": ({**GOOD, "parameters": []}, "parameters of the request should be an object"),
    "bytes and data": (changed(parameters={"binary_data_size": 44}), "either data or the parameter binary_data_size"),
    "neither": ({"inputs": [{"name": "wine", "shape": [1, 11], "datatype": "FP32"}]}, "either data or"),
    "bytes that are not there": (binary(44), "binary_data_size 44, and 0 bytes are left after the JSON"),
}  # fmt: skip


def as_request(body):
    return {"inputs": [body]} if isinstance(body, dict) and "shape" in body else body


@pytest.mark.parametrize("case", BAD)
def test_bad_requests(called, case):
    body, said = BAD[case]
    text = called.refused(as_request(body))
    assert said in text
    assert len(text) <= 1000


def test_shapes_get_the_text_of_a_call(called, predictors, rows):
    x = rows[:4, :7]
    with pytest.raises(InputError) as raised:
        predictors["wine"](x)
    assert called.refused({"inputs": [wine_input(x.tolist(), [4, 7])]}) == str(raised.value)


def test_bytes_that_do_not_fit(called, predictors):
    x = np.ones((1, 11), "f4").tobytes()
    for size, tail, said in (
        (40, x[:40], "has 44 bytes, and its binary_data_size is 40"),
        (44, x + b"!", "1 bytes after the JSON belong to no input"),
        (48, x, "binary_data_size 48, and 44 bytes are left"),
        (-1, x, "binary_data_size -1, and 44 bytes are left"),
        (10**30, x, f"binary_data_size {10**30}, and 44 bytes are left"),
        ("44", x, "binary_data_size of input 'wine' should be a whole number"),
        (True, x, "binary_data_size of input 'wine' should be a whole number"),
    ):
        assert said in called.refused(binary(size), x if tail is None else tail), size
    assert "of datatype FP64" in called.refused(binary(44, datatype="FP64"), x)
    assert f"shape [{10**12}, 11] has" in called.refused(binary(44, (10**12, 11)), x)
    for head, said in (("0", "is 0, and the body has"), ("99999", "is 99999, and"), ("-5", "must be a whole number"),
                       ("9" * 30, "must be a whole number"), ("4.5", "must be a whole number")):  # fmt: skip
        assert said in called.refused(GOOD, **{"Inference-Header-Content-Length": head}), head
    words = {"name": "words", "shape": [2, 1], "datatype": "BYTES"}
    for data, held in (
        (struct.pack("<I", 3) + b"red", "they hold 1"),
        (
            struct.pack("<I", 3) + b"red" + struct.pack("<I", 2**32 - 1) + b"x",
            "they hold 1 and a part of one",
        ),
        (struct.pack("<I", 3) + b"red" + b"\x01\x02", "they hold 1 and a part of one"),
        (struct.pack("<III", 0, 0, 0), "they hold 3"),
    ):
        entry = {**words, "parameters": {"binary_data_size": len(data)}}
        said = called.refused({"inputs": [entry]}, data, "mixed")
        assert "input 'words' has 2 texts by its shape" in said
        assert said.endswith(held)
    entry = {**words, "shape": [10**15, 1], "parameters": {"binary_data_size": 7}}
    assert f"has {10**15} texts" in called.refused(
        {"inputs": [entry]}, struct.pack("<I", 3) + b"red", "mixed"
    )
    # What is no text, and what is no index, is said as a call says it.
    others = [
        {"name": "numbers", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]},
        {"name": "codes", "shape": [1, 2], "datatype": "INT64", "data": [1, 2]},
    ]
    bad = struct.pack("<I", 2) + b"\xff\xfe"
    entry = {**words, "shape": [1, 1], "parameters": {"binary_data_size": len(bad)}}
    assert "which is not UTF-8" in called.refused({"inputs": [entry, *others]}, bad, "mixed")
    entry = {**words, "shape": [1, 1], "data": ["\ud800"]}
    assert "which is not UTF-8" in called.refused({"inputs": [entry, *others]}, model="mixed")
    entry = {**words, "shape": [1, 1], "data": ["red"]}
    others[1]["data"] = [1, 2**40]
    assert "whole numbers of 32 bits" in called.refused({"inputs": [entry, *others]}, model="mixed")
    others[1]["data"] = [1, 6]  # the table has six rows
    assert called.infer({"inputs": [entry, *others]}, model="mixed")[0] == 400
    assert "all inputs must have the same number of rows" in called.refused(
        {"inputs": [{**entry, "shape": [2, 1], "data": ["a", "b"]}, *others]}, model="mixed"
    )


@pytest.fixture
def small(predictors):
    return Called(application(predictors, Limits(body=2000, seconds=0.2, requests=2, threads=1)))


def test_large_bodies_are_refused_before_they_have_come(small):
    read = []

    def parts():
        for k in range(100):
            read.append(k)
            yield b"x" * 500

    class Counted(list):
        """Parts that are made when they are read."""

        def __init__(self):
            super().__init__([b""] * 100)
            self.made = parts()

        def pop(self, _):
            super().pop()
            return next(self.made)

    status, headers, body = small("POST", "/v2/models/wine/infer", Counted())
    assert (status, headers["connection"]) == (413, "close")
    assert "larger than 2000 bytes" in json.loads(body)["error"]
    assert len(read) == 5 + 16  # up to the limit, and a little more so that the client reads the answer
    read.clear()
    assert small("POST", "/v2/models/wine/infer", Counted(), {"Content-Length": "50000"})[0] == 413
    assert len(read) == 16
    # The last part is too much: nothing is left to read.
    status, headers, _ = small("POST", "/v2/models/wine/infer", [b" " * 1500, b" " * 501])
    assert status == 413
    assert "connection" not in headers
    assert small("POST", "/v2/models/wine/infer", b"", {"Content-Length": "many"})[0] == 400


def test_compression_that_grows_or_is_damaged(small):
    body = json.dumps(GOOD).encode()
    packed = gzip.compress(body)
    assert small("POST", "/v2/models/wine/infer", packed, {"Content-Encoding": "gzip"})[0] == 200
    bomb = gzip.compress(bytes(1_000_000))  # a thousandth of it: under the limit of bodies
    assert len(bomb) < 2000
    for sent, encoding, status in (
        (bomb, "gzip", 413), (zlib.compress(bytes(1_000_000)), "deflate", 413),
        (packed[:-9], "gzip", 400), (packed + b"x", "gzip", 400), (b"no", "gzip", 400), (packed, "deflate", 400),
        (packed, "br", 415), (b"", "gzip", 400),
    ):  # fmt: skip
        got, _, answer = small("POST", "/v2/models/wine/infer", sent, {"Content-Encoding": encoding})
        assert got == status, (encoding, answer)
        assert list(json.loads(answer)) == ["error"]
    large = gzip.compress(bytes(200_000_000))
    called = Called(application({"wine": small.app.models["wine"].predictor}, Limits(body=1_000_000)))
    tracemalloc.start()
    assert called("POST", "/v2/models/wine/infer", large, {"Content-Encoding": "gzip"})[0] == 413
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_answers_are_limited_too(small):
    x = np.ones((40, 2, 4), np.uint8)
    name = small.app.models["free"].inputs[0].name
    entry = {
        "name": name,
        "shape": [40, 2, 4],
        "datatype": "UINT8",
        "parameters": {"binary_data_size": x.size},
    }
    said = small.refused({"inputs": [entry]}, x.tobytes(), "free", status=413)
    assert (
        "the answer would have 2400 bytes, and at most 2000 are allowed: send fewer rows" in said
    )  # 40 × 5 × 3 × 4
    # A long empty axis costs nothing to say, and is refused.
    entry = {"name": name, "shape": [0, 10**9, 4], "datatype": "FP32", "data": []}
    assert "there is nothing to predict" in small.refused({"inputs": [entry]}, model="free")


def test_time_is_limited(small, monkeypatch):
    released = threading.Event()
    compute = Served.results

    def slow(self, inputs, most):
        released.wait(300)
        return compute(self, inputs, most)

    monkeypatch.setattr(Served, "results", slow)
    assert "there was no prediction within 0.2 s" in small.refused(GOOD, status=503)
    released.set()
    small.app.limits = Limits(body=2000, seconds=300)
    assert small.infer(GOOD)[0] == 200  # by the thread that was given up on
    small.app.limits = Limits(body=2000, seconds=0.2)
    status, headers, body = asyncio.run(_without_end(small.app))
    assert (status, headers[b"connection"]) == (408, b"close")
    assert "the body did not come within 0.2 s" in json.loads(body)["error"]


async def _without_end(app):
    """The answer to a body that begins and never ends."""
    sent, begun = [], False

    async def receive():
        nonlocal begun
        if begun:
            await asyncio.Event().wait()
        begun = True
        return {"type": "http.request", "body": b"{", "more_body": True}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v2/models/wine/infer", "headers": []}
    await app(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def test_health_checks_answer_during_predictions_and_too_many_are_refused(predictors, monkeypatch):
    app = application({"wine": predictors["wine"]}, Limits(requests=2, threads=1, seconds=300))
    released = threading.Event()
    compute = Served.results
    monkeypatch.setattr(Served, "results", lambda *a: (released.wait(300), compute(*a))[1])
    body = json.dumps(GOOD).encode()

    async def ask(method, path, body=b""):
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        await app({"type": "http", "method": method, "path": path, "headers": []}, receive, send)
        return sent[0]["status"], sent[1]["body"]

    async def talk():
        waiting = [asyncio.create_task(ask("POST", "/v2/models/wine/infer", body)) for _ in range(2)]
        await asyncio.sleep(0)
        assert await ask("GET", "/v2/health/ready") == (200, b'{"ready":true}')
        _, text = await ask("GET", "/metrics")
        assert b'foldnet_requests_in_progress{model="wine"} 2.0' in text
        status, said = await ask("POST", "/v2/models/wine/infer", body)
        assert status == 503
        assert b"2 requests are waiting" in said
        assert not any(task.done() for task in waiting)
        released.set()
        return [(await task)[0] for task in waiting]

    assert asyncio.run(talk()) == [200, 200]


def test_faults_of_the_server_itself(called, monkeypatch, capsys):
    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(Served, "results", fails)
    assert "not enough memory" in called.refused(GOOD, status=503)

    def breaks(*_):
        raise ZeroDivisionError("by a fault")

    monkeypatch.setattr(Served, "results", breaks)
    assert called.refused(GOOD, status=500) == "foldnet itself failed (ZeroDivisionError: by a fault)"
    assert "Traceback" in capsys.readouterr().err
