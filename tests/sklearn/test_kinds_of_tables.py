"""Sparse tables, several labels a row, and targets far from 0."""

import numpy as np
import pytest
from scipy import sparse

from foldnet.errors import ConfigError, InputError
from foldnet.sklearn import FoldnetClassifier, FoldnetRegressor
from foldnet.sklearn.design import column_statistics
from foldnet.sklearn.sparse import statistics

RNG = np.random.default_rng(2)
DENSE = RNG.normal(size=(80, 6)) * (RNG.random((80, 6)) < 0.4)
SETTINGS = {"hidden_layer_sizes": (8,), "learning_rate": 0.03, "epochs": 30, "random_state": 0}


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix])
def test_sparse_tables_are_learned_as_dense_ones(kind):
    y = (DENSE[:, 0] - DENSE[:, 1] > 0).astype(int)
    model = FoldnetClassifier(**SETTINGS).fit(kind(DENSE), y)
    assert model.score(DENSE, y) > 0.9
    np.testing.assert_array_equal(model.predict_proba(kind(DENSE)), model.predict_proba(DENSE))
    target = DENSE @ np.arange(6)
    regressor = FoldnetRegressor(**SETTINGS, early_stopping=True).fit(kind(DENSE), target)
    assert regressor.score(kind(DENSE), target) > 0.8


def test_sparse_tables_are_never_dense_as_a_whole(monkeypatch):
    largest = []
    whole = sparse.csr_matrix.toarray

    def seen(self, *args, **kwargs):
        largest.append(self.shape[0])
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(sparse.csr_matrix, "toarray", seen)
    monkeypatch.setattr("foldnet.sklearn.sparse.ROWS", 16)
    x = sparse.csr_matrix(DENSE)
    model = FoldnetRegressor(**SETTINGS | {"epochs": 2}, batch_size=10).fit(x, DENSE[:, 0])
    assert model.predict(x).shape == (80,)
    assert max(largest) <= 16


def test_statistics_of_sparse_columns_are_those_of_dense_ones():
    weight = RNG.uniform(0.1, 2, 80)
    x = np.column_stack([DENSE, np.zeros(80), np.full(80, 1e6)])
    for found, expected in zip(
        statistics(sparse.csr_matrix(x), weight), column_statistics(x, weight), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("labels", [2, 3])
def test_several_labels_a_row(labels):
    y = (np.column_stack([DENSE[:, 0], -DENSE[:, 1], DENSE[:, 2]]) > 0).astype(int)[:, :labels]
    for target in (y, sparse.csr_matrix(y)):
        model = FoldnetClassifier(**SETTINGS | {"epochs": 80}, early_stopping=labels == 3).fit(DENSE, target)
        assert model.predict(DENSE).shape == y.shape
        assert np.mean(model.predict(DENSE) == y) > 0.9
        p = model.predict_proba(DENSE)
        assert p.shape == y.shape
        np.testing.assert_array_equal(model.predict(DENSE), p > 0.5)
        assert model.classes_.tolist() == list(range(labels))
    model.partial_fit(DENSE, y)
    with pytest.raises(InputError, match="labels"):
        model.partial_fit(DENSE, y[:, :1].ravel())
    with pytest.raises(ConfigError, match="class_weight"):
        FoldnetClassifier(**SETTINGS, class_weight="balanced").fit(DENSE, y)


@pytest.mark.parametrize("outputs", [1, 2])
def test_targets_far_from_0_train_when_normalized(outputs):
    y = 200_000 + 20_000 * np.column_stack([DENSE @ np.arange(6), DENSE[:, 0] * 1e-3])[:, :outputs]
    y = y[:, 0] if outputs == 1 else y
    model = FoldnetRegressor(**SETTINGS, normalize_target=True, early_stopping=True).fit(DENSE, y)
    assert model.score(DENSE, y) > 0.8
    assert FoldnetRegressor(**SETTINGS).fit(DENSE, y).score(DENSE, y) < 0
    frozen = model.freeze(engine="reference")(DENSE.astype(np.float32))
    np.testing.assert_allclose(frozen.reshape(np.shape(y)), model.predict(DENSE), rtol=1e-6)
    assert model.loss_curve_[-1] < 1
    before = model.loss_curve_[-1]
    model.set_params(warm_start=True, early_stopping=False).fit(DENSE, y)
    assert model.loss_curve_[-1] < before
    assert model.score(DENSE, y) > 0.9
    with pytest.raises(ConfigError, match="normalize_target"):
        model.set_params(normalize_target=False).fit(DENSE, y)
