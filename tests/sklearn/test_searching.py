"""Estimators inside scikit-learn's machinery: pipelines, searches, worker processes and threads, pickles."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from foldnet.sklearn import FoldnetClassifier, FoldnetRegressor

SETTINGS = {"hidden_layer_sizes": (6,), "learning_rate": 0.03, "epochs": 20, "random_state": 0}
X, Y = load_iris(return_X_y=True)


def test_a_pipeline():
    pipeline = make_pipeline(PolynomialFeatures(2), FoldnetClassifier(**SETTINGS))
    assert pipeline.fit(X, Y).score(X, Y) > 0.9
    pipeline.set_params(foldnetclassifier__epochs=2).fit(X, Y)
    assert pipeline[-1].n_iter_ == 2


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_every_backend_gives_the_same_scores(backend, quick_compiler, monkeypatch):
    monkeypatch.setenv("CC", quick_compiler)  # for the processes that are started
    FoldnetClassifier(**SETTINGS).fit(X, Y).predict(
        X
    )  # this process has compiled code loaded when others start
    alone = cross_val_score(FoldnetClassifier(**SETTINGS, dropout=0.1), X, Y, cv=4)
    with parallel_config(backend, n_jobs=2):
        shared = cross_val_score(FoldnetClassifier(**SETTINGS, dropout=0.1), X, Y, cv=4)
    np.testing.assert_array_equal(alone, shared)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_search(backend, quick_compiler, monkeypatch):
    monkeypatch.setenv("CC", quick_compiler)
    grid = {"learning_rate": [1e-6, 0.05], "dropout": [0.0, 0.2]}
    with parallel_config(backend, n_jobs=2):
        search = GridSearchCV(FoldnetClassifier(**SETTINGS), grid, cv=3).fit(X, Y)
    assert search.best_params_["learning_rate"] == 0.05
    assert search.best_score_ > 0.85
    assert search.predict(X).shape == (150,)


@pytest.mark.parametrize(
    "way", [lambda e: pickle.loads(pickle.dumps(e)), copy.deepcopy], ids=["pickle", "copy"]
)
def test_a_copy_predicts_and_goes_on_alike(way):
    model = FoldnetClassifier(**SETTINGS, normalization="batch", dropout=0.3).fit(X, Y)
    other = way(model)
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))
    assert other.model_ is not model.model_
    assert other._outputs.get_layer("output") is other.model_.get_layer("output")
    model.partial_fit(X, Y)
    assert (model.predict_proba(X) != other.predict_proba(X)).any()
    other.partial_fit(X, Y)  # with the optimizer's state, and the generator's place, of the first
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))


def test_a_pickle_is_small():
    model = FoldnetRegressor(**SETTINGS).fit(X[:, :3], X[:, 3])
    model.predict(X[:, :3])
    assert len(pickle.dumps(model)) < 12_000


def test_a_clone_is_not_fitted():
    model = clone(FoldnetRegressor(**SETTINGS).fit(X[:, :3], X[:, 3]))
    assert not hasattr(model, "model_")
    assert model.get_params()["epochs"] == 20


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_foldnet_does_not_need_scikit_learn():
    assert "Sequential" in run(
        "import sys; sys.modules['sklearn'] = None; from foldnet import *; print(Sequential)"
    )
    code = """
import sys
sys.modules["sklearn"] = None
import foldnet
try:
    foldnet.FoldnetClassifier
except ImportError as error:
    print(error)
"""
    assert "pip install 'foldnet[sklearn]'" in run(code)


def test_the_public_names():
    assert "True" in run(
        "import foldnet, foldnet.sklearn as s; print(foldnet.FoldnetRegressor is s.FoldnetRegressor)"
    )
