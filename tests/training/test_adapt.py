"""Normalization.adapt: StandardScaler's numbers, which go with the network and its frozen predictor."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from foldnet import Input, Sequential, freeze, layers, load_predictor, optimizers
from foldnet.errors import ConfigError, InputError

RNG = np.random.default_rng(6)
X = RNG.normal(5, 3, (60, 4)) * [1, 10, 0.01, 1000]


def test_it_is_standard_scaler(tmp_path):
    norm = layers.Normalization()
    norm.adapt(X)
    scaler = StandardScaler().fit(X)
    np.testing.assert_allclose(norm.mean, [scaler.mean_], rtol=1e-7 * 4)
    np.testing.assert_allclose(norm.variance, [scaler.var_], rtol=1e-7 * 4)
    model = Sequential([Input((4,)), norm, layers.Dense(3, activation="relu"), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, X[:, 0], epochs=2, verbose=0)
    np.testing.assert_allclose(norm.mean, [scaler.mean_], rtol=1e-6)  # training leaves it alone
    predict = freeze(model)
    h = np.maximum(scaler.transform(X) @ model.layers[1].kernel + model.layers[1].bias, 0)
    expected = h @ model.layers[2].kernel + model.layers[2].bias
    np.testing.assert_allclose(predict(X), expected, rtol=1e-4, atol=1e-4)
    predict.save(tmp_path / "x.foldnet")
    assert (load_predictor(tmp_path / "x.foldnet")(X) == predict(X)).all()
    assert (pickle.loads(pickle.dumps(predict))(X) == predict(X)).all()


def test_a_new_adaption_counts_in_the_next_fit(both_engines):
    for engine in both_engines():
        norm = layers.Normalization()
        model = Sequential([Input((4,)), norm, layers.Dense(1, kernel_initializer="ones")])
        model.compile(optimizers.SGD(0.0), "mse")
        norm.adapt(X)
        model.fit(X, X[:, 0], verbose=0)
        norm.adapt(X * 3 + 1)
        expected = np.mean((model.predict(X)[:, 0] - X[:, 0]) ** 2)
        assert model.evaluate(X, X[:, 0], verbose=0) == pytest.approx(expected, rel=1e-4), engine


@given(
    st.integers(1, 30), st.sampled_from([-1, 1, None, (1, 2), 2]), st.floats(-1e6, 1e6), st.integers(0, 99)
)
@settings(max_examples=40, deadline=None)
def test_batches_and_axes(rows, axis, centre, seed):
    x = np.random.default_rng(seed).normal(centre, 1, (rows, 3, 4))
    kept = () if axis is None else tuple(a % 3 for a in ((axis,) if isinstance(axis, int) else axis))
    reduced = tuple(a for a in range(3) if a not in kept)
    whole, parts = layers.Normalization(axis=axis), layers.Normalization(axis=axis)
    whole.adapt(x)
    parts.adapt(x[i : i + 7] for i in range(0, rows, 7))
    for norm in (whole, parts):
        np.testing.assert_allclose(norm.mean, x.mean(axis=reduced, keepdims=True), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(norm.variance, x.var(axis=reduced, keepdims=True), rtol=1e-6, atol=1e-6)


def test_tables_and_errors():
    norm = layers.Normalization()
    norm.adapt(pd.DataFrame(X))
    np.testing.assert_allclose(norm.mean, X.mean(axis=0, keepdims=True), rtol=1e-6)
    with pytest.raises(ConfigError, match="keeps"):
        norm.adapt(X[:, :3])
    with pytest.raises(ConfigError, match="adapt has nothing to do"):
        layers.Normalization(mean=1.0, variance=2.0).adapt(X)
    with pytest.raises(InputError, match="no rows"):
        layers.Normalization().adapt(X[:0])
    with pytest.raises(InputError, match="numbers"):
        layers.Normalization().adapt(np.array([["a", "b"]]))


class Dataset:
    """As Keras's PyDataset: batches by number, of which none is too many to ask for."""

    def __init__(self, make):
        self.make = make

    def __len__(self):
        return 5

    def __getitem__(self, i):
        return self.make(X[12 * (i % 5) : 12 * (i % 5) + 12])


@pytest.mark.parametrize("make", [lambda x: x, lambda x: (x, x[:, 0]), lambda x: (x, x[:, 0], x[:, 0])])
def test_datasets_and_lists_of_batches(make):
    def endless():
        while True:
            yield from (Dataset(make)[i] for i in range(5))

    for data, steps in [(Dataset(make), None), ([Dataset(make)[i] for i in range(5)], None), (endless(), 5)]:
        norm = layers.Normalization()
        norm.adapt(data, steps=steps)
        np.testing.assert_allclose(norm.mean, X.mean(axis=0, keepdims=True), rtol=1e-6)
        np.testing.assert_allclose(norm.variance, X.var(axis=0, keepdims=True), rtol=1e-6)


def test_what_is_no_data():
    for nothing in ([], iter(())):
        with pytest.raises(InputError, match="empty iterable"):
            layers.Normalization().adapt(nothing)
    for wrong in (iter([42]), 3, "abc", {"a": 1}):
        with pytest.raises(TypeError, match="adapt takes"):
            layers.Normalization().adapt(wrong)
    with pytest.raises(ConfigError, match="incompatible shape"):
        layers.Normalization().adapt(iter([X, X[:, :3]]))
    with pytest.raises(ConfigError, match="steps"):
        layers.Normalization(name="mine").adapt(iter([X]), steps=0)
