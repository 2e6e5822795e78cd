"""The activation functions: accurate, safe at the ends of the range, NaN and infinities as Keras has them."""

import functools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras.src.activations import ALL_OBJECTS

from foldnet import activations
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.layers import ELU, Activation, Dense, Input, LeakyReLU, ReLU
from foldnet.network import Model
from tests.support.keras_pairs import run_reference

KERAS = {f.__name__: f for f in ALL_OBJECTS}
NEEDED = {"threshold": {"threshold": 0.5, "default_value": -2.0}}
ENDS = np.array(
    [[np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-30, -1e-30, 3e38, -3e38, 88.0, -88.0, 104.0, -104.0, 20.0]],
    np.float32,
)  # fmt: skip


def test_every_activation_of_keras_is_here():
    assert set(KERAS) <= set(activations.FUNCTIONS)
    assert set(activations.FUNCTIONS) - set(KERAS) == {"hard_sigmoid_keras2", "thresholded_relu"}


@pytest.mark.parametrize("name", sorted(set(KERAS) & set(activations.ELEMENTWISE)))
def test_at_the_ends_of_the_range(name):
    theirs = np.asarray(KERAS[name](ENDS, **NEEDED.get(name, {})))
    with np.errstate(all="ignore"):
        ours = activations.FUNCTIONS[name](ENDS, **NEEDED.get(name, {}))
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=3e-6, atol=1e-35)  # XLA sets subnormal numbers to 0


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("relu", {"negative_slope": 0.2, "max_value": 3.0, "threshold": 0.5}),
        ("relu", {"threshold": 1.0}), ("relu", {"threshold": 1.0, "negative_slope": 0.5}),
        ("relu", {"negative_slope": -0.5, "max_value": 1.0}), ("relu", {"max_value": 6}),
        ("relu", {"threshold": -1.0}), ("relu", {"threshold": -1.0, "max_value": 1.0}),
        ("leaky_relu", {"negative_slope": 0.01}), ("elu", {"alpha": 0.3}), ("celu", {"alpha": 2.0}),
        ("gelu", {"approximate": True}), ("hard_shrink", {"threshold": 1.5}),
        ("soft_shrink", {"threshold": 0.1}), ("squareplus", {"b": 0.5}), ("glu", {"axis": 0}),
        ("softmax", {"axis": 0}), ("log_softmax", {"axis": 0}), ("sparsemax", {"axis": 0}),
        ("threshold", {"threshold": 0.5, "default_value": 7.0}),
    ],
)  # fmt: skip
def test_parameters(name, parameters):
    x = np.float32(np.random.default_rng(0).normal(0, 3, (6, 4)))
    x[0, 0] = np.nan if name not in ("softmax", "log_softmax", "sparsemax") else 0
    theirs = np.asarray(KERAS[name](x, **parameters))
    np.testing.assert_allclose(activations.FUNCTIONS[name](x, **parameters), theirs, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("number", [0.1, 0.3, 0.7])
@pytest.mark.parametrize(
    ("name", "parameters"),
    [("relu", {"negative_slope": 0.2}), ("hard_shrink", {}), ("threshold", {"default_value": 7.0})],
)
def test_functions_jump_where_those_of_keras_do(name, parameters, number, engine):
    # Some of these are above their float64 when rounded to float32, some below.
    x = np.nextafter(np.float32(number), np.float32([[-9, number, 9]]))
    parameters = parameters | {"threshold": number}
    inputs = Input((3,))
    function = functools.partial(getattr(activations, name), **parameters)
    (ours,) = engine(Model(inputs, Activation(function)(inputs)), [x], "float32")
    np.testing.assert_allclose(ours, np.asarray(KERAS[name](x, **parameters)), rtol=1e-6)


finite = hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats(-700, 700))


@given(finite)
@settings(max_examples=60, deadline=None)
def test_identities(x):
    # Each ties one function to another by a law, so that neither can be wrong alone.
    sigmoid, softplus = activations.sigmoid, activations.softplus
    np.testing.assert_allclose(sigmoid(x) + sigmoid(-x), 1, rtol=1e-15)
    np.testing.assert_allclose(softplus(x) - softplus(-x), x, atol=1e-12)
    np.testing.assert_allclose(activations.log_sigmoid(x), -softplus(-x), rtol=1e-15)
    np.testing.assert_allclose(2 * sigmoid(2 * x) - 1, activations.tanh(x), atol=1e-15)
    np.testing.assert_allclose(activations.gelu(x) - activations.gelu(-x), x, rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(activations.soft_shrink(x) + np.clip(x, -0.5, 0.5), x, rtol=1e-15)


@given(hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=5), elements=st.floats(-1e6, 1e6)))
@settings(max_examples=60, deadline=None)
def test_softmax_is_a_distribution(x):
    for axis in range(x.ndim):
        y = activations.softmax(x, axis)
        np.testing.assert_allclose(y.sum(axis), 1, rtol=1e-14)
        assert (y >= 0).all()
        with np.errstate(divide="ignore"):
            kept = y > 1e-300
            log = np.log(np.where(kept, y, 1))
        found = np.where(kept, activations.log_softmax(x, axis), 0)
        np.testing.assert_allclose(found, log, atol=1e-9)


def test_sparsemax_is_keras_s_not_the_paper_s():
    # Keras adds up all running sums of the support; the paper's projection of [1, 1] is [0.5, 0.5].
    np.testing.assert_array_equal(activations.sparsemax([[1.0, 1.0]]), [[0.0, 0.0]])
    np.testing.assert_array_equal(np.asarray(keras.activations.sparsemax(np.ones((1, 2)))), [[0.0, 0.0]])


def test_small_values_keep_their_digits():
    x = np.array([-1e-12, 1e-12])
    np.testing.assert_allclose(activations.elu(x), x, rtol=1e-11)
    np.testing.assert_allclose(activations.selu(x)[1], 1.0507009873554805e-12, rtol=1e-11)
    np.testing.assert_allclose(activations.celu(x), x, rtol=1e-11)
    np.testing.assert_allclose(activations.softplus(np.array([-40.0])), np.exp(-40.0), rtol=1e-14)
    np.testing.assert_allclose(activations.gelu(np.array([-10.0])), -7.619853024160526e-23, rtol=1e-12)


def partial_relu():
    return functools.partial(activations.relu, max_value=20, negative_slope=0.1)


@pytest.mark.parametrize(
    ("given_as", "name", "parameters"),
    [
        (None, "linear", {}),
        ("swish", "silu", {}),
        ("hard_swish", "hard_silu", {}),
        (activations.gelu, "gelu", {"approximate": False}),
        (partial_relu(), "relu", {"negative_slope": 0.1, "max_value": 20, "threshold": 0.0}),
        (functools.partial(partial_relu(), max_value=3), "relu",
         {"negative_slope": 0.1, "max_value": 3, "threshold": 0.0}),
        ({"module": "builtins", "class_name": "function", "config": "tanh", "registered_name": "function"},
         "tanh", {}),
        ("LeakyReLU", "leaky_relu", {"negative_slope": 0.3}),
        (LeakyReLU(0.1), "leaky_relu", {"negative_slope": 0.1}),
        (ReLU(6.0), "relu", {"negative_slope": 0.0, "max_value": 6.0, "threshold": 0.0}),
        (ELU(0.5), "elu", {"alpha": 0.5}),
        (Activation("selu"), "selu", {}),
        ({"class_name": "LeakyReLU", "config": {"name": "l", "trainable": True, "dtype": "float32", "alpha": 0.2}},
         "leaky_relu", {"negative_slope": 0.2}),
    ],
)  # fmt: skip
def test_every_way_to_name_one(given_as, name, parameters):
    assert activations.known(activations.get(given_as)) == (name, parameters)


@pytest.mark.parametrize("layer", ["LeakyReLU", "ReLU", "ELU", "Softmax"])
def test_a_stored_keras_layer_as_activation(layer):
    stored = keras.layers.Dense(3, activation=getattr(keras.layers, layer)()).get_config()["activation"]
    ours = activations.get(stored)
    x = np.float32(np.random.default_rng(0).normal(size=(4, 3)))
    np.testing.assert_allclose(ours(x), np.asarray(getattr(keras.layers, layer)()(x)), rtol=1e-6)


@pytest.mark.parametrize("unknown", ["<lambda>", "my_own", {"class_name": "function", "config": "my_own"}])
def test_an_unknown_name_is_refused_with_those_there_are(unknown):
    """Out of code, where there is no file to supply it for; files say how, see files/test_supplied.py."""
    with pytest.raises(ConfigError, match=r"there is no activation .* gelu.* relu"):
        activations.get(unknown)


def test_an_unknown_class_is_refused_with_how_to_supply_it():
    with pytest.raises(UnsupportedError, match="activations="):
        activations.get({"class_name": "Mine", "config": {}})


def test_a_supplied_one():
    assert activations.get("<lambda>", {"<lambda>": np.sin}) is np.sin
    assert activations.get({"class_name": "function", "config": "mine"}, {"mine": np.sin}) is np.sin
    x = Input((3,))
    model = Model(x, Activation(np.sin)(x))
    rows = np.float32([[1, 2, 3]])
    np.testing.assert_allclose(run_reference(model, [rows])[0], np.sin(rows), rtol=1e-6)


def test_a_supplied_one_must_keep_the_shape():
    x = Input((3,))
    model = Model(x, Activation(lambda v: v.sum(axis=-1), name="bad")(x))
    with pytest.raises(UnsupportedError, match=r"bad.*shape"):
        run_reference(model, [np.float32([[1, 2, 3]])])


@pytest.mark.parametrize(
    "wrong",
    [
        "threshold",  # needs its parameters
        functools.partial(activations.relu, slope=2),
        functools.partial(activations.softmax, axis=(0, 1)),
    ],
)
def test_parameters_that_do_not_fit(wrong):
    with pytest.raises(ConfigError):
        Dense(4, activation=wrong)(Input((3,)))


def test_other_precisions_of_an_inner_layer_are_refused():
    with pytest.raises(UnsupportedError, match="mixed_float16"):
        activations.get({"class_name": "ReLU", "config": {"dtype": "mixed_float16"}})


def test_not_an_activation():
    with pytest.raises(ConfigError, match="not 3"):
        activations.get(3)
