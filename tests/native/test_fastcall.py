"""FastCall: straight to the compiled code for what it can read, to ``_call`` for all else."""

import gc
import shutil
import sysconfig
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

import foldnet
from foldnet import Input, Sequential, layers
from foldnet.engines.native import NativeProgram
from foldnet.engines.native.prediction.program import NativeCode
from foldnet.graph.free_axes import with_lengths
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.op import INT
from foldnet.graph.sizes import long_lengths
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.structure.op import Cast, Gather
from foldnet.predictor import fastcall
from foldnet.predictor.fastcall import PythonFastCall, attach
from tests.insight.insight_networks import fill
from tests.native.networks import graph_of, random_inputs, table_network

BUILT = fastcall.FastCall is not PythonFastCall
# Where it can be built, its absence is a failure.
HEADER = Path(sysconfig.get_path("include"), "Python.h")
BUILDABLE = HEADER.exists() and any(map(shutil.which, ("cc", "gcc", "clang")))
needs_extension = pytest.mark.skipif(
    not BUILT and not BUILDABLE,
    reason="the optional extension module needs a C compiler and Python.h to be built",
)


class Quick(fastcall.FastCall):
    """Remembers the calls that were not served directly."""

    def __init__(self, graph):
        self.program = NativeProgram(graph)
        self.slow = []
        attach(self, self.program)

    def _call(self, *args, **kwargs):
        self.slow.append((args, kwargs))
        return "slow"


class Plain(PythonFastCall):
    def __init__(self, program):
        self.program = program
        attach(self, program)

    def _call(self, x):
        return self.program.run([x])[0]


GRAPH = table_network()


class Subclass(np.ndarray):
    pass


def test_without_the_extension_calls_give_the_same():
    program = NativeProgram(GRAPH)
    (x,) = random_inputs(GRAPH, 9)
    assert np.array_equal(Plain(program)(x), program.run([x])[0])


@needs_extension
@pytest.mark.parametrize("rows", [0, 1, 2, 7, 16, 1000, 100_000])
def test_what_the_code_reads_goes_straight_there(rows):
    quick = Quick(GRAPH)
    (x,) = random_inputs(GRAPH, rows)
    got = quick(x)
    assert not quick.slow
    assert got.dtype == np.float32
    assert got.flags.owndata
    assert np.array_equal(got, quick.program.run([x])[0])


@needs_extension
@pytest.mark.parametrize("rows", [0, 1, 2, 7, 1000])
def test_what_out_can_hold_goes_straight_there(rows):
    quick = Quick(GRAPH)
    (x,) = random_inputs(GRAPH, rows)
    y = np.full((rows, 1), 7, np.float32)
    assert quick(x, out=y) is y
    assert np.array_equal(y, quick.program.run([x])[0])
    assert np.array_equal(quick(x, out=None), y)
    assert not quick.slow


def read_only(array):
    array.flags.writeable = False
    return array


@needs_extension
@pytest.mark.parametrize(
    "out",
    [
        np.zeros((3, 1), np.float32), np.zeros((2, 2), np.float32), np.zeros(2, np.float32), np.zeros((2, 1)),
        np.zeros((2, 1), ">f4"), np.zeros((4, 1), np.float32)[::2], read_only(np.zeros((2, 1), np.float32)),
        np.zeros((2, 1), np.float32).view(Subclass), [[0.0], [0.0]], "x[:, :1]", "x[0, :2]", "x[1, 9:]",
    ],
    ids=str,
)  # fmt: skip
def test_any_other_out_goes_to_call(out):
    """An array of other rows, dtype or order, and one that shares its memory with what is read."""
    quick = Quick(GRAPH)
    (x,) = random_inputs(GRAPH, 2)
    out = {"x[:, :1]": x[:, :1], "x[0, :2]": x[0, :2].reshape(2, 1), "x[1, 9:]": x[1, 9:].reshape(2, 1)}.get(
        out if isinstance(out, str) else "", out
    )
    before = x.copy()
    assert (quick(x, out=out), quick(x, out=None, verbose=0)) == ("slow",) * 2
    assert quick.slow[0][1]["out"] is out
    assert np.array_equal(x, before)


def unaligned(rows):
    return np.zeros(rows * 44 + 1, np.uint8)[1:].view(np.float32).reshape(rows, 11)


@needs_extension
@pytest.mark.parametrize(
    "x",
    [
        np.zeros(11, np.float32), np.zeros((2, 10), np.float32), np.zeros((2, 12), np.float32),
        np.zeros((2, 11, 1), np.float32), np.zeros((2, 11)), np.zeros((2, 11), np.int32), np.zeros((2, 11), ">f4"),
        np.zeros((2, 11), np.float32, order="F"), np.zeros((4, 11), np.float32)[::2],
        np.zeros((2, 22), np.float32)[:, ::2],
        unaligned(3), np.zeros((2, 11), np.float32).view(Subclass), [[0.0] * 11], None, np.float32(1),
    ],
    ids=lambda x: f"{type(x).__name__}-{getattr(x, 'dtype', '')}-{getattr(x, 'shape', '')}",
)  # fmt: skip
def test_anything_else_goes_to_call(x):
    quick = Quick(GRAPH)
    assert quick(x) == "slow"
    assert quick.slow[0][0][0] is x


@needs_extension
def test_other_arguments_go_to_call():
    quick = Quick(GRAPH)
    (x,) = random_inputs(GRAPH, 2)
    assert (quick(), quick(x, x), quick(x=x), quick(x, verbose=0)) == ("slow",) * 4
    assert quick.slow[2] == ((), {"x": x})


@needs_extension
def test_faults_in_the_data_go_to_call_for_their_words():
    builder = GraphBuilder()
    index = builder.emit(Cast(INT), builder.input("x", (None, 2)))
    graph = builder.build([builder.emit(Gather(), index, builder.constant("table", np.ones((3, 4))))])
    quick = Quick(graph)
    assert quick(np.ones((5, 2), np.float32)).shape == (5, 2, 4)
    assert quick(np.full((5, 2), 3, np.float32)) == "slow"


@needs_extension
def test_networks_with_indices_or_several_inputs_are_not_attached():
    for graph in (
        graph_of(Gather(), (2,), weights=(np.ones((3, 4)),), dtypes=[INT]),
        graph_of(Binary(), (2,), (2,)),
    ):
        assert Quick(graph)(random_inputs(graph, 1)[0]) == "slow"


@needs_extension
def test_it_keeps_the_program_and_its_weights_alive_and_lets_them_go():
    quick = Quick(GRAPH)
    watch = weakref.ref(quick.program)
    del quick.program
    gc.collect()
    assert quick(random_inputs(GRAPH, 3)[0]).shape == (3, 1)
    del quick
    gc.collect()
    assert watch() is None


@needs_extension
def test_wrong_attachments_are_refused():
    quick = Quick(GRAPH)
    program = quick.program
    arguments = [program.address, program.weights, program, (11,), (1,), 1, 1, None]
    quick.attach(*arguments)
    for place, wrong in [
        (0, 0),
        (1, program.weights.astype(np.float64)),
        (3, [11]),
        (4, (1,) * 9),
        (3, (-1, "x")),
        (7, [5]),
        (7, np.array([5], np.int32)),
        (7, np.arange(6)[::2]),
    ]:
        with pytest.raises((ValueError, TypeError)):
            quick.attach(*arguments[:place], wrong, *arguments[place + 1 :])
    assert quick(random_inputs(GRAPH, 1)[0]).shape == (1, 1)


class Caller:
    """Calls a function when it is let go."""

    def __init__(self, call):
        self.call = call

    def __del__(self):
        self.call()


@needs_extension
def test_what_a_new_attachment_lets_go_may_call():
    """The call sees the new code with the new lengths."""
    network = Sequential([Input((None, 2)), layers.Conv1D(3, 2, padding="same")])
    code = NativeCode(
        with_lengths(foldnet.freeze(fill(network), engine="reference").graph, long_lengths(1)[0])
    )
    short, long = (NativeProgram.at_lengths(code, [n]) for n in (5, 9))
    quick, x, found = Quick(GRAPH), np.ones((4, 9, 2), np.float32), []

    def attached(program, owner):
        rows = *program.input_rows, *program.output_rows
        quick.attach(program.address, program.weights, owner, *rows, 1, 9, program.lengths)

    attached(short, Caller(lambda: found.append(quick(x))))
    attached(long, None)
    assert np.array_equal(found, long.run([x]))


@needs_extension
def test_many_threads_may_call_at_once():
    quick = Quick(GRAPH)
    (x,) = random_inputs(GRAPH, 20_000)
    expected = quick(x)
    results = [None] * 8

    def call(k):
        results[k] = quick(x)

    threads = [threading.Thread(target=call, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(r, expected) for r in results)
