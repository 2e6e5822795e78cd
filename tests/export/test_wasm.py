"""Networks in WebAssembly, run by node: the numbers of predict, with vectors and without, and the bits of ``to_c``."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, Sequential, layers
from foldnet.engines.reference import ReferenceProgram
from foldnet.export import to_c
from foldnet.export.wasm import to_wasm
from foldnet.operations.elementwise.functions import BINARY, FUNCTIONS
from foldnet.operations.elementwise.op import Binary, Unary
from tests.export.export_nets import NETWORKS, randomize, rows_for
from tests.export.test_c import build, csv, numbers, ready, run
from tests.export.test_c_texts import ODD, OTHERS
from tests.export.test_c_texts import network as of_texts
from tests.insight.insight_networks import fill
from tests.operations.op_cases import PREDICTING, data_of, joined
from tests.predictor.test_lengths import NETWORKS as OF_LENGTHS
from tests.predictor.test_lengths import data_for, given, lengths_of
from tests.support.node import NEEDS_NODE, answers, node

pytestmark = [NEEDS_NODE, pytest.mark.as_shipped]


def convolutional():
    """Pictures of any channels' order, windows, and a mean over positions."""
    return Sequential([
        Input((9, 8, 3)), layers.Conv2D(6, 3, padding="same", activation="relu"), layers.BatchNormalization(),
        layers.MaxPooling2D(2), layers.SeparableConv2D(5, 3, activation="gelu"), layers.GlobalAveragePooling2D(),
        layers.Dense(4, activation="softmax"),
    ])  # fmt: skip


def recurrent():
    """An LSTM in both directions, then a GRU."""
    return Sequential([
        Input((7, 3)), layers.Bidirectional(layers.LSTM(5, return_sequences=True)), layers.GRU(4), layers.Dense(2),
    ])  # fmt: skip


NETS = {**NETWORKS, "convolutional": randomize(convolutional()), "recurrent": randomize(recurrent())}


def close(found, truth):
    """Within 1e-6, of the largest value where there are values above 1."""
    assert found.shape == truth.shape
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-6 * max(1, np.abs(truth).max(initial=0)))


@pytest.mark.parametrize("name", NETS)
def test_numbers_of_predict(name, tmp_path):
    predict = foldnet.freeze(NETS[name], engine="native")
    module = to_wasm(predict, tmp_path, name="net")[0]
    data = rows_for(predict.graph, 7, seed=1)
    truth = predict.results(data if len(data) > 1 else data[0])
    lists = [x.tolist() for x in data]
    flat, nested, plain, plain_nested = answers(module, data, lists, simd=(True, False))
    for y, listed, other, other_listed, wanted in zip(flat, nested, plain, plain_nested, truth, strict=True):
        close(y, wanted)
        np.testing.assert_array_equal(y, other)
        np.testing.assert_array_equal(y, listed)
        np.testing.assert_array_equal(y, other_listed)


@pytest.mark.parametrize("name", ["wine", "convolutional", "recurrent", "lookups"])
def test_bits_of_to_c_without_fused_multiply_add(name, tmp_path):
    graph = ready(foldnet.freeze(NETS[name]).graph)
    to_c(graph, tmp_path / "c", name="net")
    build(tmp_path / "c", "-O1", "-ffp-contract=off", "main.c", output="predict")
    data = rows_for(graph, 40, seed=2)
    printed = numbers(run(["./predict"], tmp_path / "c", csv(data)).stdout).astype(np.float32)
    module = to_wasm(graph, tmp_path / "web", name="net")[0]
    for answer in answers(module, data, simd=(True, False)):
        found = np.hstack([y.reshape(len(y), -1) for y in answer])
        np.testing.assert_array_equal(found, printed)


SPECIAL = np.array([
    0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 0.5, -0.5, 2.0, -2.0, 3.0, -7.0, 2.5, -6.5, 1e-4, -1e-3, 1e-30,
    30.0, -30.0, 1e20, -1e20, 0.999, 16777217.0,
])  # fmt: skip


def elementwise_cases():
    """A case for each elementwise function, by the function's name."""
    found = {}
    for label, case in PREDICTING.items():
        if isinstance(case.op, Unary | Binary):
            found.setdefault(case.op.label, label)
    return found


def in_pairs(arrays):
    """Special values in the place of random ones, so that two operands have each pair of them."""
    pairs = np.stack(np.meshgrid(SPECIAL, SPECIAL), -1).reshape(-1, 2).astype(np.float32)
    return [np.resize(pairs[:, k % 2], array.shape) for k, array in enumerate(arrays)]


@pytest.fixture(scope="module")
def elementwise(tmp_path_factory):
    cases = elementwise_cases()
    assert set(cases) >= {*FUNCTIONS, *BINARY} - {"linear"}
    graph = joined(ready(PREDICTING[label].graph(dtype="float32")) for label in cases.values())
    return graph, cases, to_wasm(graph, tmp_path_factory.mktemp("elementwise"), name="net")[0]


@pytest.mark.parametrize("special", [False, True])
def test_every_elementwise_function(elementwise, special):
    graph, cases, module = elementwise
    data = data_of(cases.values(), 50, seed=3)
    if special:
        data = [x for label in cases.values() for x in in_pairs(PREDICTING[label].data(50, 0))]
    truth = ReferenceProgram(graph, "float64").run(data)
    simd, plain = answers(module, data, simd=(True, False))
    for name, found, other, exact in zip(cases, simd, plain, truth, strict=True):
        np.testing.assert_array_equal(found, other, err_msg=name)
        with np.errstate(over="ignore"):
            wanted = exact.astype(np.float32)
        np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=1e-6, err_msg=name)


def test_integers_of_an_input_and_faults(tmp_path):
    predict = foldnet.freeze(NETWORKS["lookups"])
    module = to_wasm(predict, tmp_path, name="net")[0]
    size = [[0.5, 1.0, -1.0]]
    said = errors(module, [
        {"city": [[0, 7]], "size": size}, {"city": [[0, -1]], "size": size},
        {"city": [[0, 0.5]], "size": size}, {"city": [[0, 3e9]], "size": size},
        {"city": [[0, None]], "size": size}, {"city": [["1", 2]], "size": size},
        {"city": [[0, 1]] * 3 + [[9, 9]], "size": size * 4}, {"city": [[0, 1]], "size": size * 2},
    ])  # fmt: skip
    row = "row 0 has no prediction: an index outside its table"
    assert [text.split(";")[0] for text in said] == [
        f"{row} (table)", f"{row} (table)", 'input "city" has 0.5 at [0][1], which is no whole number of 32 bits',
        'input "city" has 3000000000 at [0][1], which is no whole number of 32 bits',
        'input "city" has null at [0][1], which is no whole number of 32 bits',
        'input "city" has "1" at [0][0], which is no whole number of 32 bits',
        "row 3 has no prediction: an index outside its table (table)", "the inputs have 1 and 2 rows",
    ]  # fmt: skip


ERRORS = """
import { readFileSync } from "node:fs";
const { url, given } = JSON.parse(readFileSync(0));
const { load } = await import(url);
const predict = await load();
const said = (x) => {
  try {
    return `no error: ${JSON.stringify(predict(x))}`;
  } catch (error) {
    return error.message;
  }
};
console.log(JSON.stringify(given.map(said)));
"""


def errors(module, given):
    """What a module says of each of these."""
    return json.loads(node(ERRORS, json.dumps({"url": module.as_uri(), "given": given})))


def test_bad_data_is_named(tmp_path):
    x = Input((2, 3), name="x")
    predict = foldnet.freeze(fill(Model(x, layers.Dense(2)(x))))
    module = to_wasm(predict, tmp_path, name="net")[0]
    row = [[1, 2, 3], [4, 5, 6]]
    wanted = "; expected floats of shape (rows, 2, 3)"
    cases = [
        (5, f'input "x" is 5{wanted}'), (None, f'input "x" is null{wanted}'), ("a", f'input "x" is "a"{wanted}'),
        (row, f'input "x" has 3 values at [0], and not 2{wanted}'),
        ([row, row[:1]], f'input "x" has 1 values at [1], and not 2{wanted}'),
        ([row, [[1, 2, 3], [4, 5]]], f'input "x" has 2 values at [1][1], and not 3{wanted}'),
        ([row, [[1, 2, 3], 4]], f'input "x" has 4 at [1][1], which is no list{wanted}'),
        ([[[1, 2, 3], [4, 5, "6"]]], f'input "x" has "6" at [0][1][2], which is no number{wanted}'),
        ([[[1, 2, 3], [4, 5, [6]]]], f'input "x" has a list at [0][1][2], which is no number{wanted}'),
        ([[[1, 2, 3], [4, True, 6]]], f'input "x" has true at [0][1][1], which is no number{wanted}'),
        ({"y": [row]}, 'the inputs are "x", and it was given "y"'),
        ({"x": [row], "y": [row]}, 'the inputs are "x", and it was given "x", "y"'),
        ({}, 'the inputs are "x", and it was given none'),
    ]  # fmt: skip
    assert errors(module, [x for x, _ in cases]) == [text for _, text in cases]
    for holes, place in (
        ("[[[1, 2, 3], [4, , 6]]]", "[0][1][1], which is no number"),
        ("[[, [4, 5, 6]]]", "[0][0], which is no list"),
    ):
        script = f'import {{ load }} from "{module.as_uri()}"; const predict = await load();'
        said = node(f"{script} try {{ predict({holes}); }} catch (e) {{ console.log(e.message); }}")
        assert said.strip() == f'input "x" has undefined at {place}{wanted}'


def test_tables_that_want_to_do_harm(tmp_path):
    """Quotes in an endless cell take no more time than other signs; columns of one name are not guessed."""
    predict = foldnet.freeze(fill(foldnet.Sequential([Input((2,)), layers.Dense(1)])))
    to_wasm(predict, tmp_path, name="net", feature_names=["a", "b"])
    script = f'import {{ rowsOf, csvOf }} from "{(tmp_path / "table.js").as_uri()}"; const out = [];'
    columns = '[{ name: "a" }, { name: "b" }]'
    texts = """["a,b,a\\n1,2,3", "a,b\\n" + 'x"'.repeat(2e5),
      "a,b\\n" + " ".repeat(2e5) + '"" '.repeat(2e5) + "1,2"]"""
    read = f"try {{ out.push(rowsOf(text, {columns}).values); }} catch (e) {{ out.push(e.message); }}"
    script += f"for (const text of {texts}) {read}"
    began = time.perf_counter()
    found = json.loads(node(script + 'out.push(csvOf([["c\\rd", 1]])); console.log(JSON.stringify(out));'))
    assert time.perf_counter() - began < 10
    assert found[0] == 'the table has several columns with the name "a"'
    assert found[1] == "row 1 has 1 values, and there are 2 columns"
    assert found[2] == [[1, 2]]
    assert found[3] == '"c\rd",1\r\n'


FORMS = r"""
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
const { url, x } = JSON.parse(readFileSync(0));
const { load } = await import(url);
const predict = await load();
const flat = Float32Array.from(x.flat());
const same = (a, b) => {
  if (JSON.stringify(a) !== JSON.stringify(b)) throw new Error(JSON.stringify([a, b]));
};
const y = predict(x);
same(predict({ [predict.inputs[0].name]: x }), y);
same(predict(x.map((row) => Float32Array.from(row))), y);
const tensor = { data: flat, shape: [3, 11] };
for (const z of [predict(flat), predict(flat, 3), predict(Float64Array.from(flat)), predict(tensor)]) {
  same([...z.data], y.flat());
  same(z.shape, [3, 1]);
}
same(predict([]), []);
same(predict(new Float32Array(0)).shape, [0, 1]);
const shapes = [[11, 3], [33], [3, 11.5], [-3, -11], [3, 11, 1], [2, 11]];
const bad = [
  [flat, 2], [flat.subarray(1)], [new BigInt64Array(11)], [new DataView(new ArrayBuffer(44))],
  ...shapes.map((shape) => [{ data: flat, shape }]),
];
for (const given of bad) {
  let said = "";
  try {
    predict(...given);
  } catch (error) {
    said = error.message;
  }
  if (!/^(input "\w+" |the inputs are)/.test(said)) throw new Error(`${said} of ${given}`);
}
same(predict(x), y);
const code = `
  import { parentPort } from "node:worker_threads";
  import { load } from ${JSON.stringify(url)};
  parentPort.postMessage((await load())(${JSON.stringify(x)}));`;
const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
same(await new Promise((done, fail) => worker.on("message", done).on("error", fail)), y);
const bytes = readFileSync(new URL(url.replace(".js", ".wasm")));
same((await load({ wasm: bytes }))(x), y);
same((await load({ wasm: await WebAssembly.compile(bytes) }))(x), y);
console.log(JSON.stringify(y));
"""
"""The same rows in each form that is allowed, bad ones, a worker, and a module that the caller has loaded."""


def test_forms_of_data_that_are_alike(tmp_path):
    predict = foldnet.freeze(NETWORKS["wine"])
    module = to_wasm(predict, tmp_path, name="net")[0]
    x = rows_for(predict.graph, 3, seed=4)[0]
    found = np.array(json.loads(node(FORMS, json.dumps({"url": module.as_uri(), "x": x.tolist()}))))
    close(found, predict(x))


def test_a_row_has_the_same_bits_in_any_block(tmp_path):
    """More rows than one call of the module takes: 4 MB have 87,381 of these."""
    network = Sequential([Input((11,)), layers.Dense(1)])
    predict = foldnet.freeze(fill(network))
    x = np.random.default_rng(5).normal(size=(200_001, 11)).astype(np.float32)
    module = to_wasm(predict, tmp_path, name="net")[0]
    places = [0, 87_380, 87_381, 87_382, 174_763, 200_000]
    (whole,), *alone = answers(module, [x], *([x[k : k + 1]] for k in places))
    close(whole, predict(x))
    np.testing.assert_array_equal(whole[places], np.concatenate([y for (y,) in alone]))


def test_texts(tmp_path):
    predict = foldnet.freeze(of_texts())
    module = to_wasm(predict, tmp_path, name="net")[0]
    texts = [*ODD, *OTHERS]
    pairs = [[a, b] for a, b in zip(texts, texts[::-1], strict=True)]
    x = np.random.default_rng(6).normal(size=(len(texts), 3)).astype(np.float32)
    call = [pairs, x.tolist(), texts]
    (found,), (again,), (plain,), _ = answers(module, call, call, simd=(True, False))
    close(found, predict([pairs, x, texts]))
    np.testing.assert_array_equal(found, again)  # what the first call left in memory is still right
    np.testing.assert_array_equal(found, plain)
    number = [[1, 2, 3]]
    said = errors(
        module, [[[["a", 5]], number, ["b"]], [[["a", "b"]], number, [["b"]]], [[["a"]], number, ["b"]]]
    )
    assert said[0].startswith('input "words" has 5 at [0][1], which is no text; expected texts')
    assert said[1].startswith('input "words 2" has a list at [0], which is no text')
    assert said[2].startswith('input "words" has 1 values at [0], and not 2')
    broken = "predict([[['\\ud800', 'b']], [[1, 2, 3]], ['c']])"
    script = f"const {{ load }} = await import({module.as_uri()!r}); const predict = await load();"
    assert "is no text" in node(f"{script} try {{ {broken} }} catch (e) {{ console.log(e.message) }}")


@pytest.mark.parametrize("name", ["causal", "image", "joined", "resized", "tokens"])
def test_axes_of_any_length(name, tmp_path):
    predict = foldnet.freeze(fill(OF_LENGTHS[name]()), engine="native")
    module = to_wasm(predict, tmp_path, name="net")[0]
    count = len(lengths_of(predict))
    several = [data_for(predict, [n + 3 * k for k in range(count)]) for n in (9, 6, 20)]
    calls = [form for data in several for form in (data, [x.tolist() for x in data])]
    found = answers(module, *calls)
    for data, flat, nested in zip(several, found[::2], found[1::2], strict=True):
        for y, listed, wanted in zip(flat, nested, predict.results(given(data)), strict=True):
            close(y, wanted)
            np.testing.assert_array_equal(y, listed)


def test_lengths_that_do_not_fit(tmp_path):
    predict = foldnet.freeze(fill(OF_LENGTHS["valid"]()))
    module = to_wasm(predict, tmp_path, name="net")[0]
    size = predict.input_shapes[0][-1]
    short, ragged = [[[0.0] * size] * 2], [[[0.0] * size] * 9, [[0.0] * size] * 8]
    said = errors(module, [short, ragged, []])
    assert said[0] == "the network cannot take rows of the lengths 2"
    assert "has 8 values at [1], and not 9" in said[1]
    assert said[2] == "no error: []"


def test_lengths_that_must_be_equal(tmp_path):
    predict = foldnet.freeze(fill(OF_LENGTHS["added"]()))
    module = to_wasm(predict, tmp_path, name="net")[0]
    a, b = (x.tolist() for x in data_for(predict, [6, 7]))
    (said,) = errors(module, [[a, b]])
    assert re.search(r'input "\w+" has length 7 where another has 6, and they must be equal', said)


def test_results_by_name(tmp_path):
    x = Input((3,), name="x")
    outputs = {"a": layers.Dense(2, name="a")(x), "b": layers.Dense(1, name="b")(x)}
    predict = foldnet.freeze(fill(Model(x, outputs)))
    files = to_wasm(predict, tmp_path, name="net")
    script = f"const {{ load }} = await import({files[0].as_uri()!r});"
    found = json.loads(node(f"{script} console.log(JSON.stringify((await load())([[1, 2, 3]])))"))
    wanted = predict(np.array([[1, 2, 3]], np.float32))
    assert set(found) == set(wanted) == {"a", "b"}
    for key, y in wanted.items():
        close(np.array(found[key]), y)
    assert re.search(r'Result = { "a": number\[\]\[\]; "b": number\[\]\[\] }', files[1].read_text())
