"""Answers: JSON, JSON with tensors after it, and their compression."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from foldnet.arrays import Array
from foldnet.serving.requests import InferRequest
from foldnet.serving.served import VERSION, Served
from foldnet.serving.tensors import to_bytes, to_json

HEAD_LENGTH = b"inference-header-content-length"

_WORTH = 1000
"""Smaller answers are not compressed: they fit into one packet as they are."""

_FAST = 1
"""The level of compression: numbers hardly get smaller with more work."""

_CODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": lambda body: gzip.compress(body, _FAST, mtime=0),
    b"deflate": lambda body: zlib.compress(body, _FAST),  # with zlib's frame, as HTTP means it
}

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Answer:
    """An answer of HTTP.

    Attributes:
        status: of HTTP.
        body: its bytes.
        kind: its content type.
        headers: others than type and length.
    """

    status: int
    body: bytes
    kind: bytes = b"application/json"
    headers: Headers = ()


def json_answer(document: object, status: int = 200, headers: Headers = ()) -> Answer:
    """A JSON document as an answer."""
    return Answer(status, _json(document), headers=headers)


def error_answer(status: int, message: str, headers: Headers = ()) -> Answer:
    """The protocol's form of an error."""
    return json_answer({"error": message}, status, headers)


def infer_answer(request: InferRequest, results: Sequence[Array], model: Served) -> Answer:
    """The answer to a request.

    Args:
        request: that asks.
        results: of the model, in order.
        model: that computed.

    Raises:
        InputError: a result cannot be JSON.
    """
    outputs: list[dict[str, object]] = []
    parts: list[bytes] = []
    for wanted in request.wanted:
        tensor, array = model.outputs[wanted.place], results[wanted.place]
        entry: dict[str, object] = {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": list(array.shape),
        }
        if wanted.binary:
            parts.append(to_bytes(array))
            entry["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            entry["data"] = to_json(array, tensor.name)
        outputs.append(entry)
    identity = {} if request.id is None else {"id": request.id}
    head = _json({"model_name": model.name, "model_version": VERSION, **identity, "outputs": outputs})
    if not any(wanted.binary for wanted in request.wanted):
        return Answer(200, head)
    length = str(len(head)).encode()
    return Answer(200, b"".join([head, *parts]), b"application/octet-stream", ((HEAD_LENGTH, length),))


def compressed(answer: Answer, accepted: bytes) -> Answer:
    """The answer in the first encoding of ``Accept-Encoding`` that foldnet has, if that is worth it."""
    if len(answer.body) < _WORTH:
        return answer
    for offer in accepted.lower().split(b","):
        name, _, quality = offer.replace(b" ", b"").partition(b";")
        if name in _CODERS and quality not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"):
            headers = (*answer.headers, (b"content-encoding", name), (b"vary", b"accept-encoding"))
            return replace(answer, body=_CODERS[name](answer.body), headers=headers)
    return answer


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
