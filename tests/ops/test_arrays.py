"""``foldnet.ops`` on arrays: values, dtypes and shapes are those of live Keras."""

import inspect

import jax
import keras
import numpy as np
import pytest

import foldnet
from foldnet import ops
from foldnet.errors import UnsupportedError
from tests.ops.operation_cases import OPERATIONS

_rng = np.random.default_rng(0)
FLOATS = _rng.normal(size=(3, 4)).astype(np.float32)
INTS = _rng.integers(-3, 4, size=(3, 4)).astype(np.int32)
TRUTHS = FLOATS > 0
BYTES = _rng.integers(0, 5, size=(3, 4)).astype(np.uint8)
KINDS = {"float32": FLOATS, "int32": INTS, "bool": TRUTHS, "uint8": BYTES, "float": 2.5, "int": 3}

UNARY = [
    "absolute", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "ceil", "cos", "cosh", "exp",
    "expm1", "floor", "isfinite", "isinf", "isnan", "log", "log10", "log1p", "log2", "logical_not",
    "reciprocal", "sin", "sinh", "sqrt", "square", "tan", "tanh", "trunc", "abs", "sum", "mean", "max", "min",
    "any", "all", "count_nonzero", "prod", "var", "std", "argmax", "argmin", "logsumexp", "cumsum", "cumprod",
    "median", "softplus", "relu6", "elu", "selu", "leaky_relu", "hard_sigmoid", "softsign", "squareplus",
    "nan_to_num", "argsort", "ravel", "transpose", "copy",
]  # fmt: skip
FLOAT_ONLY = [
    "negative", "rsqrt", "erf", "sign", "sigmoid", "relu", "gelu", "silu", "celu", "softmax", "log_softmax",
    "log_sigmoid", "hard_tanh", "hard_silu", "hard_shrink", "soft_shrink", "tanh_shrink", "sparse_plus",
    "sparse_sigmoid", "sparsemax", "normalize", "norm", "round", "sort", "flip", "zeros_like", "ones_like",
    "swish",
]  # fmt: skip
BINARY = [
    "add", "arctan2", "divide", "equal", "greater", "greater_equal", "less", "less_equal", "logical_and",
    "logical_or", "logical_xor", "maximum", "minimum", "multiply", "not_equal", "true_divide", "logaddexp",
]  # fmt: skip
PAIRS = [
    (FLOATS, FLOATS + 1), (FLOATS, INTS), (INTS, np.abs(INTS) + 1), (TRUTHS, ~TRUTHS), (TRUTHS, INTS), (FLOATS, 2.0),
    (FLOATS, 2), (INTS, 2), (INTS, 2.5), (TRUTHS, 2), (BYTES, INTS), (2, FLOATS), (BYTES, 2), (FLOATS, TRUTHS),
]  # fmt: skip
OTHERS = {
    "floor_divide": lambda o: o.floor_divide(FLOATS, 0.7),
    "floor_divide of ints": lambda o: o.floor_divide(INTS, 2),
    "mod": lambda o: o.mod(FLOATS, -0.7),
    "power": lambda o: o.power(FLOATS, 2),
    "subtract": lambda o: o.subtract(INTS, FLOATS),
    "take": lambda o: o.take(FLOATS, np.array([0, 2]), axis=0),
    "one_hot": lambda o: o.one_hot(np.array([0, 2, -1]), 3),
    "multi_hot": lambda o: o.multi_hot(np.array([[0, 2], [1, 1]]), 3),
    "top_k": lambda o: o.top_k(FLOATS, 2),
    "in_top_k": lambda o: o.in_top_k(np.array([0, 1, 2]), FLOATS, 2),
    "arange": lambda o: o.arange(5),
    "arange of floats": lambda o: o.arange(0.0, 1.0, 0.25),
    "linspace": lambda o: o.linspace(0, 1, 5),
    "eye": lambda o: o.eye(3),
    "full": lambda o: o.full((2,), 3),
    "cast": lambda o: o.cast(FLOATS * 3, "int32"),
    "cast to bool": lambda o: o.cast(INTS, "bool"),
    "saturate_cast": lambda o: o.saturate_cast(FLOATS * 1000, "int8"),
    "where": lambda o: o.where(TRUTHS, FLOATS, 0.0),
    "where of numbers": lambda o: o.where(TRUTHS, 1, 0),
    "where alone": lambda o: o.where(TRUTHS),
    "clip": lambda o: o.clip(INTS, -1, 1),
    "round": lambda o: o.round(FLOATS, 1),
    "concatenate": lambda o: o.concatenate([FLOATS, INTS], axis=-1),
    "stack": lambda o: o.stack([FLOATS, FLOATS]),
    "norm 1": lambda o: o.norm(FLOATS, ord=1, axis=1),
    "norm inf": lambda o: o.norm(FLOATS, ord=np.inf, axis=1),
    "slice": lambda o: o.slice(FLOATS, (0, 1), (2, 2)),
    "convert_to_tensor": lambda o: o.convert_to_tensor([1, 2]),
    "convert_to_tensor of a float": lambda o: o.convert_to_tensor(1.5),
    "bincount": lambda o: o.bincount(np.array([0, 1, 1, 3], np.int32)),
    "dot": lambda o: o.dot(FLOATS, FLOATS.T),
    "outer": lambda o: o.outer(FLOATS[0], FLOATS[1]),
    "tril": lambda o: o.tril(FLOATS),
    "average": lambda o: o.average(FLOATS, axis=1, weights=np.arange(1, 5, dtype=np.float32)),
    "quantile": lambda o: o.quantile(FLOATS, 0.3, axis=1),
    "rms_normalization": lambda o: o.rms_normalization(FLOATS),
    "layer_normalization": lambda o: o.layer_normalization(FLOATS),
    "digitize": lambda o: o.digitize(np.array([0.2, 6.4], np.float32), np.array([0.0, 1.0, 2.5], np.float32)),
    "isclose": lambda o: o.isclose(FLOATS, FLOATS + np.float32(1e-9)),
    "threshold": lambda o: o.threshold(FLOATS, 0.1, 0.2),
    "sparse_categorical_crossentropy": lambda o: o.sparse_categorical_crossentropy(
        np.array([0, 1, 2], np.int32), np.abs(FLOATS)
    ),
    "binary_crossentropy from logits": lambda o: o.binary_crossentropy(
        np.clip(FLOATS, 0, 1), FLOATS, from_logits=True
    ),
    "binary_crossentropy": lambda o: o.binary_crossentropy(np.clip(FLOATS, 0, 1), np.clip(FLOATS, 0, 1)),
}  # fmt: skip


def same(name, make):
    assert_same(name, make(keras.ops), make(ops))


def assert_same(name, theirs, ours):
    pairs = zip(theirs, ours, strict=True) if isinstance(theirs, tuple | list) else [(theirs, ours)]
    for a, b in pairs:
        a = np.asarray(a)
        assert isinstance(b, np.ndarray | np.generic), name
        assert (a.dtype, a.shape) == (b.dtype, b.shape), name
        np.testing.assert_allclose(b.astype(float), a.astype(float), rtol=3e-5, atol=2e-6, err_msg=name)


def all_same(calls):
    """The same for many functions by name, with their operands; JAX compiles all of Keras's together."""

    def operands(arrays):
        arrays = iter(arrays)
        return [[next(arrays) if isinstance(x, np.ndarray) else x for x in given] for _, given in calls]

    def called(library, given):
        return [getattr(library, name)(*values) for (name, _), values in zip(calls, given, strict=True)]

    arrays = [x for _, given in calls for x in given if isinstance(x, np.ndarray)]
    theirs = jax.jit(lambda arrays: called(keras.ops, operands(arrays)))(arrays)
    for (name, given), *results in zip(calls, theirs, called(ops, [g for _, g in calls]), strict=True):
        assert_same(f"{name} of {', '.join(np.asarray(x).dtype.name for x in given)}", *results)


@pytest.mark.parametrize("kind", KINDS)
def test_functions_of_one_value(kind):
    all_same([
        (name, [KINDS[kind]]) for name in UNARY
        if not (kind == "bool" and name in ("square", "absolute", "abs"))
    ])  # fmt: skip


def test_functions_of_floats():
    all_same([(name, [FLOATS]) for name in FLOAT_ONLY])


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_values(name):
    all_same([(name, pair) for pair in PAIRS])


@pytest.mark.parametrize("name", OTHERS)
def test_other_functions(name):
    same(name, OTHERS[name])


def test_operations_compute_on_arrays():
    x = _rng.normal(size=(5, 4, 3)).astype(np.float32)
    makes = {name: make for name, make in OPERATIONS.items() if name != "moments"}
    theirs = jax.jit(lambda x: [make(keras.ops, x) for make in makes.values()])(x)
    for (name, make), result in zip(makes.items(), theirs, strict=True):
        assert_same(name, result, make(ops, x))


def test_parameters_have_kerass_names():
    for name in dir(ops):
        own, theirs = getattr(ops, name), getattr(keras.ops, name, None)
        if name.startswith("_") or not callable(own) or theirs is None or inspect.isclass(own):
            continue
        a, b = (list(inspect.signature(f).parameters) for f in (own, theirs))
        if "kwargs" in b:  # Keras's layer_normalization takes rms_scaling there
            b = [*b[: b.index("kwargs")], *a[b.index("kwargs") :]]
        assert a == b[: len(a)] or name in ("linspace",), (name, a, b)


def test_64_bits_stay():
    assert ops.mean(FLOATS.astype(np.float64)).dtype == np.float64
    assert ops.add(np.arange(3), 1).dtype == np.int64


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda x: ops.sort(x), "ops.sort computes on arrays"),
        (lambda x: ops.top_k(x, 2), "ops.top_k"),
        (lambda x: ops.mean(x), "axis="),
        (lambda x: ops.sum(x, axis=0), "batch"),
        (lambda x: x[0], "begin with a colon"),
        (lambda x: ops.reshape(x, (-1, 6)), "keep the batch axis"),
        (lambda x: ops.transpose(x), "batch"),
        (lambda x: ops.concatenate([x, x], axis=0), "batch"),
        (lambda x: (x > 0) + (x < 1), "truth values"),
        (lambda x: ops.argmax(x, axis=-1) + 1, "whole numbers"),
        (lambda x: x + np.zeros((5, 4, 3), np.float32), "for each row"),
        (lambda x: ops.cast(x, "float16"), "float32"),
        (lambda x: bool(x > 0), "ops.where"),
        (lambda x: list(x), "iterated"),
        (lambda x: x[:, 7], "axis of size 4"),
        (lambda x: ops.einsum("bij,bij->ij", x, x), "batch axis"),
    ],
)
def test_what_a_network_cannot_do_is_refused_with_a_way_out(make, text):
    with pytest.raises((UnsupportedError, foldnet.errors.ConfigError), match=text):
        make(foldnet.Input((4, 3)))
