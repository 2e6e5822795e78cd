"""What the reference engine's kernels compute, by other means: NumPy's own, or exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldnet import layers
from foldnet.network import Model
from foldnet.operations import catalogue
from foldnet.operations.catalogue import every_op
from foldnet.operations.matrix.op import Dense
from tests.support.keras_pairs import Case, foldnet_model, random_weights, run_reference


def test_every_op_has_a_kernel():
    for name, op in every_op().items():
        kernel = catalogue.rules("numpy", op)
        assert (kernel.exact is not None) == op.predicts, name


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_a_float32_dense_is_the_exact_sum_rounded_once(size, seed):
    rng = np.random.default_rng(seed)
    x, kernel = np.float32(rng.normal(size=(1, size))), np.float32(rng.normal(size=(size, 1)))
    bias = np.float32(rng.normal(size=1))
    y = catalogue.find("numpy", Dense()).predict(Dense(), [x, kernel, bias], np.dtype(np.float32))
    exact = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(x[0], kernel[:, 0], strict=True))
    exact += Fraction(float(bias[0]))
    assert y.dtype == np.float32
    assert abs(Fraction(float(y[0, 0])) - exact) <= Fraction(float(np.spacing(np.abs(y[0, 0])))) * Fraction(
        51, 100
    )


@pytest.mark.parametrize(
    "name", ["BatchNormalization", "LayerNormalization", "GroupNormalization", "Normalization"]
)
@pytest.mark.parametrize("offset", [1e4, 1e6])
def test_a_huge_mean_with_a_tiny_spread_does_not_cancel(name, offset):
    rng = np.random.default_rng(0)
    config = {"groups": 2} if name == "GroupNormalization" else {}
    model = foldnet_model(
        Case(name, {**config, **({} if name == "Normalization" else {"epsilon": 1e-12})}, ((8,),))
    )
    layer = model.layers[-1]
    rows = np.float32(offset + rng.normal(0, 2.0, (4, 8)))
    if name in ("BatchNormalization", "Normalization"):
        prefix = "moving_" if name == "BatchNormalization" else ""
        layer.set_weight(prefix + "mean", np.full(8, offset))
        layer.set_weight(prefix + "variance", np.full(8, 4.0))
        expected = (rows.astype(np.float64) - np.float32(offset)) / 2
    else:
        wide = rows.astype(np.float64).reshape(4, config.get("groups", 1), -1)
        expected = ((wide - wide.mean(-1, keepdims=True)) / wide.std(-1, keepdims=True)).reshape(4, 8)
    np.testing.assert_allclose(run_reference(model, [rows])[0], expected, rtol=1e-6, atol=1e-7)


@given(
    st.floats(-(2.0**100), 2.0**100, width=32),
    st.floats(0, 2.0**20, width=32),
    st.floats(-1024, 1024, width=32),
)
@settings(max_examples=60, deadline=None)
def test_batch_normalization_is_its_formula(mean, variance, x):
    model = foldnet_model(Case("BatchNormalization", {}, ((2,),)))
    layer = model.layers[-1]
    random_weights(model, np.random.default_rng(1))
    layer.set_weight("moving_mean", [mean, 0.0])
    layer.set_weight("moving_variance", [variance, 1.0])
    gamma, beta = (layer.named_weights[n][0].astype(np.float64) for n in ("gamma", "beta"))
    expected = (np.float64(x) - np.float64(np.float32(mean))) / np.sqrt(
        np.float64(np.float32(variance)) + 1e-3
    )
    expected = expected * gamma + beta
    got = run_reference(model, [np.float32([[x, 0]])], "float64")[0][0, 0]
    assert abs(got - expected) <= 1e-12 * (abs(expected) + abs(beta))


def test_constant_rows():
    for name in ("LayerNormalization", "GroupNormalization"):
        model = foldnet_model(Case(name, {"groups": 1} if name[0] == "G" else {}, ((4,),)))
        model.layers[-1].set_weight("beta", [1.0, 2, 3, 4])
        np.testing.assert_array_equal(
            run_reference(model, [np.full((2, 4), 7e5, np.float32)])[0][0], [1, 2, 3, 4]
        )
    model = foldnet_model(Case("UnitNormalization", {}, ((4,),)))
    np.testing.assert_array_equal(run_reference(model, [np.zeros((1, 4), np.float32)])[0], np.zeros((1, 4)))


def test_whole_numbers_stay_whole_on_their_way_to_an_embedding():
    x = layers.Input((3, 2), dtype="int32")
    y = layers.Concatenate(axis=1)([layers.Permute((2, 1))(x), layers.Reshape((2, 3))(x)])
    y = layers.Identity()(layers.Flatten()(y))
    model = Model(x, layers.Embedding(2**24 + 2, 1)(y))
    layer = model.layers[-1]
    table = np.zeros((2**24 + 2, 1), np.float32)
    table[2**24 + 1] = 5.0  # a float32 cannot hold this index
    layer.set_weight("embeddings", table)
    rows = np.zeros((1, 3, 2), np.int64)
    rows[0, 2, 1] = 2**24 + 1
    assert run_reference(model, [rows])[0].sum() == 10.0


def test_free_axes():
    x = layers.Input((None, None, 4))
    y = layers.GroupNormalization(2)(layers.LayerNormalization()(x))
    y = layers.Add()([layers.BatchNormalization()(y), layers.Softmax(axis=1)(x), layers.Dense(4)(x)])
    y = layers.Concatenate(axis=2)([y, layers.UnitNormalization(axis=[1, 3])(x)])
    model = Model(x, layers.Reshape((-1, 2))(layers.Flatten("channels_first")(y)))
    assert model.outputs[0].shape == (None, None, 2)
    rows = np.float32(np.random.default_rng(0).normal(size=(2, 3, 5, 4)))
    assert run_reference(model, [rows])[0].shape == (2, 3 * 10 * 2, 2)
