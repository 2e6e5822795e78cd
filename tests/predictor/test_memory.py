"""What a predictor says that it needs in memory is what its compiled code asks for."""

import ctypes
import tracemalloc

import numpy as np
import pytest

import foldnet
from foldnet import layers
from foldnet.engines.native import cache
from foldnet.engines.native.compiler import machine
from foldnet.engines.native.prediction.program import OPTIONS
from foldnet.engines.native.prediction.source import emit
from foldnet.errors import InputError
from foldnet.network import Model
from foldnet.sequential import Sequential
from tests.predictor.test_predictor import fill, small

COUNTED = """
static int64_t asked;
FOLDNET_EXPORT int64_t foldnet_asked(void) { return asked; }
static void *counted(size_t bytes) { asked = (int64_t)bytes; return malloc(bytes); }
#define malloc counted
"""


def asked_for(predict, x):
    """The bytes that the code asks of the system for a call, the room to align them apart."""
    _, program = predict._program_for([x])
    code = emit(program.code.graph, simd=machine().simd).code
    end_of_exports = code.index("#endif", code.index("FOLDNET_EXPORT")) + len("#endif\n")
    code = code[:end_of_exports] + COUNTED + code[end_of_exports:]
    code = code.replace("#define SMALL 1", "#define SMALL 0")  # it is on the stack otherwise
    run = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2, ctypes.c_void_p)(
        cache.load(code, "foldnet_run", *OPTIONS)
    )
    y = predict(x)
    sources, targets = (ctypes.c_void_p * 1)(x.ctypes.data), (ctypes.c_void_p * 1)(y.ctypes.data)
    lengths = None if program.lengths is None else program.lengths.ctypes.data
    assert run(sources, targets, program.weights.ctypes.data, len(x), 1, lengths) == 0
    return ctypes.CFUNCTYPE(ctypes.c_int64)(cache.load(code, "foldnet_asked", *OPTIONS))() - 128


def test_the_workspace_is_what_the_code_asks_for():
    wide = fill(Sequential([layers.Input((64,)), layers.Dense(2000, "relu"), layers.Dense(3)]))
    for network in (small(), wide):
        predict = foldnet.freeze(network, engine="native")
        x = np.ones((100, network.inputs[0].shape[1]), np.float32)
        memory = predict.memory()
        assert memory.workspace == asked_for(predict, x)
        assert memory.weights == predict._program_for([x])[1].weights.nbytes
        assert memory.row == x[0].nbytes + predict(x)[0].nbytes
    assert memory.workspace > 100_000 > foldnet.freeze(small()).memory().workspace


def test_the_workspace_for_the_lengths_of_free_axes():
    network = fill(
        Sequential([layers.Input((None, 3)), layers.Conv1D(4, 2), layers.ReLU(), layers.Conv1D(2, 3)])
    )
    predict = foldnet.freeze(network, engine="native")
    found = []
    for length in (10, 500):
        x = np.ones((5, length, 3), np.float32)
        memory = predict.memory(x)
        assert memory.workspace == asked_for(predict, x)
        assert memory.row == 4 * (3 * length + 2 * (length - 3))
        found.append(memory.workspace)
    assert found[1] > 20 * found[0]
    with pytest.raises(InputError, match="pass rows of the lengths"):
        predict.memory()


def test_on_the_reference_engine():
    memory = foldnet.freeze(small(), engine="reference", dtype="float64").memory()
    assert memory.workspace is None
    assert memory.row == 8 * 12
    count = sum(a.size for a in foldnet.freeze(small()).graph.constants.values())
    assert memory.weights == 8 * count
    assert str(memory) == f"{8 * count:,} bytes of weights, 96 for the input and result of each row"
    assert "to work in for each thread, 48 for" in str(foldnet.freeze(small(), engine="native").memory())


@pytest.mark.parametrize("form", ["array", "slice of rows", "read-only", "memory map", "indices"])
def test_rows_that_fit_are_not_copied(form, tmp_path):
    """A call takes memory for its result alone."""
    if form == "indices":
        x = layers.Input((11,), dtype="int32")
        predict = foldnet.freeze(fill(Model(x, layers.Flatten()(layers.Embedding(5, 1)(x)))), engine="native")
        data = np.ones((300_000, 11), np.int32)
    else:
        predict = foldnet.freeze(small(), engine="native")
        data = np.random.default_rng(0).normal(size=(300_000, 11)).astype(np.float32)
    if form == "slice of rows":
        data = data[1000:]
    elif form == "read-only":
        data.flags.writeable = False
    elif form == "memory map":
        np.save(tmp_path / "x.npy", data)
        data = np.load(tmp_path / "x.npy", mmap_mode="r")[1000:]
    y = predict(data)
    tracemalloc.start()
    predict(data)
    peak = tracemalloc.get_traced_memory()[1]
    predict(data, out=y)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    predict(data, out=y)
    into = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert y.nbytes <= peak < y.nbytes + 20_000
    assert into < 20_000
