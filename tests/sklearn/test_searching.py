"""Estimators inside scikit-learn's machinery: pipelines, searches, worker processes and threads, pickles."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from foldnet.at_once import piece
from foldnet.callbacks import Callback
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


@pytest.mark.parametrize("batch_norm", [None, "batch"])
def test_a_search_in_threads_finds_what_one_thread_finds(batch_norm):
    grid = {"learning_rate": [1e-3, 0.05], "hidden_layer_sizes": [(6,), (4, 3)]}
    shared = {
        "epochs": 5,
        "dropout": 0.2,
        "normalization": batch_norm,
        "early_stopping": True,
        "random_state": 3,
    }
    alone = GridSearchCV(FoldnetClassifier(**shared), grid, cv=3, n_jobs=1).fit(X, Y)
    with parallel_config("threading"):
        together = GridSearchCV(FoldnetClassifier(**shared), grid, cv=3, n_jobs=2).fit(X, Y)
    for name, values in alone.cv_results_.items():
        if name.endswith("_score"):
            np.testing.assert_array_equal(values, together.cv_results_[name], err_msg=name)
    np.testing.assert_array_equal(
        alone.best_estimator_.predict_proba(X), together.best_estimator_.predict_proba(X)
    )


def test_a_fit_beside_others_has_the_threads_that_joblib_gives(monkeypatch):
    given = []

    class Look(Callback):
        def on_train_begin(self, logs=None):
            given.append(piece().threads)

    def fit(i):
        FoldnetClassifier(**SETTINGS | {"epochs": 1}, callbacks=[Look()]).fit(X, Y)

    def found():
        given.clear()
        Parallel(n_jobs=2, backend="threading")(delayed(fit)(i) for i in range(2))
        return given

    monkeypatch.delenv("FOLDNET_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    fit(0)
    assert given == [None]
    assert found() == [1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # as joblib sets it in its processes
    assert found() == [3, 3]
    monkeypatch.setenv("FOLDNET_THREADS", "2")
    assert found() == [None, None]
