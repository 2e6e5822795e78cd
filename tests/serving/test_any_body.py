"""Whatever the body: an answer, or an error that says what is wrong; never a fault of the server."""

import gzip
import json
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.test_limits import GOOD

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["wine", "quality", "FP32", "BYTES", "INT64", 2**63, -1, 11, 0]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
PARAMETERS = st.dictionaries(
    st.sampled_from(["binary_data", "binary_data_size", "binary_data_output", "sequence_id", "classification"]),
    VALUES, max_size=2,
) | VALUES  # fmt: skip
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["wine", "numbers", "words"]) | VALUES,
        "shape": st.lists(st.integers(-2, 12) | st.just(2**62), max_size=4) | st.just([1, 11]) | VALUES,
        "datatype": st.sampled_from(["FP32", "FP64", "INT8", "BYTES", "BOOL"]) | VALUES,
        "data": st.lists(st.floats(-9, 9), min_size=11, max_size=11) | VALUES,
        "parameters": PARAMETERS,
    },
)
REQUEST = st.fixed_dictionaries(
    {}, optional={
        "inputs": st.lists(ENTRY, max_size=3) | VALUES, "outputs": st.lists(ENTRY, max_size=2) | VALUES,
        "id": VALUES, "parameters": PARAMETERS,
    },
)  # fmt: skip
HEADERS = st.fixed_dictionaries(
    {}, optional={
        "Inference-Header-Content-Length": st.integers(-3, 300) | st.text("0123456789-+ _x", max_size=6),
        "Content-Encoding": st.sampled_from(["gzip", "deflate", "", "br"]),
        "Content-Length": st.integers(-3, 10**7),
        "Accept-Encoding": st.text("gzipdeflate;,q=0.1", max_size=12),
    },
)  # fmt: skip


@st.composite
def bodies(draw):
    """A request that may be right, cut, changed in some bytes, or compressed."""
    body = json.dumps(draw(REQUEST | st.just(GOOD))).encode() + draw(st.binary(max_size=60) | st.just(b""))
    for place in draw(st.lists(st.integers(0, max(0, len(body) - 1)), max_size=3)):
        body = body[:place] + draw(st.binary(max_size=2)) + body[place + draw(st.integers(0, 2)) :]
    return draw(st.sampled_from([lambda b: b, lambda b: b, lambda b: b, gzip.compress, zlib.compress]))(body)


@settings(max_examples=800)
@given(bodies(), HEADERS, st.sampled_from(["wine", "mixed"]))
def test_any_body_gets_an_answer_that_says_what_is_wrong(called, body, headers, model):
    status, _, answer = called("POST", f"/v2/models/{model}/infer", body, headers)
    assert status in (200, 400, 413, 415)
    if status != 200:
        said = json.loads(answer)
        assert list(said) == ["error"]
        assert 10 < len(said["error"]) <= 1000
