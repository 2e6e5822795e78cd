"""The frozen network: what it takes, what it refuses, and that a row's bits depend on the row alone."""

import functools
import pickle
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import foldnet
from foldnet import activations, layers
from foldnet.engines.native import NativeProgram
from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import ConfigError, InputError, UnsupportedError
from foldnet.network import Model
from foldnet.sequential import Sequential


def fill(model, seed=0):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        for spec in layer.specs:
            positive = "variance" in spec.name
            layer.set_weight(
                spec.name, rng.uniform(0.5, 2, spec.shape) if positive else rng.normal(size=spec.shape)
            )
    return model


def small(seed=0):
    stack = [layers.Input((11,), name="row")]
    for units in (10, 8, 6):
        stack += [layers.Dense(units, activation="relu"), layers.Dropout(0.3), layers.BatchNormalization()]
    return fill(Sequential([*stack, layers.Dense(1, activation="sigmoid")]), seed)


def two_by_two(structure=list):
    a, b = layers.Input((3,), name="a"), layers.Input((2,), name="b")
    x, y = layers.Dense(2, name="x")(a), layers.Dense(4, name="y")(b)
    if structure is dict:
        return fill(Model({"right": b, "left": a}, {"two": y, "one": x}))
    return fill(Model([a, b], [x, y]))


MODEL = small()
ROWS = np.random.default_rng(1).normal(size=(40, 11)).astype(np.float32)
REFERENCE = foldnet.freeze(MODEL, engine="reference")
ENGINES = ("auto", "reference")


@pytest.fixture(params=ENGINES)
def predict(request):
    return foldnet.freeze(MODEL, engine=request.param)


def test_it_says_what_it_is(predict):
    assert predict.input_shapes == [(None, 11)]
    assert predict.output_shapes == [(None, 1)]
    assert predict.input_names == ["row"]
    assert predict.engine in ("native", "reference")
    assert predict.notes == []
    assert len(predict.steps()) == len(predict.graph.nodes) == 4
    assert len(predict.unfolded.nodes) == 14
    assert repr(predict) == f"<Predictor (rows, 11) -> (rows, 1), 4 steps, {predict.engine}, float32>"


def test_folded_and_unfolded_agree(predict):
    truth = foldnet.freeze(MODEL, engine="reference", dtype="float64", fold=False)(ROWS)
    assert truth.dtype == np.float64
    y = predict(ROWS)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, truth, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        foldnet.freeze(MODEL, engine="reference", dtype="float64")(ROWS), truth, rtol=1e-10
    )


def test_same_row_same_bits(predict):
    many = np.concatenate([ROWS] * 30)
    whole = predict(many)
    for size in (1, 2, 7, 16, 1000):
        np.testing.assert_array_equal(predict(many[:size]), whole[:size])
    np.testing.assert_array_equal(predict(many[17:18]), whole[17:18])
    np.testing.assert_array_equal(predict(many[::-1]), whole[::-1])


@pytest.mark.parametrize("engine", ENGINES)
def test_blocks_do_not_show(engine, monkeypatch):
    whole = foldnet.freeze(MODEL, engine=engine)(ROWS)
    monkeypatch.setattr("foldnet.predictor.predictor._BLOCK_BYTES", 1000)
    predict = foldnet.freeze(MODEL, engine=engine)
    np.testing.assert_array_equal(predict(ROWS.astype(float)), whole)


@pytest.mark.parametrize(
    "form",
    [
        lambda x: x.tolist(),
        lambda x: tuple(map(tuple, x.tolist())),
        lambda x: x.astype(np.float64),
        lambda x: x.astype(">f4"),
        lambda x: x.astype(">f8"),
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: np.repeat(x, 3, axis=1)[:, ::3],
        lambda x: x[::-1][::-1],
        lambda x: [x],
        lambda x: {"row": x},
        lambda x: memoryview(x),
        lambda x: np.ma.array(x),
    ],
)  # fmt: skip
def test_any_array_like(predict, form):
    np.testing.assert_array_equal(predict(form(ROWS)), predict(ROWS))


def test_misaligned_and_read_only_memory(predict):
    raw = np.empty(ROWS.nbytes + 1, np.uint8)
    odd = raw[1:].view(np.float32).reshape(ROWS.shape)
    odd[:] = ROWS
    fixed = ROWS.copy()
    fixed.flags.writeable = False
    np.testing.assert_array_equal(predict(odd), predict(ROWS))
    np.testing.assert_array_equal(predict(fixed), predict(ROWS))


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, np.bool_, np.float16, np.longdouble])
def test_every_kind_of_number(predict, dtype):
    x = np.arange(33).reshape(3, 11).astype(dtype)
    np.testing.assert_array_equal(predict(x), predict(x.astype(np.float32)))


def test_tables(predict):
    import pandas

    np.testing.assert_array_equal(predict(pandas.DataFrame(ROWS)), predict(ROWS))
    with pytest.raises(InputError, match="dtype object"):
        predict(pandas.DataFrame(ROWS).assign(**{"name": "x"}).iloc[:, 1:])


def test_results_are_new_arrays():
    x = layers.Input((3,), name="x")
    same = foldnet.freeze(Model(x, [x, layers.Dropout(0.5)(x)]), engine="reference")
    given = np.ones((2, 3), np.float32)
    first, second = same(given)
    first[:] = 7
    assert (given == 1).all()
    assert (second == 1).all()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (None, "None; expected an array of shape (rows, 11)"),
        ("text", "dtype <U4"),
        ([["a"] * 11], "dtype <U1"),
        (ROWS.astype(object), "dtype object"),
        (ROWS.astype(complex), "dtype complex128"),
        (ROWS.astype("datetime64[s]"), "dtype datetime64"),
        (ROWS[0], "shape (11,); expected (rows, 11); for a single row pass x[None]"),
        (ROWS[:, :10], "shape (40, 10); expected (rows, 11)"),
        (ROWS[None], "shape (1, 40, 11); expected (rows, 11)"),
        (3.0, "shape ()"),
        ([[1.0], [1.0, 2.0]], "not an array of numbers"),
        ({"column": ROWS}, "inputs are ['row'], and it was given ['column']"),
        (np.ma.masked_greater(ROWS, 0), "masked"),
    ],
)
def test_what_is_not_data_is_refused(predict, bad, words):
    with pytest.raises(InputError) as caught:
        predict(bad)
    assert words in str(caught.value)


def test_no_rows(predict):
    y = predict(np.empty((0, 11)))
    assert y.shape == (0, 1)
    assert y.dtype == np.float32


@settings(max_examples=50, deadline=None)
@given(x=hnp.arrays(np.float64, st.tuples(st.integers(0, 4), st.just(11)), elements=st.floats()))
def test_any_values_without_warnings(x):
    """NaN, infinities and numbers beyond float32 pass as NumPy casts them; NaN in a row stays in that row."""
    with np.errstate(over="ignore"):
        cast = x.astype(np.float32)
    y = REFERENCE(x)
    np.testing.assert_array_equal(y, REFERENCE(cast))
    fine = np.abs(cast).max(axis=1, initial=0) < 1e6
    assert np.isfinite(y[fine]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_several_inputs_and_outputs(engine):
    predict = foldnet.freeze(two_by_two(), engine=engine)
    a, b = np.ones((4, 3)), np.ones((4, 2)) * 2
    first, second = predict([a, b])
    assert (first.shape, second.shape) == ((4, 2), (4, 4))
    for form in ((a, b), {"b": b, "a": a}):
        np.testing.assert_array_equal(predict(form)[1], second)
    for bad, words in (
        ([a], "has 2 inputs, ['a', 'b'], and was given 1"),
        (a, "pass a list or a dict of arrays, not ndarray"),
        ([b, a], "input 'a' has shape (4, 2)"),
        ({"a": a}, "given ['a']"),
        ([a, b[:3]], "same number of rows, got {'a': 4, 'b': 3}"),
        ([a, None], "input 'b' is None"),
    ):
        with pytest.raises(InputError) as caught:
            predict(bad)
        assert words in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_dicts_in_dicts_out(engine):
    model = two_by_two(dict)
    predict = foldnet.freeze(model, engine=engine)
    a, b = np.ones((4, 3)), np.ones((4, 2)) * 2
    result = predict({"left": a, "right": b})
    assert {k: v.shape for k, v in result.items()} == {"one": (4, 2), "two": (4, 4)}
    np.testing.assert_array_equal(predict({"a": a, "b": b})["two"], result["two"])
    np.testing.assert_allclose(
        result["one"], a @ model.get_layer("x").kernel + model.get_layer("x").bias, rtol=1e-5
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_free_axes(engine):
    predict = foldnet.freeze(
        fill(Sequential([layers.Input((None, 3)), layers.Dense(2), layers.BatchNormalization()])),
        engine=engine,
    )
    assert predict.output_shapes == [(None, None, 2)]
    x = np.random.default_rng(0).normal(size=(5, 12, 3))
    whole = predict(x)
    for length in range(1, 12):  # more lengths than programs are kept
        np.testing.assert_array_equal(predict(x[:, :length]), whole[:, :length])
    assert len(predict._programs) == 8
    assert predict(x[:, :0]).shape == (5, 0, 2)
    with pytest.raises(InputError, match=r"expected \(rows, any, 3\)"):
        predict(x[..., :2])


def test_integer_inputs_take_whole_numbers_only():
    x = layers.Input((2,), dtype="int32", name="codes")
    predict = foldnet.freeze(fill(Model(x, [x, layers.Dense(2)(x)])), engine="reference")
    same, _ = predict([[1.0, 2.0]])
    assert same.dtype == np.int32
    assert same.tolist() == [[1, 2]]
    for bad, words in (
        ([[1.5, 2]], "whole numbers"),
        ([[np.nan, 2]], "whole numbers"),
        ([[2**40, 1]], "32 bits"),
    ):
        with pytest.raises(InputError, match=words):
            predict(bad)


def test_a_predictor_keeps_its_weights_when_the_network_goes_on():
    model = small()
    predict = foldnet.freeze(model)
    before = predict(ROWS)
    model.layers[0].kernel[:] = 0
    model.layers[2].set_weight("gamma", np.zeros(10))
    np.testing.assert_array_equal(predict(ROWS), before)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(predict))(ROWS), before)
    with pytest.raises(ValueError, match="read-only"):
        next(iter(predict.unfolded.constants.values()))[:] = 1


def test_model_predict_follows_its_weights_and_settings():
    model = small()
    first = model.predict(ROWS)
    kept = model._predictor
    np.testing.assert_array_equal(model.predict(ROWS, batch_size=3, verbose=0), first)
    assert model._predictor is kept
    model.layers[0].kernel[0, 0] += 1  # in place, too
    assert not np.array_equal(model.predict(ROWS), first)
    model.layers[0].kernel[0, 0] -= 1
    second = model.predict(ROWS)
    model.layers[2].epsilon = 0.5
    assert not np.array_equal(model.predict(ROWS), second)


def swish_like(x):
    return x * np.tanh(x)


def test_functions_of_the_caller_run_on_the_reference_engine():
    model = fill(Sequential([layers.Input((11,)), layers.Dense(3, activation=swish_like)]))
    predict = foldnet.freeze(model)
    assert predict.engine == "reference"
    z = ROWS @ model.layers[0].kernel + model.layers[0].bias
    np.testing.assert_allclose(predict(ROWS), swish_like(z), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(predict))(ROWS), predict(ROWS))
    with pytest.raises(UnsupportedError, match=r"'swish_like' is a Python function.*engine=\"reference\""):
        foldnet.freeze(model, engine="native")
    local = fill(Sequential([layers.Input((11,)), layers.Dense(3, activation=lambda x: -x)]))
    with pytest.raises(UnsupportedError, match="cannot be pickled"):
        pickle.dumps(foldnet.freeze(local))


def test_partials_of_known_activations_are_not_functions_of_the_caller():
    clipped = functools.partial(activations.relu, max_value=0.5)
    predict = foldnet.freeze(fill(Sequential([layers.Input((11,)), layers.Dense(3, activation=clipped)])))
    assert predict(ROWS).max() == 0.5
    assert predict.graph.nodes[0].op.activation.function is None


def test_pickles_are_small_and_work_elsewhere():
    import concurrent.futures
    import multiprocessing

    predict = foldnet.freeze(MODEL)
    data = pickle.dumps(predict)
    assert len(data) < 5000
    again = pickle.loads(data)
    np.testing.assert_array_equal(again(ROWS), predict(ROWS))
    assert again.steps() == predict.steps()
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        np.testing.assert_array_equal(pool.submit(predict, ROWS).result(), predict(ROWS))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"engine": "fast"}, "engine must be one of"),
        ({"dtype": "float16"}, "dtype must be"),
        ({"dtype": "float64", "engine": "native"}, "computes in float32"),
        ({"activations": {"f": swish_like}}, "only for files"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(ConfigError, match=words):
        foldnet.freeze(MODEL, **settings)


def test_a_network_without_a_shape():
    with pytest.raises(ConfigError, match="no shape yet"):
        foldnet.freeze(Sequential([layers.Dense(2)]))


def test_float64_runs_on_the_reference_engine():
    assert foldnet.freeze(MODEL, dtype="float64").engine == "reference"


def test_notes_say_what_was_not_folded():
    model = fill(
        Sequential([layers.Input((3,)), layers.Dense(2, "relu"), layers.BatchNormalization(name="bn")])
    )
    assert "'bn'" in foldnet.freeze(model).notes[0]
    unfolded = foldnet.freeze(model, fold=False)
    assert unfolded.notes == []
    assert unfolded.graph is unfolded.unfolded


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("form", [lambda x: x, lambda x: x.astype(np.float64), lambda x: x[:, ::-1]])
def test_memory_of_many_rows(engine, form):
    predict = foldnet.freeze(MODEL, engine=engine)
    x = form(np.ones((400_000, 11), np.float32))
    predict(x[:2])
    tracemalloc.start()
    y = predict(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < y.nbytes + (64 << 20)


def test_no_compiler_no_error(monkeypatch):
    """Without a C compiler the reference engine serves, and says so once."""
    from foldnet.engines import fallback

    def missing(self, bound):
        raise foldnet.errors.CompileError("no C compiler was found")

    monkeypatch.setattr(NativeProgram, "__init__", missing)
    monkeypatch.setattr(fallback, "_said", set())
    with pytest.warns(RuntimeWarning, match="no C compiler"):
        predict = foldnet.freeze(MODEL)
    assert predict.engine == "reference"
    np.testing.assert_array_equal(predict(ROWS), REFERENCE(ROWS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        foldnet.freeze(MODEL)
    with pytest.raises(foldnet.errors.CompileError):
        foldnet.freeze(MODEL, engine="native")


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_layer_values_are_the_layers_own(engine):
    network = small(5)
    x = np.random.default_rng(6).normal(size=(9, network.inputs[0].shape[1])).astype(np.float32)
    predict = foldnet.freeze(network, engine=engine)
    values = predict.layer_values(x)
    truth = ReferenceProgram(predict.unfolded, "float64").values([x])
    assert len(values) >= 4
    for path, value in values.items():
        expected = truth[predict.unfolded.layer_outputs[path]]
        np.testing.assert_allclose(
            value, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max(), err_msg=path
        )
    last = network.layers[-1].name
    np.testing.assert_array_equal(values[last], predict(x))


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_an_input_of_whole_numbers_takes_numbers_of_any_type(dtype, engine):
    x = layers.Input((3,), dtype="int32")
    model = Model(x, layers.Flatten()(layers.Embedding(5, 2)(x)))
    rows = np.array([[0, 4, 2], [3, 3, 1]])
    table = model.layers[1].get_weights()[0]
    np.testing.assert_array_equal(
        foldnet.freeze(model, engine=engine)(rows.astype(dtype)), table[rows].reshape(2, 6)
    )
