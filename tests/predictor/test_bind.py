"""A bound call: the public call's bits and errors, in place, without allocation."""

import gc
import os
import subprocess
import sys
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

import foldnet
from foldnet import layers
from foldnet.engines.native.compiler import find
from foldnet.errors import InputError
from foldnet.network import Model
from foldnet.predictor import fastcall
from foldnet.predictor.fastcall import PythonBound
from foldnet.sequential import Sequential
from tests.predictor.test_predictor import fill, small, two_by_two

MODEL = small(3)
ENGINES = ("native", "reference")
BUILT = fastcall.Bound is not PythonBound


def rows(count, width=11, seed=0):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


@pytest.fixture(params=["native", "reference", "without the extension"])
def predict(request, monkeypatch):
    if request.param == "without the extension":
        monkeypatch.setattr("foldnet.predictor.bound.Bound", PythonBound)
    return foldnet.freeze(MODEL, engine="reference" if request.param == "reference" else "native")


@pytest.mark.parametrize("count", [0, 1, 7, 40, 3000])
def test_it_computes_from_what_is_in_x_now(predict, count):
    x, y = np.zeros((count, 11), np.float32), np.full((count, 1), 7, np.float32)
    bound = predict.bind(x, y)
    assert bound.outputs is y
    assert bound.inputs[0] is x
    assert (y == 7).all()  # binding computes nothing
    for seed in range(3):
        x[:] = rows(count, seed=seed)
        assert bound() is y
        np.testing.assert_array_equal(y, predict(x))
    assert f"{count} rows" in repr(bound)


def test_results_are_made_once_if_none_are_given(predict):
    x = rows(5)
    bound = predict.bind(x)
    x[2] = 0
    first = bound()
    assert first is bound.outputs
    np.testing.assert_array_equal(first, predict(x))
    assert bound() is first


def test_it_takes_no_arguments(predict):
    bound = predict.bind(rows(1))
    for arguments, named in (((rows(1),), {}), ((), {"x": 1})):
        with pytest.raises(TypeError, match="argument"):
            bound(*arguments, **named)


@pytest.mark.parametrize("engine", ENGINES)
def test_several_inputs_and_results(engine):
    a, b = rows(6, 3), rows(6, 2)
    for structure, x, y in (
        (list, [a, b], [np.zeros((6, 2), np.float32), np.zeros((6, 4), np.float32)]),
        (
            dict,
            {"left": a, "right": b},
            {"two": np.zeros((6, 4), np.float32), "one": np.zeros((6, 2), np.float32)},
        ),
    ):
        predict = foldnet.freeze(two_by_two(structure), engine=engine)
        got, made = predict.bind(x, y)(), predict.bind(x)()
        truth = predict(x)
        for key in (0, 1) if structure is list else ("one", "two"):
            assert got[key] is y[key]
            np.testing.assert_array_equal(got[key], truth[key])
            np.testing.assert_array_equal(made[key], truth[key])
        assert len(got) == 2
        for bad in (y if structure is dict else {}, y[:1] if structure is list else {"one": y["one"]}, a):
            if bad is not y:
                with pytest.raises(InputError, match="results"):
                    predict.bind(x, bad)


@pytest.mark.parametrize("engine", ENGINES)
def test_nested_structures(engine):
    a, b = layers.Input((3,), name="a"), layers.Input((2,), name="b")
    x, y = layers.Dense(2)(a), layers.Dense(4)(b)
    predict = foldnet.freeze(fill(Model({"in": [a, b]}, {"out": (x, {"deep": y})})), engine=engine)
    given = {"in": [rows(4, 3), rows(4, 2)]}
    target = {"out": (np.empty((4, 2), np.float32), {"deep": np.empty((4, 4), np.float32)})}
    bound = predict.bind(given, target)
    truth = predict(given)
    assert bound()["out"][1]["deep"] is target["out"][1]["deep"]
    np.testing.assert_array_equal(target["out"][0], truth["out"][0])
    np.testing.assert_array_equal(target["out"][1]["deep"], truth["out"][1]["deep"])
    with pytest.raises(InputError, match=r"nested as \{'out': \(\*, \{'deep': \*\}\)\}"):
        predict.bind(given, target["out"])


@pytest.mark.parametrize("engine", ENGINES)
def test_free_axes(engine):
    network = fill(Sequential([layers.Input((None, 3)), layers.Conv1D(2, 2, padding="same"), layers.ReLU()]))
    predict = foldnet.freeze(network, engine=engine)
    arrays = [np.random.default_rng(n).normal(size=(4, n, 3)).astype(np.float32) for n in range(2, 14)]
    bounds = [predict.bind(x, np.empty((4, x.shape[1], 2), np.float32)) for x in arrays]
    for x, bound in zip(arrays, bounds, strict=True):  # more lengths than programs are kept
        x += 1
        np.testing.assert_array_equal(bound(), predict(x))
    with pytest.raises(InputError, match=r"shape \(4, 5, 2\); expected \(4, 2, 2\)"):
        predict.bind(arrays[0], np.empty((4, 5, 2), np.float32))


@pytest.mark.parametrize("engine", ENGINES)
def test_indices_and_their_errors(engine):
    x = layers.Input((3,), dtype="int32", name="words")
    predict = foldnet.freeze(fill(Model(x, layers.Flatten()(layers.Embedding(5, 2)(x)))), engine=engine)
    data = np.array([[0, 4, 2], [3, 3, 1]], np.int32)
    bound = predict.bind(data, np.zeros((2, 6), np.float32))
    np.testing.assert_array_equal(bound(), predict(data))
    data[1, 1] = 5
    for call in (bound, lambda: predict(data)):
        with pytest.raises(InputError) as caught:
            call()
        assert str(caught.value).startswith("row 1: " if engine == "native" else "layer 'embedding")
    data[1, 1] = 0
    np.testing.assert_array_equal(bound(), predict(data))
    with pytest.raises(InputError, match="dtype int64; expected int32"):
        predict.bind(data.astype(np.int64))


def test_the_row_of_an_error_is_that_of_the_whole_data(monkeypatch):
    """Also where the data is converted block by block."""
    monkeypatch.setattr("foldnet.predictor.predictor._BLOCK_BYTES", 1000)
    x = layers.Input((3,), dtype="int32")
    predict = foldnet.freeze(Model(x, layers.Flatten()(layers.Embedding(5, 2)(x))), engine="native")
    data = np.zeros((200, 3), np.int64)
    data[150, 1] = 9
    with pytest.raises(InputError, match=r"^row 150: "):
        predict(data)


def test_texts_cannot_be_bound():
    texts = layers.Input((1,), dtype="string", name="colour")
    network = Model(texts, layers.StringLookup(vocabulary=["red", "blue"], output_mode="one_hot")(texts))
    with pytest.raises(InputError, match="'colour' takes texts"):
        foldnet.freeze(network, engine="reference").bind(np.array([["red"]]))


def test_what_cannot_be_used_in_place_is_refused(predict):
    x, y = rows(4), np.empty((4, 1), np.float32)
    fixed = y.copy()
    fixed.flags.writeable = False
    odd = np.empty(x.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(x.shape)
    for arguments, words in (
        ((x.tolist(), y), "input 'row' must be a NumPy array to be bound, not list"),
        ((x.astype(float), y), "input 'row' has dtype float64; expected float32"),
        ((x.astype(">f4"), y), "input 'row' has dtype >f4"),
        ((np.asfortranarray(x), y), "input 'row' must be C-contiguous"),
        ((odd, y), "aligned"),
        ((x[:, :10], y), "shape (4, 10); expected (rows, 11)"),
        ((np.ma.masked_greater(x, 0), y), "masked"),
        ((x, y.tolist()), "the result must be a NumPy array, not list"),
        ((x, y[:3]), "the result has shape (3, 1); expected (4, 1)"),
        ((x, y.astype(float)), "the result has dtype float64; expected float32"),
        ((x, np.empty((4, 2), np.float32)[:, :1]), "the result must be C-contiguous"),
        ((x, fixed), "the result is read-only"),
        ((x, x.reshape(-1)[:4].reshape(4, 1)), "the result and input 'row' share memory"),
    ):  # fmt: skip
        with pytest.raises(InputError) as caught:
            predict.bind(*arguments)
        assert words in str(caught.value)
        if arguments[0] is x:
            with pytest.raises(InputError) as caught:
                predict(x, out=arguments[1])
            assert words in str(caught.value)


def test_read_only_rows_and_memory_maps_are_read_where_they_are(predict, tmp_path):
    np.save(tmp_path / "x.npy", rows(30))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    y = np.lib.format.open_memmap(tmp_path / "y.npy", "w+", np.float32, (20, 1))
    predict.bind(x[5:25], y)()
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), predict(rows(30)[5:25]))
    assert predict(x[5:25], out=y) is y


def test_results_of_one_network_may_not_overlap():
    predict = foldnet.freeze(two_by_two(), engine="native")
    shared = np.empty(100, np.float32)
    y = [shared[:12].reshape(6, 2), shared[8:32].reshape(6, 4)]
    with pytest.raises(InputError, match="the result and the result share memory"):
        predict.bind([rows(6, 3), rows(6, 2)], y)


def test_arrays_that_change_are_seen(predict):
    x, y = rows(4), np.zeros((4, 1), np.float32)
    bound = predict.bind(x, y)
    bound()
    x.resize((400_000, 11), refcheck=False)  # to another place; NumPy asks nobody
    with pytest.raises(
        InputError, match=r"input 'row' had shape \(4, 11\) .* now has \(400000, 11\); bind again"
    ):
        bound()
    x.resize((4, 11), refcheck=False)
    x[:] = rows(4, seed=9)
    np.testing.assert_array_equal(bound(), predict(x))
    y.flags.writeable = False
    with pytest.raises(InputError, match="read-only"):
        bound()
    y.flags.writeable = True
    x.dtype = np.int32
    with pytest.raises(InputError, match="dtype int32; expected float32"):
        bound()


def test_it_keeps_its_arrays_and_lets_them_go(predict):
    class Watched(np.ndarray):
        pass

    x = Watched((3, 11), np.float32)
    x[:] = rows(3)
    watch, expected = weakref.ref(x), predict(x)
    bound = predict.bind(x)
    del x
    gc.collect()
    assert watch() is not None
    np.testing.assert_array_equal(bound(), expected)
    cycle = [bound]
    cycle.append(cycle)
    del bound, cycle
    gc.collect()
    assert watch() is None


def test_two_threads_with_a_bound_call_each():
    """Each releases the interpreter lock, so that both compute at once."""
    predict = foldnet.freeze(MODEL, engine="native")
    data = [rows(4000, seed=k) for k in range(3)]
    expected = [predict(x) for x in data]
    wrong = []

    def work(x, y, truth):
        bound = predict.bind(x, y)
        for _ in range(200):
            y[:] = 0
            if not np.array_equal(bound(), truth):
                wrong.append(1)

    threads = [
        threading.Thread(target=work, args=(x, np.empty_like(y), y))
        for x, y in zip(data, expected, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_python_sees_no_allocation():
    bound = foldnet.freeze(MODEL, engine="native").bind(rows(50))
    assert BUILT
    bound()
    turns = [None] * 1000
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    for _ in turns:
        bound()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - before < 200  # the iterator of the loop


COUNTER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
extern void *__libc_malloc(size_t);
long mallocs;
void *malloc(size_t n) { __atomic_fetch_add(&mallocs, 1, __ATOMIC_RELAXED); return __libc_malloc(n); }
"""

CHILD = """
import ctypes, numpy as np, foldnet, sys
sys.setswitchinterval(1000)
predict = foldnet.load_predictor(sys.argv[1], engine="native")
count = ctypes.c_long.in_dll(ctypes.CDLL(None), "mallocs")
for rows in (1, 50):
    x = np.ones((rows, 11), np.float32)
    bound = predict.bind(x)
    for call in (bound, lambda: predict(np.ones((100, 11)))):
        call()
        before = count.value
        for _ in range(1000):
            call()
        print(count.value - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts calls of glibc's malloc")
def test_the_system_sees_no_allocation(tmp_path):
    (tmp_path / "counter.c").write_text(COUNTER)
    library = tmp_path / "counter.so"
    command = [*find().command, "-shared", "-fPIC", "-O1", str(tmp_path / "counter.c"), "-o", str(library)]
    subprocess.run(command, check=True)
    foldnet.freeze(MODEL, engine="native").save(tmp_path / "net.foldnet")
    command = [sys.executable, "-c", CHILD, tmp_path / "net.foldnet"]
    env = os.environ | {"LD_PRELOAD": str(library), "FOLDNET_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    one, public, several, again = map(int, done.stdout.split())
    assert (one, several) == (0, 0)
    assert public >= 1000  # the counter counts
    assert again >= 1000


def test_public_calls_write_into_out(predict):
    x, y = rows(9), np.zeros((9, 1), np.float32)
    assert predict(x, out=y) is y
    np.testing.assert_array_equal(y, predict(x))
    y[:] = 0
    predict(x.astype(np.float64), out=y)
    np.testing.assert_array_equal(y, predict(x))
    pair = foldnet.freeze(two_by_two(dict), engine=predict.engine)
    a, b = rows(4, 3), rows(4, 2)
    y = {"one": np.empty((4, 2), np.float32), "two": np.empty((4, 4), np.float32)}
    assert pair({"left": a, "right": b}, out=y)["one"] is y["one"]
    np.testing.assert_array_equal(y["two"], pair({"left": a, "right": b})["two"])
