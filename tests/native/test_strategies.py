"""How several rows are computed: each way gives the bits of rows that are computed alone, whatever the threads."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import foldnet
from foldnet import Sequential, layers
from foldnet.engines.native import NativeProgram
from foldnet.engines.native.prediction import source, steps, strategies
from foldnet.engines.native.prediction.source import emit
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.op import Elementwise
from foldnet.operations.elementwise.op import Unary
from foldnet.operations.matrix.op import Dense
from tests.native.networks import RELU
from tests.operations.op_cases import GRAPHS, SIDE_BY_SIDE, data_of, joined, same_bits

GROUPS = [SIDE_BY_SIDE[k::8] for k in range(8)]
A_DENSE = "Dense-9-130"


@pytest.fixture
def small(monkeypatch):
    """Blocks of few rows, and threads for the least work."""
    monkeypatch.setattr(strategies, "CACHED_ROWS", 24)
    monkeypatch.setattr(source, "SHARE_COST", 1)


@pytest.fixture
def shared(small, monkeypatch):
    """Threads share each block's steps, all of which have as many parts as there may be."""
    monkeypatch.setattr(source, "TEAM_COST", 1)
    monkeypatch.setattr(source, "APART", 1000)
    monkeypatch.setattr(source, "SHARED_FROM", 1)
    monkeypatch.setattr(steps, "PART_COST", 1)


def dense_network(sizes, activation, seed=0):
    rng, b = np.random.default_rng(seed), GraphBuilder()
    value, function = b.input("x", (None, sizes[0])), RELU if activation == "relu" else None
    for k, (i, o) in enumerate(pairwise(sizes)):
        kernel = b.constant(f"kernel{k}", rng.normal(size=(i, o)) / np.sqrt(i))
        value = b.emit(Dense(activation=function), value, kernel, b.constant(f"bias{k}", rng.normal(size=o)))
        if activation == "tanh":
            value = b.emit(Unary(Elementwise("tanh")), value)
    return b.build([value])


def run(program, inputs):
    """Results in memory that had other numbers: what is left out would be seen."""
    results = [np.full_like(y, -77) for y in program.run(inputs)]
    program.run_into(inputs, results)
    return results


def rows_alone(program, x):
    return np.concatenate([program.run([x[k : k + 1]])[0] for k in range(len(x))])


@pytest.mark.parametrize("threads", ["apart", "shared"])
@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_rows_in_memory_have_the_bits_of_rows_alone(group, threads, request):
    labels = list(dict.fromkeys([*GROUPS[group], A_DENSE]))
    graph, data = joined(GRAPHS[n] for n in labels), data_of(labels, 50)
    alone = NativeProgram(graph, threads=1, strategy="alone").run(data)
    request.getfixturevalue("small" if threads == "apart" else "shared")
    assert "#define ROWS 24\n" in emit(graph, strategy="rows").code
    for members in (1, 2, 3):
        program = NativeProgram(graph, threads=members, strategy="rows")
        for rows in (2, 7, 24, 25, 50):
            found = run(program, [x[:rows] for x in data])
            for label, a, b in zip(graph.outputs, found, alone, strict=True):
                assert same_bits(a, b[:rows]), (labels[int(label.split("/")[0])], rows, members)


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 140), min_size=2, max_size=4),
    rows=st.integers(1, 60),
    threads=st.integers(1, 3),
    activation=st.sampled_from([None, "relu", "tanh"]),
    data=st.data(),
)
def test_dense_networks_have_the_same_bits_in_every_strategy(sizes, rows, threads, activation, data):
    graph = dense_network(sizes, activation)
    x = np.random.default_rng(1).normal(size=(rows, sizes[0])).astype(np.float32)
    special = data.draw(st.sampled_from([1.0, np.nan, np.inf, -np.inf, 1e38]))
    with np.errstate(over="ignore"):
        x[rows // 2] *= np.float32(special)
    expected = rows_alone(NativeProgram(graph, threads=1), x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategies, "CACHED_ROWS", 12)
        patch.setattr(source, "SHARE_COST", 1)
        patch.setattr(source, "SHARED_FROM", 1)
        patch.setattr(source, "TEAM_COST", data.draw(st.sampled_from([1, 10**9])))
        for strategy in ("lanes", "rows", "alone"):
            found = run(NativeProgram(graph, threads=threads, strategy=strategy), [x])[0]
            np.testing.assert_array_equal(found, expected, strict=True, err_msg=strategy)


@pytest.mark.parametrize("rows", [95, 96, 97, 191, 192, 193, 194, 385])
def test_every_boundary_of_the_real_blocks(rows):
    sizes = (600, 300, 70, 5)
    graph = dense_network(sizes, "relu")
    assert "#define ROWS 192\n" in emit(graph).code
    x = np.random.default_rng(2).normal(size=(rows, sizes[0])).astype(np.float32)
    expected = rows_alone(NativeProgram(graph, threads=1), x)
    for threads in (1, 2, 3):
        np.testing.assert_array_equal(run(NativeProgram(graph, threads=threads), [x])[0], expected)


@pytest.mark.parametrize("rows", [2, 30, 50])
def test_values_of_one_row_lie_apart_from_those_of_others(rows):
    """Each is computed where one of another size was, and is needed when all rows have theirs."""
    stack = [
        layers.Input((64,)), layers.Reshape((64, 1)), layers.AveragePooling1D(4),
        layers.AveragePooling1D(3, strides=1, padding="same"), layers.UpSampling1D(4), layers.MaxPooling1D(2),
        layers.Flatten(), layers.Dense(70),
    ]  # fmt: skip
    graph = foldnet.freeze(Sequential(stack), engine="reference").graph
    x = np.random.default_rng(4).normal(size=(rows, 64)).astype(np.float32)
    expected = rows_alone(NativeProgram(graph, threads=1), x)
    assert "#define ROWS 1\n" not in emit(graph, strategy="rows").code
    for strategy in ("rows", "lanes"):
        np.testing.assert_array_equal(run(NativeProgram(graph, strategy=strategy), [x])[0], expected)


def strategy_of(sizes):
    code = emit(dense_network(sizes, "relu"), simd=16).code
    lanes, rows = (int(code.split(f"#define {name} ")[1].split()[0]) for name in ("LANES", "ROWS"))
    return "lanes" if lanes > 1 else "rows" if rows > 1 else "alone"


@pytest.mark.parametrize(
    ("sizes", "strategy"),
    [
        ((11, 10, 8, 6, 1), "lanes"),
        ((4, 4, 3), "lanes"),
        ((4, 24, 24, 1), "lanes"),
        ((64, 128, 128, 10), "rows"),
        ((784, 512, 512, 10), "rows"),
        ((2048, 4096, 1000), "rows"),
        ((4, 4, 4, 64), "rows"),
        ((200, 16, 16, 1), "rows"),
    ],
)
def test_the_cheaper_strategy_is_chosen(sizes, strategy):
    assert strategy_of(sizes) == strategy


def test_workspaces_stay_for_the_next_calls_and_nobody_shares_one():
    """Threads of the caller predict at once, more of them than workspaces are kept."""
    graph = dense_network((200, 200, 200, 3), "relu")
    code = emit(graph).code
    assert "#define KEPT 8\n" in code
    assert "#define SMALL 0\n" in code
    program = NativeProgram(graph, threads=1)
    batches = [np.random.default_rng(k).normal(size=(40 + k, 200)).astype(np.float32) for k in range(12)]
    expected = [program.run([x])[0] for x in batches]
    with ThreadPoolExecutor(12) as pool:
        for _ in range(10):
            found = pool.map(lambda x: program.run([x])[0], batches)
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_array_equal(a, b)


def test_rows_that_are_too_long_to_lie_together_go_alone(monkeypatch):
    monkeypatch.setattr(strategies, "ROWS_BYTES", 4000)
    monkeypatch.setattr(strategies, "BLOCK_BYTES", 4000)
    assert strategy_of((30, 400, 400, 3)) == "alone"


def test_a_public_prediction_is_the_same_in_any_batch():
    model = Sequential([layers.Input((40,)), layers.Dense(100, "gelu"), layers.Dense(33, "softmax")])
    predict = foldnet.freeze(model, engine="native")
    x = np.random.default_rng(3).normal(size=(500, 40)).astype(np.float32)
    whole = predict(x)
    for low, high in pairwise((0, 1, 3, 4, 10, 203, 396, 500)):
        np.testing.assert_array_equal(predict(x[low:high]), whole[low:high])
