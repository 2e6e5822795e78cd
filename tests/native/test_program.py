"""A compiled program as a whole: batches, threads, memory, faults, and what is never compiled again."""

import os
import resource
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldnet.engines.native import NativeProgram, cache
from foldnet.engines.native.prediction.program import default_threads
from foldnet.errors import InputError
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.op import INT, Elementwise
from foldnet.operations.affine.op import Affine
from foldnet.operations.elementwise.op import Unary
from foldnet.operations.structure.op import Cast, Gather, Identity, Reshape
from foldnet.system import linux
from tests.native.networks import graph_of, random_inputs, table_network
from tests.operations.op_cases import GRAPHS, joined

pytestmark = pytest.mark.as_shipped

MILLION = 1_000_000


@pytest.fixture(scope="module")
def program():
    return NativeProgram(table_network())


@pytest.fixture(scope="module")
def million(program):
    x = np.random.default_rng(1).normal(size=(MILLION, 11)).astype(np.float32)
    return x, program.run([x])[0]


def test_a_row_gives_the_same_bits_at_every_batch_size_and_position(program, million):
    x, y = million
    for rows in (1, 2, 7, 16, 1000):
        for start in (0, 3, 31, 500_000, MILLION - rows):
            (part,) = program.run([x[start : start + rows]])
            assert np.array_equal(part, y[start : start + rows]), (rows, start)


@settings(max_examples=30, deadline=None)
@given(start=st.integers(0, 5000), rows=st.integers(1, 300))
def test_any_slice_gives_the_same_bits(program, million, start, rows):
    x, y = million
    assert np.array_equal(program.run([x[start : start + rows]])[0], y[start : start + rows])


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_threads_change_no_bit(million, threads):
    x, y = million
    assert np.array_equal(NativeProgram(table_network(), threads=threads).run([x])[0], y)


def test_wide_layers_give_the_same_bits_alone_and_together():
    graph = table_network((300, 270, 70, 10), last="softmax")
    program = NativeProgram(graph)
    (x,) = random_inputs(graph, 1000)
    (y,) = program.run([x])
    for rows in (1, 2, 7, 16):
        for start in (0, 33, 1000 - rows):
            assert np.array_equal(program.run([x[start : start + rows]])[0], y[start : start + rows])


def test_a_million_rows_need_no_more_than_64_mib_beside_input_and_output(program, million):
    x, y = million
    out = np.zeros_like(y)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    program.run_into([x], [out])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
    assert np.array_equal(out, y)


def test_other_python_threads_run_meanwhile():
    program = NativeProgram(table_network((784, 512, 512, 10), last="softmax"), threads=1)
    x = np.ones((20_000, 784), np.float32)
    ticks, stop = [], threading.Event()

    def tick():
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    for _ in range(20):  # a busy machine may let the thread sleep through one call
        start = time.perf_counter()
        program.run([x])
        end = time.perf_counter()
        if sum(start < t < end for t in ticks) >= 5:
            break
    stop.set()
    thread.join()
    assert sum(start < t < end for t in ticks) >= 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_predicts_with_threads_of_its_own(million):
    x, y = million
    program = NativeProgram(table_network(), threads=2)
    program.run([x])
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(program.run([x])[0], y) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_new_weights_compile_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("FOLDNET_CACHE", str(tmp_path / "cache"))  # and not for what an earlier run left
    monkeypatch.setattr(cache, "_loaded", {})
    NativeProgram(table_network(seed=3))
    compiled = []
    monkeypatch.setattr(cache.cc, "compile_library", lambda *a: compiled.append(a))
    graph = table_network(seed=4)
    other = NativeProgram(replace(graph, nodes=tuple(replace(n, layer="another name") for n in graph.nodes)))
    (x,) = random_inputs(graph, 5)
    assert not compiled
    assert not np.array_equal(other.run([x])[0], NativeProgram(table_network(seed=3)).run([x])[0])


def test_indices_outside_the_table_are_named_by_row():
    program = NativeProgram(graph_of(Gather(), (2,), weights=(np.ones((5, 3)),), dtypes=[INT]), threads=2)
    x = np.zeros((100_000, 2), np.int32)
    assert program.run([x])[0].shape == (100_000, 2, 3)
    for row, wrong in [(70_001, 5), (40_123, -1), (12, 2**31 - 1), (0, -(2**31))]:
        x[row, 1] = wrong
        with pytest.raises(InputError, match=f"row {row}: .*'the_layer'.* between 0 and 4"):
            program.run([x])


def test_floats_that_are_no_index_are_named_by_row():
    program = NativeProgram(graph_of(Cast(INT), (2,)))
    x = np.float32([[1.9, -1.9], [2e9, -2147483648.0]])
    assert program.run([x])[0].tolist() == [[1, -1], [2_000_000_000, -(2**31)]]
    for wrong in (np.nan, np.inf, 2.0**31):
        with pytest.raises(InputError, match=r"row 1: layer 'the_layer'.*whole numbers"):
            program.run([np.float32([[1, 2], [0, wrong]])])


def test_lanes_beyond_the_last_row_are_nobodys_fault():
    b = GraphBuilder()
    x = b.input("x", (None, 2))
    one_less = b.emit(Affine(), x, b.constant("one", np.ones(2)), b.constant("less", -np.ones(2)))
    index = b.emit(Cast(INT), one_less)
    graph = b.build([b.emit(Gather(), index, b.constant("table", np.arange(8.0).reshape(4, 2)))])
    x = np.full((45, 2), 3, np.float32)  # a lane of zeros would look for row -1
    assert NativeProgram(graph).run([x])[0][44].tolist() == [[4, 5], [4, 5]]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((3, 10), np.float32), r"shape \(3, 10\), expected \(rows, 11"),
        (np.zeros(11, np.float32), "expected"),
        (np.zeros((2, 3, 11), np.float32), "expected"),
        (np.zeros((3, 11)), "dtype float64"),
        (np.zeros((3, 11), ">f4"), "dtype >f4"),
        (np.zeros((11, 3), np.float32).T, "C-contiguous"),
        (np.zeros((3, 22), np.float32)[:, ::2], "C-contiguous"),
    ],
)
def test_what_the_code_cannot_read_is_refused(program, x, message):
    with pytest.raises(InputError, match=message):
        program.run([x])


def test_wrong_numbers_of_arrays_and_outputs_are_refused(program):
    x = np.zeros((3, 11), np.float32)
    for outputs, message in [
        ([], "1 outputs"),
        ([np.zeros((2, 1), np.float32)], "2 rows"),
        ([x], "output 0"),
    ]:
        with pytest.raises(InputError, match=message):
            program.run_into([x], outputs)
    frozen = np.zeros((3, 1), np.float32)
    frozen.flags.writeable = False
    with pytest.raises(InputError, match="read-only"):
        program.run_into([x], [frozen])
    with pytest.raises(InputError, match="1 inputs"):
        program.run([x, x])


def test_no_rows_give_no_rows(program):
    assert program.run([np.zeros((0, 11), np.float32)])[0].shape == (0, 1)


def test_outputs_may_be_inputs_constants_and_each_other():
    b = GraphBuilder()
    x = b.input("x", (None, 2))
    unused = b.input("unused", (None, 3))
    y = b.emit(Unary(Elementwise("exponential")), b.emit(Identity(), x))
    graph = b.build([x, y, y, b.emit(Reshape((2, 1)), y)])
    assert unused in graph.inputs
    rows = np.float32([[0, 1], [2, 3]])
    for count in (1, 2, 90):
        data = np.tile(rows, (count, 1))
        got = NativeProgram(graph).run([data, np.zeros((len(data), 3), np.float32)])
        assert np.array_equal(got[0], data)
        assert np.array_equal(got[1], got[2])
        assert np.array_equal(got[1][..., np.newaxis], got[3])


def test_rows_too_long_for_a_block_go_one_by_one():
    graph = graph_of(Unary(Elementwise("tanh")), (400, 500))
    (x,) = random_inputs(graph, 9)
    assert np.allclose(NativeProgram(graph).run([x])[0], np.tanh(x), atol=1e-6)


def test_the_number_of_threads_is_the_users(monkeypatch):
    monkeypatch.setenv("FOLDNET_THREADS", "3")
    assert default_threads() == 3
    assert NativeProgram(table_network(), threads=1).threads == 1
    for wrong in ("0", "-1", "many", "1.5"):
        monkeypatch.setenv("FOLDNET_THREADS", wrong)
        with pytest.raises(InputError, match="FOLDNET_THREADS"):
            default_threads()


@pytest.mark.parametrize(
    ("said", "threads"),
    [
        ("max 100000", 8),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("900000 100000", 8),
        ("", 8),
        ("1 0", 8),
        (None, 8),
    ],
)
def test_threads_are_no_more_than_a_container_s_time_is_worth(said, threads, monkeypatch, tmp_path):
    """Threads beyond that would only use up the time of the others."""
    monkeypatch.delenv("FOLDNET_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(linux, "QUOTA", tmp_path / "cpu.max")
    if said is not None:
        (tmp_path / "cpu.max").write_text(said)
    assert default_threads() == threads


def test_small_loops_are_not_written_out(tmp_path, monkeypatch):
    """Machine code of a broadcasting operation stays small: compilers take their time by it."""
    monkeypatch.setenv("FOLDNET_CACHE", str(tmp_path / "cache"))
    names = ("Binary-add-weights", "Binary-add-spread", "Binary-subtract-weights", "Binary-subtract-spread")
    NativeProgram(joined(GRAPHS[n] for n in names))
    (entry,) = (tmp_path / "cache").iterdir()
    assert entry.stat().st_size < 32_000
