"""The Open Inference Protocol: what is said of models, and requests in all forms, with the bits of a call."""

import asyncio
import gzip
import json
import struct
import zlib

import numpy as np
import pytest

import foldnet
from foldnet.errors import ConfigError
from foldnet.serving import Limits, application
from tests.serving.conftest import Called, wine_input


def same_bits(a, b):
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    assert a.tobytes() == b.tobytes()


def test_what_is_said_of_the_server_and_its_models(called, predictors):
    def get(path):
        status, headers, body = called("GET", path)
        assert (status, headers["content-type"]) == (200, "application/json"), path
        return json.loads(body)

    assert get("/v2") == get("/v2/") == {
        "name": "foldnet", "version": foldnet.__version__, "extensions": ["binary_tensor_data"],
    }  # fmt: skip
    assert get("/v2/health/live") == {"live": True}
    assert get("/v2/health/ready") == {"ready": True}
    assert get("/v2/models/wine/ready") == {"name": "wine", "ready": True}
    assert get("/v2/models/wine/versions/1/ready") == {"name": "wine", "ready": True}
    mixed = get("/v2/models/mixed")
    assert get("/v2/models/mixed/versions/1") == mixed
    assert mixed == {
        "name": "mixed", "versions": ["1"], "platform": "foldnet",
        "inputs": [
            {"name": "codes", "datatype": "INT32", "shape": [-1, 2]},
            {"name": "numbers", "datatype": "FP32", "shape": [-1, 3]},
            {"name": "words", "datatype": "BYTES", "shape": [-1, 1]},
        ],
        "outputs": [
            {"name": "odds", "datatype": "FP32", "shape": [-1, 1]},
            {"name": "score", "datatype": "FP32", "shape": [-1, 2]},
        ],
    }  # fmt: skip
    assert get("/v2/models/free")["inputs"][0]["shape"] == [-1, -1, 4]
    assert get("/v2/models/exact")["outputs"] == [{"name": "quality", "datatype": "FP64", "shape": [-1, 1]}]
    config = get("/v2/models/mixed/config")
    assert config["input"][2] == {"name": "words", "data_type": "TYPE_STRING", "dims": [-1, 1]}
    assert config["output"][0] == {"name": "odds", "data_type": "TYPE_FP32", "dims": [-1, 1]}


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/v2/models/win", 404, "there is no model 'win'; did you mean 'wine'?"),
        ("POST", "/v2/models/win/infer", 404, "there is no model 'win'"),
        ("GET", "/v2/models/wine/versions/2", 404, "has version 1 alone, not '2'"),
        ("POST", "/v2/models/wine/versions/2/infer", 404, "has version 1 alone, not '2'"),
        ("GET", "/v2/models/wine/stats", 404, "there is nothing at '/v2/models/wine/stats'"),
        ("GET", "/v2/models", 404, "there is nothing at"),
        ("GET", "/", 404, "the protocol begins at /v2"),
        ("GET", "/v2/models/wine/infer", 405, "the method must be POST, not 'GET'"),
        ("DELETE", "/v2/models/wine", 405, "the method must be GET"),
        ("PUT", "/metrics", 405, "the method must be GET"),
    ],
)
def test_paths_that_are_not_there(called, method, path, status, said):
    got, headers, body = called(method, path)
    assert got == status
    assert said in json.loads(body)["error"]
    assert ("allow" in headers) == (status == 405)


@pytest.mark.parametrize("datatype", ["FP32", "FP64", "FP16", "INT64", "INT8", "UINT16", "BOOL"])
@pytest.mark.parametrize("nested", [False, True])
def test_json_has_the_bits_of_a_call(called, predictors, rows, datatype, nested):
    dtype = {
        "FP32": "f4",
        "FP64": "f8",
        "FP16": "f2",
        "INT64": "i8",
        "INT8": "i1",
        "UINT16": "u2",
        "BOOL": "?",
    }
    x = (rows[:7] if datatype != "UINT16" else abs(rows[:7])).astype(dtype[datatype])
    data = x.tolist() if nested else x.ravel().tolist()
    status, said = called.infer({"id": "a b", "inputs": [wine_input(data, [7, 11], datatype)]})
    assert status == 200, said
    (output,) = said.pop("outputs")
    assert said == {"model_name": "wine", "model_version": "1", "id": "a b"}
    values = np.array(output.pop("data"), np.float32).reshape(output["shape"])
    assert output == {"name": "quality", "datatype": "FP32", "shape": [7, 1]}
    same_bits(values, predictors["wine"](x))
    # The same in a body of bytes.
    entry = wine_input(data, [7, 11], datatype, parameters={"binary_data_size": x.nbytes})
    del entry["data"]
    status, other = called.infer({"inputs": [entry]}, x.tobytes())
    assert status == 200, other
    assert other["outputs"][0]["data"] == values.ravel().tolist()


def test_several_inputs_and_results_in_json_and_bytes(called, predictors):
    rng = np.random.default_rng(5)
    numbers, codes = rng.normal(size=(6, 3)).astype("f4"), rng.integers(0, 6, (6, 2))
    words = rng.choice(["red", "white", "rosé", ""], (6, 1)).astype(object)
    expected = predictors["mixed"]({"numbers": numbers, "codes": codes, "words": words})
    packed = b"".join(struct.pack("<I", len(w.encode())) + w.encode() for w in words.ravel())
    in_json = [
        {"name": "words", "shape": [6, 1], "datatype": "BYTES", "data": words.ravel().tolist()},
        {"name": "codes", "shape": [6, 2], "datatype": "INT64", "data": codes.tolist()},
        {"name": "numbers", "shape": [6, 3], "datatype": "FP32", "data": numbers.ravel().tolist()},
    ]
    parts = [packed, codes.tobytes(), numbers.tobytes()]
    in_bytes = [
        {**{k: v for k, v in entry.items() if k != "data"}, "parameters": {"binary_data_size": len(part)}}
        for entry, part in zip(in_json, parts, strict=True)
    ]
    mixed = [in_bytes[0], in_json[1], in_bytes[2]]
    for inputs, tail in (
        (in_json, b""), (in_bytes, b"".join(parts)), (mixed, parts[0] + parts[2]),
    ):  # fmt: skip
        status, said = called.infer({"inputs": inputs}, tail, model="mixed")
        assert status == 200, said
        assert [o["name"] for o in said["outputs"]] == list(expected)
        for output in said["outputs"]:
            got = np.array(output["data"], np.float32).reshape(output["shape"])
            same_bits(got, expected[output["name"]])
    # Some results, in another order and another form each.
    asked = [{"name": "score", "parameters": {"binary_data": True}}, {"name": "odds"}]
    head = json.dumps({"inputs": in_json, "outputs": asked}).encode()
    status, headers, body = called("POST", "/v2/models/mixed/versions/1/infer", head)
    length = int(headers["inference-header-content-length"])
    score, odds = json.loads(body[:length])["outputs"]
    assert headers["content-type"] == "application/octet-stream"
    assert score["parameters"] == {"binary_data_size": len(body) - length}
    same_bits(np.frombuffer(body[length:], "f4").reshape(6, 2), expected["score"])
    same_bits(np.array(odds["data"], np.float32).reshape(6, 1), expected["odds"])
    # One result alone; all of them in bytes, but for one.
    status, said = called.infer({"inputs": in_json, "outputs": [{"name": "odds"}]}, model="mixed")
    assert [o["name"] for o in said["outputs"]] == ["odds"]
    asked = [{"name": "odds", "parameters": {"binary_data": False}}, {"name": "score"}]
    head = json.dumps(
        {"inputs": in_json, "outputs": asked, "parameters": {"binary_data_output": True}}
    ).encode()
    _, headers, body = called("POST", "/v2/models/mixed/infer", head)
    odds, score = json.loads(body[: int(headers["inference-header-content-length"])])["outputs"]
    assert "data" in odds
    assert score["parameters"] == {"binary_data_size": 48}


def test_compression_of_requests_and_answers(called, predictors, rows):
    body = json.dumps({"inputs": [wine_input(rows.ravel().tolist())]}).encode()
    plain = called("POST", "/v2/models/wine/infer", body)[2]
    packing = {"gzip": (gzip.compress, gzip.decompress), "deflate": (zlib.compress, zlib.decompress)}
    for name, (pack, unpack) in packing.items():
        headers = {"Content-Encoding": name, "Accept-Encoding": f"br, {name};q=0.5, *"}
        status, found, answer = called("POST", "/v2/models/wine/infer", pack(body), headers)
        assert (status, found["content-encoding"]) == (200, name)
        assert len(answer) < len(plain)
        assert unpack(answer) == plain
    # Refused, or not worth it.
    for accepted in ("", "identity", "gzip;q=0", "br"):
        found = called("POST", "/v2/models/wine/infer", body, {"Accept-Encoding": accepted})[1]
        assert "content-encoding" not in found
    small = json.dumps({"inputs": [wine_input(rows[:1].ravel().tolist())]}).encode()
    assert (
        "content-encoding"
        not in called("POST", "/v2/models/wine/infer", small, {"Accept-Encoding": "gzip"})[1]
    )


def test_a_body_in_pieces_and_an_application_mounted_in_another(called, rows):
    body = json.dumps({"inputs": [wine_input(rows[:2].ravel().tolist())]}).encode()
    whole = called("POST", "/v2/models/wine/infer", body)
    pieces = [body[i : i + 50] for i in range(0, len(body), 50)]
    assert called("POST", "/v2/models/wine/infer", pieces) == whole
    assert called("POST", "/models/v2/models/wine/infer", body, root="/models") == whole
    assert called("POST", "/elsewhere/v2/models/wine/infer", body, root="/models")[0] == 404


def test_float64_keeps_its_precision(called, predictors, rows):
    x = rows[:5].astype("f8") + 1e-9
    status, said = called.infer({"inputs": [wine_input(x.ravel().tolist(), None, "FP64")]}, model="exact")
    assert status == 200, said
    same_bits(np.array(said["outputs"][0]["data"]).reshape(5, 1), predictors["exact"](x))
    assert (
        np.array(said["outputs"][0]["data"]).astype("f4").astype("f8").tolist() != said["outputs"][0]["data"]
    )


def test_lengths_of_free_axes(called, predictors):
    for length in (2, 5, 9):
        x = np.random.default_rng(length).normal(size=(3, length, 4)).astype("f4")
        name = predictors["free"].input_names[0]
        entry = {"name": name, "shape": list(x.shape), "datatype": "FP32", "data": x.tolist()}
        status, said = called.infer({"inputs": [entry]}, model="free")
        assert status == 200, said
        output = said["outputs"][0]
        same_bits(np.array(output["data"], "f4").reshape(output["shape"]), predictors["free"](x))


def test_what_json_cannot_hold_is_refused_and_goes_in_bytes(called, predictors):
    x = np.array([[2.0, 4.0], [8.0, 0.0]], "f4")
    entry = {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": x.ravel().tolist()}
    said = called.refused({"inputs": [entry]}, model="inverse")
    assert "is inf at [1, 1], which JSON cannot hold: ask for binary data" in said
    head = json.dumps({"inputs": [entry], "parameters": {"binary_data_output": True}}).encode()
    status, headers, body = called("POST", "/v2/models/inverse/infer", head)
    assert status == 200
    length = int(headers["inference-header-content-length"])
    same_bits(np.frombuffer(body[length:], "f4").reshape(2, 2), predictors["inverse"](x))
    # NaN goes in as bytes, and comes out so.
    del entry["data"]
    entry["parameters"] = {"binary_data_size": 16}
    sent = np.array([[np.nan, 1], [2, 3]], "f4")
    assert "is nan at [0, 0]" in called.refused({"inputs": [entry]}, sent.tobytes(), model="inverse")


def test_lifespan_and_websockets_of_servers(called):
    sent = []

    async def talk(scope, *messages):
        waiting = list(messages)

        async def receive():
            return {"type": waiting.pop(0)}

        async def send(message):
            sent.append(message["type"])

        await called.app(scope, receive, send)

    asyncio.run(talk({"type": "lifespan"}, "lifespan.startup", "lifespan.shutdown"))
    asyncio.run(talk({"type": "websocket"}, "websocket.connect"))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]


def test_what_cannot_be_served(predictors):
    wine = predictors["wine"]
    for given, said in (
        ({}, "give the predictors by name"),
        (wine, "give the predictors by name"),
        ({"wine": "wine.foldnet"}, "'wine' is str, not a predictor"),
        ({"a/b": wine}, "a model cannot be called 'a/b'"),
        ({"": wine}, "a model cannot be called ''"),
    ):
        with pytest.raises(ConfigError, match=said):
            application(given)
    with pytest.raises(ConfigError, match="'seconds' must be above 0"):
        Limits(seconds=0)


def test_each_request_is_reported(predictors, rows):
    seen = []
    called = Called(application({"wine": predictors["wine"]}, report=seen.append))
    called.infer({"inputs": [wine_input(rows[:3].ravel().tolist())]})
    called.infer({"inputs": []})
    called("POST", "/v2/models/wine/infer", [b"{", None])
    assert [(s["model"], s["status"], s["rows"]) for s in seen] == [
        ("wine", 200, 3),
        ("wine", 400, 0),
        ("wine", 499, 0),
    ]
    assert "the network's inputs are ['wine']" in seen[1]["error"]
    assert all(s["seconds"] > 0 for s in seen)
