"""Folding costs no precision: as near to float64 as Keras's own formula in float32, also for hostile statistics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldnet import layers
from foldnet.engines.reference import ReferenceProgram
from foldnet.lowering.lower import lower
from foldnet.passes import optimize
from tests.graph.graph_networks import chain

F = np.float32


def keras_norm(x, layer):
    """Keras's formula on the JAX backend, in float32."""
    inverse = F(1) / np.sqrt(layer.moving_variance + F(layer.epsilon)) * layer.gamma
    return x * inverse + (-layer.moving_mean * inverse + layer.beta)


def dense(x, layer):
    """In the reference engine's order of sums."""
    y = np.zeros((len(x), layer.units), F) + layer.bias
    for i in range(layer.kernel.shape[0]):
        y = y + x[:, i : i + 1] * layer.kernel[i]
    return y


def distances(model, x, keras):
    """Largest error of the folded and of Keras's computation, and one ULP, all beside the largest result."""
    before = lower(model)
    after = optimize(before)
    truth = ReferenceProgram(before, "float64").run([x])[0]
    folded = ReferenceProgram(after, "float32").run([x])[0]
    ulp = np.spacing(F(np.abs(truth).max()))
    return np.abs(folded - truth).max(), np.abs(keras - truth).max(), ulp


logs = st.floats(-2, 5)
few = settings(max_examples=60, deadline=None)


@few
@given(mean=logs, spread=st.floats(-2, 2), bias=logs, seed=st.integers(0, 999))
def test_dense_then_norm(mean, spread, bias, seed):
    """Statistics that fit the data, whose mean comes from the products or from the bias."""
    rng = np.random.default_rng(seed)
    model = chain(layers.Dense(4), layers.BatchNormalization(), shape=(6,), seed=seed)
    d, n = model.layers
    d.set_weight("bias", rng.normal(size=4) * 10**bias)
    x = (rng.normal(size=(64, 6)) * 10**spread + rng.normal(size=6) * 10**mean).astype(F)
    z = x.astype(float) @ d.kernel.astype(float) + d.bias
    n.set_weight("moving_mean", z.mean(0))
    n.set_weight("moving_variance", z.var(0))
    folded, keras, ulp = distances(model, x, keras_norm(dense(x, d), n))
    assert folded <= 3 * keras + 2 * ulp


@few
@given(mean=logs, spread=st.floats(-2, 2), seed=st.integers(0, 999))
def test_norm_then_dense(mean, spread, seed):
    rng = np.random.default_rng(seed)
    model = chain(layers.BatchNormalization(), layers.Dense(4), shape=(6,), seed=seed)
    n, d = model.layers
    x = (rng.normal(size=(64, 6)) * 10**spread + rng.normal(size=6) * 10**mean).astype(F)
    n.set_weight("moving_mean", x.mean(0, dtype=float))
    n.set_weight("moving_variance", x.var(0, dtype=float))
    folded, keras, ulp = distances(model, x, dense(keras_norm(x, n), d))
    assert folded <= 3 * keras + 2 * ulp


@few
@given(mean=logs, spread=st.floats(-6, 1), seed=st.integers(0, 999), order=st.booleans())
def test_statistics_that_do_not_fit_the_data(mean, spread, seed, order):
    rng = np.random.default_rng(seed)
    stack = [layers.Dense(6), layers.BatchNormalization()]
    model = chain(*(stack if order else stack[::-1]), shape=(6,), seed=seed, mean=10**mean, spread=10**spread)
    x = rng.normal(size=(64, 6)).astype(F)
    keras = x
    for layer in model.layers:
        keras = dense(keras, layer) if layer is stack[0] else keras_norm(keras, layer)
    folded, keras, ulp = distances(model, x, keras)
    assert folded <= 3 * keras + 2 * ulp


@pytest.mark.parametrize("ratio", [1e3, 1e5])
def test_the_kept_subtraction_is_far_nearer_than_a_fold(ratio):
    """Why the threshold is there: with it the error stays at rounding, Keras's formula loses ``ratio`` times that."""
    rng = np.random.default_rng(5)
    model = chain(layers.BatchNormalization(), layers.Dense(4), shape=(6,), seed=5)
    n, d = model.layers
    x = (rng.normal(size=(64, 6)) + ratio).astype(F)
    n.set_weight("moving_mean", x.mean(0, dtype=float))
    n.set_weight("moving_variance", x.var(0, dtype=float))
    kept, keras, ulp = distances(model, x, dense(keras_norm(x, n), d))
    assert kept <= 4 * ulp
    assert keras > 0.05 * ratio * ulp
