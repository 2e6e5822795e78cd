"""The file of a predictor: what it holds, and that nothing damaged or hostile gets through."""

import json
import re
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import foldnet
from foldnet import layers
from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import FileFormatError, FoldnetError, UnsupportedError
from foldnet.graph.graph import GraphBuilder
from foldnet.network import Model
from foldnet.operations.affine.op import Affine
from foldnet.operations.catalogue import every_op
from foldnet.predictor import Options
from foldnet.predictor.file import from_bytes, to_bytes
from foldnet.sequential import Sequential
from tests.operations.op_cases import PREDICTING, joined

HEAD = struct.Struct("<8sQQII")
ROWS = np.random.default_rng(2).normal(size=(9, 5)).astype(np.float32)


def fill(model, seed=0):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        for spec in layer.specs:
            positive = "variance" in spec.name
            layer.set_weight(
                spec.name, rng.uniform(0.5, 2, spec.shape) if positive else rng.normal(size=spec.shape)
            )
    return model


def small():
    stack = [
        layers.Input((5,), name="x"),
        layers.Dense(4, "relu"),
        layers.BatchNormalization(),
        layers.Dropout(0.1),
    ]
    return fill(Sequential([*stack, layers.Dense(2, "softmax")]))


PREDICT = foldnet.freeze(small(), engine="reference")
GOOD = to_bytes(PREDICT.unfolded, PREDICT.options)


def taken_apart(data=GOOD):
    """Header and arrays."""
    _, header, _, _, _ = HEAD.unpack(data[: HEAD.size])
    return json.loads(data[HEAD.size : HEAD.size + header]), data[HEAD.size + header :]


def put_together(header, arrays, changes=None):
    """A file with a right checksum around any contents."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-(HEAD.size + len(text)) % 64)
    head = {"magic": b"FOLDNET\x01", "header": len(text), "arrays": len(arrays), "zero": 0, **(changes or {})}
    body = text + arrays
    return HEAD.pack(head["magic"], head["header"], head["arrays"], zlib.crc32(body), head["zero"]) + body


def test_there_and_back(tmp_path):
    path = tmp_path / "small.foldnet"
    PREDICT.save(path)
    again = foldnet.load_predictor(path)
    assert again.engine == "reference"
    np.testing.assert_array_equal(again(ROWS), PREDICT(ROWS))
    assert again.steps() == PREDICT.steps()
    assert again.unfolded.layer_outputs == PREDICT.unfolded.layer_outputs
    assert again.unfolded.types == PREDICT.unfolded.types
    assert again.unfolded.spreads.keys() == PREDICT.unfolded.spreads.keys() != set()
    assert to_bytes(again.unfolded, again.options) == path.read_bytes() == GOOD
    assert foldnet.load_predictor(str(path), engine="auto").engine in ("native", "reference")


@pytest.mark.parametrize("choice", [{"fold": False}, {"dtype": "float64"}])
def test_options_travel(tmp_path, choice):
    predict = foldnet.freeze(small(), engine="reference", **choice)
    predict.save(tmp_path / "p")
    again = foldnet.load_predictor(tmp_path / "p")
    assert again.options == predict.options
    np.testing.assert_array_equal(again(ROWS), predict(ROWS))


def test_dicts_and_free_axes_travel(tmp_path):
    a, b = layers.Input((None, 3), name="a"), layers.Input((2,), name="b")
    model = fill(Model({"u": a, "v": b}, {"p": layers.Dense(2)(a), "q": layers.Dense(1)(b)}))
    predict = foldnet.freeze(model, engine="reference")
    predict.save(tmp_path / "p")
    again = foldnet.load_predictor(tmp_path / "p")
    x = {"u": np.ones((2, 4, 3)), "v": np.ones((2, 2))}
    for key, value in predict(x).items():
        np.testing.assert_array_equal(again(x)[key], value)


def test_the_format_is_as_documented():
    """Read with nothing but json, struct and NumPy."""
    assert GOOD[:8] == b"FOLDNET\x01"
    _, header_size, arrays_size, checksum, _ = HEAD.unpack(GOOD[:32])
    assert (32 + header_size) % 64 == 0
    assert len(GOOD) == 32 + header_size + arrays_size
    assert zlib.crc32(GOOD[32:]) == checksum
    header, arrays = taken_apart()
    kernel = next(a for a in header["arrays"] if a["name"].endswith("kernel"))
    assert kernel["offset"] % 64 == 0
    values = np.frombuffer(arrays, "<f4", 20, kernel["offset"]).reshape(kernel["shape"])
    np.testing.assert_array_equal(values, PREDICT.unfolded.constants[kernel["name"]])


def swish_like(x):
    return x * np.tanh(x)


def test_a_function_of_the_caller_is_supplied_again(tmp_path):
    predict = foldnet.freeze(fill(Sequential([layers.Input((5,)), layers.Dense(3, activation=swish_like)])))
    predict.save(tmp_path / "p")
    with pytest.raises(
        UnsupportedError, match=re.escape("load_predictor(path, activations={'swish_like': fn})")
    ):
        foldnet.load_predictor(tmp_path / "p")
    again = foldnet.load_predictor(tmp_path / "p", activations={"swish_like": swish_like})
    np.testing.assert_array_equal(again(ROWS), predict(ROWS))


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "p"
    PREDICT.save(path)

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        foldnet.freeze(small(), fold=False, engine="reference").save(path)
    assert path.read_bytes() == GOOD
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        foldnet.load_predictor(tmp_path / "nothing")


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "wine.foldnet").write_bytes(GOOD[:-1])
    with pytest.raises(FileFormatError, match=r"wine\.foldnet: .*cut off"):
        foldnet.load_predictor(tmp_path / "wine.foldnet")


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_is_seen(bit):
    """One byte in 7 (the step is prime to every alignment), each of its bits in turn."""
    for place in range(bit % 7, len(GOOD), 7):
        damaged = bytearray(GOOD)
        damaged[place] ^= 1 << bit
        with pytest.raises(FileFormatError):
            from_bytes(bytes(damaged), {})


def test_every_truncation_is_seen():
    for size in [*range(80), *range(80, len(GOOD), 13), len(GOOD) - 1]:
        with pytest.raises(FileFormatError):
            from_bytes(GOOD[:size], {})
    with pytest.raises(FileFormatError):
        from_bytes(GOOD + b"\0", {})


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_refused(noise):
    for data in (noise, GOOD[:8] + noise, put_together(noise, b"")):
        with pytest.raises(FileFormatError):
            from_bytes(data, {})


def change(path, value):
    """A header with one entry changed; ``...`` deletes it."""
    header, arrays = taken_apart()
    at = header
    *way, last = path
    for step in way:
        at = at[step]
    if value is ...:
        del at[last]
    else:
        at[last] = value(at[last]) if callable(value) else value
    return put_together(header, arrays)


LAST = len(taken_apart()[0]["graph"]["nodes"]) - 1
HOSTILE = {
    "huge array": (["arrays", 0, "shape"], [1 << 40, 1 << 40]),
    "negative size": (["arrays", 0, "shape"], [-1, -20]),
    "boolean size": (["arrays", 0, "shape"], [True, 20]),
    "other shape": (["arrays", 0, "shape"], lambda s: s[::-1]),
    "hole": (["arrays", 1, "offset"], lambda o: o + 64),
    "overlap": (["arrays", 1, "offset"], 0),
    "other dtype": (["arrays", 0, "dtype"], "float64"),
    "object dtype": (["arrays", 0, "dtype"], "object"),
    "unknown kind": (["arrays", 0, "kind"], "code"),
    "renamed array": (["arrays", 0, "name"], "other"),
    "unknown op": (["graph", "nodes", 0, "op"], "System"),
    "abstract op": (["graph", "nodes", 0, "op"], "Op"),
    "dunder op": (["graph", "nodes", 0, "op"], "__class__"),
    "op of another kind": (["graph", "nodes", 0, "op"], "Identity"),
    "op is a list": (["graph", "nodes", 0, "op"], ["Dense"]),
    "missing setting": (["graph", "nodes", 0, "settings", "activation"], ...),
    "extra setting": (["graph", "nodes", 0, "settings"], lambda s: {**s, "run": "x"}),
    "setting of another type": (["graph", "nodes", 0, "settings", "activation"], 3),
    "axis as text": (["graph", "nodes", LAST, "settings", "axis"], "1"),
    "axis out of range": (["graph", "nodes", LAST, "settings", "axis"], 9),
    "axis too large": (["graph", "nodes", LAST, "settings", "axis"], 10**30),
    "axis as truth": (["graph", "nodes", LAST, "settings", "axis"], True),
    "unknown activation": (["graph", "nodes", 1, "settings", "function", "name"], "system"),
    "activation along an axis": (["graph", "nodes", 1, "settings", "function", "name"], "softmax"),
    "unknown parameter": (["graph", "nodes", 1, "settings", "function", "params"], {"shell": 1}),
    "parameter as text": (["graph", "nodes", 1, "settings", "function", "params", "threshold"], "0"),
    "no operands": (["graph", "nodes", 0, "inputs"], []),
    "too many operands": (["graph", "nodes", 1, "inputs"], lambda i: i * 3),
    "weight as data": (["graph", "nodes", 0, "inputs"], lambda i: [i[1], i[1]]),
    "data as weight": (["graph", "nodes", 0, "inputs"], lambda i: [i[0], i[0]]),
    "operand of the future": (["graph", "nodes", 0, "inputs", 0], "dense:dense"),
    "unknown operand": (["graph", "nodes", 0, "inputs", 0], "nothing"),
    "computed twice": (["graph", "nodes", 1, "output"], "x"),
    "no nodes": (["graph", "nodes"], []),
    "nodes as dict": (["graph", "nodes"], {}),
    "no outputs": (["graph", "outputs"], []),
    "weight as output": (["graph", "outputs"], lambda o: [taken_apart()[0]["arrays"][0]["name"]]),
    "unknown output": (["graph", "outputs"], ["nothing"]),
    "no inputs": (["graph", "inputs"], []),
    "input of another width": (["graph", "inputs", 0, "shape"], [None, 6]),
    "input without rows": (["graph", "inputs", 0, "shape"], [9, 5]),
    "input without axes": (["graph", "inputs", 0, "shape"], []),
    "input of another dtype": (["graph", "inputs", 0, "dtype"], "object"),
    "layer without result": (["graph", "layer_outputs", "dense"], "nothing"),
    "options of another engine": (["options", "engine"], "shell"),
    "options of another dtype": (["options", "dtype"], "float16"),
    "options dtype as list": (["options", "dtype"], []),
    "fold as number": (["options", "fold"], 1),
    "input names too many": (["options", "input_names"], ["a", "b"]),
    "output names too many": (["options", "output_names"], ["a", "b"]),
    "header without graph": (["graph"], ...),
    "header with more": (["more"], None),
}  # fmt: skip


def dicts(value):
    """All dicts in a header, its own one first."""
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from dicts(child)


def test_an_entry_too_many_or_too_few_is_refused_wherever_it_is():
    header, arrays = taken_apart()
    count = len(list(dicts(header)))
    assert count > 10
    for k in range(count):
        for taken in (False, True):
            changed = json.loads(json.dumps(header))
            found = list(dicts(changed))[k]
            if not taken:
                found["more"] = 1
            elif found and found is not changed["graph"]["layer_outputs"]:  # of which there may be any number
                found.popitem()
            else:
                continue
            with pytest.raises(FileFormatError):
                from_bytes(put_together(changed, arrays), {})


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_are_refused(name):
    path, value = HOSTILE[name]
    if path == ["more"]:
        header, arrays = taken_apart()
        data = put_together({**header, "more": 1}, arrays)
    else:
        data = change(path, value)
    with pytest.raises(FileFormatError):
        from_bytes(data, {})


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 100_000,
        b"9" * 10_000,
        b"{}",
        b"null",
        b'{"foldnet": NaN}',
        b"\xff\xfe",
        b"",
    ],
)  # fmt: skip
def test_hostile_json_is_refused(header):
    with pytest.raises(FileFormatError):
        from_bytes(put_together(header, b""), {})


def test_other_versions_and_lengths_are_named():
    header, arrays = taken_apart()
    for changes, words in (
        ({"magic": b"FOLDNET\x02"}, "format 2"),
        ({"magic": b"SOMETHIN"}, "does not begin with FOLDNET"),
        ({"header": 1 << 60}, "cut off or damaged"),
        ({"arrays": 1 << 63}, "cut off or damaged"),
        ({"zero": 1}, "cut off or damaged"),
    ):
        with pytest.raises(FileFormatError, match=words):
            from_bytes(put_together(header, arrays, changes), {})
    with pytest.raises(FileFormatError, match="after the last array"):
        from_bytes(put_together(header, arrays + bytes(64)), {})
    first = header["arrays"][1]["offset"] - 1
    with pytest.raises(FileFormatError, match="between"):
        from_bytes(put_together(header, arrays[:first] + b"x" + arrays[first + 1 :]), {})


@pytest.mark.parametrize("shape", [[-1], [-1, 20], [5, -4, -1], [-20, -1], [1] * 17])
def test_a_shape_that_none_can_have_is_named(shape):
    """Some of these have as many elements as there are."""
    with pytest.raises(FileFormatError, match=re.escape(f"has shape {tuple(shape)}")):
        from_bytes(change(["arrays", 0, "shape"], shape), {})


def test_sizes_that_do_not_add_up_are_said():
    with pytest.raises(
        FileFormatError, match=rf"the file has {len(GOOD) - 3} bytes, but its header says {len(GOOD)}:"
    ):
        from_bytes(GOOD[:-3], {})


def test_an_array_of_no_elements_travels():
    b = GraphBuilder()
    x = b.emit(
        Affine(), b.input("x", (None, 0)), b.constant("scale", np.zeros(0)), b.constant("o", np.zeros(0))
    )
    graph, _ = from_bytes(to_bytes(b.build([x]), PREDICT.options), {})
    assert graph.constants["scale"].shape == (0,)


def test_a_changed_weight_with_a_right_checksum_is_only_another_network():
    header, arrays = taken_apart()
    graph, _ = from_bytes(put_together(header, b"\1" * 4 + arrays[4:]), {})
    assert not np.array_equal(ReferenceProgram(graph).run([ROWS])[0], PREDICT(ROWS))


def test_one_program_may_hold_all_operations():
    graph = joined(case.graph(dtype="float32") for case in PREDICTING.values())
    assert {type(n.op).__name__ for n in graph.nodes} == {
        op for op, cls in every_op().items() if cls.predicts
    }
    options = Options("reference", "float32", False, graph.inputs, None)
    again, _ = from_bytes(to_bytes(graph, options), {})
    assert (again.nodes, again.types, again.outputs) == (graph.nodes, graph.types, graph.outputs)


def test_running_sums_of_an_older_file_are_not_reversed():
    graph = PREDICTING["CumulativeSum-3x4-1"].graph(dtype="float32")
    data = to_bytes(graph, Options("reference", "float32", False, graph.inputs, None))
    header, arrays = taken_apart(data)
    del header["graph"]["nodes"][0]["settings"]["reverse"]  # which operations did not have at first
    again, _ = from_bytes(put_together(header, arrays), {})
    assert again.nodes == graph.nodes


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_one_change_of_the_header_is_refused_or_harmless(data):
    """With a right checksum: an error of ours, or a program that runs."""
    header, arrays = taken_apart()
    at, steps = header, []
    while isinstance(at, dict | list) and at and (not steps or data.draw(st.integers(0, 4))):
        step = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        steps.append((at, step))
        at = at[step]
    holder, step = steps[-1]
    numbers = [True, -1, 0, 1, 2, 3, 64, 2**31, 10**25, 0.5]
    value = data.draw(
        st.sampled_from([None, *numbers, "", "x", "float", "inf", [], [1], [None, 5], {}, {"a": 1}])
    )
    if holder[step] != value:
        holder[step] = value
    try:
        graph, options = from_bytes(put_together(header, arrays), {})
    except FoldnetError:
        return
    predict = foldnet.Predictor(graph, options)
    if predict.input_shapes == [(None, 5)]:
        predict(ROWS)


@pytest.mark.parametrize(
    "read", [foldnet.freeze, foldnet.models.load_model, foldnet.doctor], ids=lambda f: f.__name__
)
def test_what_reads_networks_says_that_it_is_frozen(tmp_path, read):
    PREDICT.save(tmp_path / "p")
    with pytest.raises(FileFormatError, match=r"frozen predictor.*load_predictor"):
        read(tmp_path / "p")
