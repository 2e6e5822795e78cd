"""Every metric on arrays of many shapes and weights: Keras's value, or refused where Keras refuses."""

import warnings

import keras
import numpy as np
import pytest

from foldnet import metrics

MEANS = [
    "MeanSquaredError",
    "RootMeanSquaredError",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "Accuracy",
    "Poisson",
]
WHOLE = ["TruePositives", "AUC", "Precision", "Recall"]


def weights(rng, shape):
    """Of every shape that spreads over the values: a number, (1, n), a number per row, one each."""
    given = [None, 0.5, rng.uniform(0.1, 2, shape[0]), rng.uniform(0.1, 2, shape)]
    return [*given, rng.uniform(0.1, 2, (1, *shape[1:]))] if len(shape) > 1 else given


def agree(ours, theirs, rng, shape, tolerance=2e-5):
    for weight in weights(rng, shape):
        mine, other = ours(), theirs()
        try:
            for rows in (shape[0], shape[0]):
                y_true = rng.integers(0, 2, (rows, *shape[1:])).astype(np.float32)
                y_pred = rng.uniform(0.05, 0.95, y_true.shape).astype(np.float32)
                other.update_state(y_true, y_pred, sample_weight=weight)
                mine.update_state(y_true, y_pred, sample_weight=weight)
        except (ValueError, TypeError):
            continue  # Keras's refusals are accidents of shapes; ours are tested by name
        at = (mine.name, shape, np.shape(weight))
        np.testing.assert_allclose(
            mine.result(), np.asarray(other.result()), rtol=tolerance, atol=1e-6, err_msg=at
        )


@pytest.mark.parametrize("shape", [(5,), (5, 1), (4, 3), (3, 2, 4)])
@pytest.mark.parametrize("name", MEANS + WHOLE)
def test_values_under_weights_are_kerass(name, shape):
    rng = np.random.default_rng(len(name))
    agree(getattr(metrics, name), getattr(keras.metrics, name), rng, shape)


@pytest.mark.parametrize("shape", [(6,), (5, 4)])
@pytest.mark.parametrize("name", ["Precision", "Recall"])
def test_top_k_of_any_rank(name, shape):
    rng = np.random.default_rng(2)
    agree(lambda: getattr(metrics, name)(top_k=2), lambda: getattr(keras.metrics, name)(top_k=2), rng, shape)
    tied = np.full((2, 4), 0.25, np.float32)
    y_true = np.eye(4, dtype=np.float32)[[1, 3]]
    mine, other = getattr(metrics, name)(top_k=2), getattr(keras.metrics, name)(top_k=2)
    assert mine(y_true, tied) == pytest.approx(float(other(y_true, tied)))


def test_what_keras_refuses_is_refused():
    with pytest.raises(ValueError, match="class_id needs outputs of shape"):
        metrics.Precision(class_id=0)([0, 1], [0.1, 0.9])
    with pytest.raises(ValueError, match="there is no class 3 among 3 outputs"):
        metrics.Recall(class_id=3)(np.eye(3), np.eye(3))
    for metric in (metrics.FBetaScore(), metrics.R2Score()):
        with pytest.raises(ValueError, match=r"of shape \(rows, outputs\)"):
            metric(np.ones((2, 3, 4)), np.ones((2, 3, 4)))
    for settings in ({"beta": 1}, {"beta": "1.0"}, {"threshold": 1}, {"threshold": "0.5"}):
        with pytest.raises(ValueError, match=r"beta|threshold"):
            metrics.FBetaScore(**settings)
    with pytest.raises(ValueError, match="multi_label=True"):
        metrics.AUC(num_labels=3)


@pytest.mark.parametrize("settings", [
    *({"curve": curve, "summation_method": method} for curve in ("ROC", "PR", "PRGAIN")
      for method in ("interpolation", "minoring", "majoring")),
    {"multi_label": True, "num_labels": 3}, {"multi_label": True, "label_weights": [0.2, 1.0, 3.0]},
    {"label_weights": [0.2, 1.0, 3.0]}, {"num_thresholds": 3}, {"thresholds": [0.25, 0.5, 0.75]},
])  # fmt: skip
def test_areas_are_kerass(settings):
    rng = np.random.default_rng(5)
    mine, other = metrics.AUC(**settings), keras.metrics.AUC(**settings)
    # Outputs at the thresholds themselves, and beyond 0 and 1.
    y_pred = rng.choice([-0.5, 0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5], (30, 3)).astype(np.float32)
    y_true, weight = rng.integers(0, 2, (30, 3)).astype(np.float32), rng.uniform(0.1, 2, 30)
    for metric in (mine, other):
        metric.update_state(y_true, y_pred, sample_weight=weight.astype(np.float32))
    assert mine.result() == pytest.approx(float(other.result()), rel=1e-4, abs=1e-6)
    np.testing.assert_allclose(mine.true_positives, np.asarray(other.true_positives), rtol=1e-5)
    np.testing.assert_allclose(mine.false_negatives, np.asarray(other.false_negatives), rtol=1e-4, atol=1e-5)
    assert mine.get_config()["num_thresholds"] == other.get_config()["num_thresholds"]


@pytest.mark.parametrize("regressors", [0, 3, 11, 50])
def test_adjusted_r2_counts_as_keras_does(regressors):
    rng = np.random.default_rng(1)
    y_true, y_pred, weight = rng.normal(size=(6, 2)), rng.normal(size=(6, 2)), rng.uniform(0.1, 2, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine, other = (
            metrics.R2Score(num_regressors=regressors),
            keras.metrics.R2Score(num_regressors=regressors),
        )
        assert mine(y_true, y_pred, weight) == pytest.approx(float(other(y_true, y_pred, weight)), rel=1e-4)


def test_sorted_ids():
    y_true, ids = np.array([2.0, 1.0, 0.0]), np.array([[2, 0, 1], [0, 1, 2], [1, 2, 0]])
    for k in (1, 2, 3):
        mine = metrics.SparseTopKCategoricalAccuracy(k, from_sorted_ids=True)
        other = keras.metrics.SparseTopKCategoricalAccuracy(k, from_sorted_ids=True)
        assert mine(y_true, ids) == pytest.approx(float(other(y_true, ids)))


def test_an_output_that_is_nan_is_among_the_largest_of_nothing():
    outputs = np.array([[np.nan, 0.5, 0.2], [0.3, 0.5, 0.2]], np.float32)
    for name in ("sparse_top_k_categorical_accuracy",):
        mine = getattr(metrics, name)(np.array([0, 1]), outputs, k=1)
        assert (
            mine.tolist() == np.asarray(getattr(keras.metrics, name)(np.array([0, 1]), outputs, k=1)).tolist()
        )
