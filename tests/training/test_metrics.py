"""Every metric as Keras computes it, over several batches, with and without weights."""

import inspect

import keras
import numpy as np
import pytest

from foldnet import metrics
from foldnet.errors import ConfigError
from foldnet.training.metric_names import CLASSES

AT = ("SensitivityAtSpecificity", "SpecificityAtSensitivity", "PrecisionAtRecall", "RecallAtPrecision")
CASES = [
    *((name, (0.4,) if name in AT else (2,) if "TopK" in name else (), {}) for name in CLASSES),
    ("BinaryAccuracy", (), {"threshold": 0.3}),
    ("Precision", (), {"thresholds": [0.2, 0.7]}),
    ("Precision", (), {"top_k": 2}),
    ("Recall", (), {"class_id": 1}),
    ("AUC", (), {"curve": "PR"}),
    ("AUC", (), {"curve": "PR", "summation_method": "minoring"}),
    ("AUC", (), {"summation_method": "majoring", "from_logits": True}),
    ("AUC", (), {"multi_label": True}),
    ("AUC", (), {"multi_label": True, "label_weights": [1.0, 2.0, 3.0, 0.5]}),
    ("AUC", (), {"thresholds": [0.1, 0.3, 0.8]}),
    ("F1Score", (), {"average": "macro"}),
    ("F1Score", (), {"average": "micro", "threshold": 0.5}),
    ("FBetaScore", (), {"average": "weighted", "beta": 2.0}),
    ("R2Score", (), {"class_aggregation": "variance_weighted_average"}),
    ("R2Score", (), {"class_aggregation": None}),
    ("R2Score", (), {"num_regressors": 3}),
]  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "arguments", "settings"), CASES)
def test_as_keras(name, arguments, settings, weighted):
    rng = np.random.default_rng(7)
    theirs, ours = getattr(keras.metrics, name)(*arguments, **settings), CLASSES[name](*arguments, **settings)
    assert ours.name.rstrip("_0123456789") == theirs.name.rstrip("_0123456789")
    for rows in (40, 3, 40):
        y_pred = rng.uniform(0, 1, (rows, 4)).astype(np.float32)
        labels = rng.integers(0, 4, rows)
        y_true = labels if name.startswith("Sparse") else np.eye(4, dtype=np.float32)[labels]
        if name.startswith(("Mean", "Root", "R2", "Log", "Cosine", "Poisson", "Pear", "Conc")):
            y_true = rng.uniform(0.1, 2, (rows, 4)).astype(np.float32)
        # Adjusted R2 counts samples, which Keras does without their weights.
        weighted = weighted and "num_regressors" not in settings
        weight = rng.uniform(0.1, 2, rows).astype(np.float32) if weighted else None
        theirs.update_state(y_true, y_pred, sample_weight=weight)
        ours.update_state(y_true, y_pred, weight)
    np.testing.assert_allclose(ours.result(), np.asarray(theirs.result()), rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize("name", CLASSES)
def test_arguments_come_in_kerass_order(name):
    theirs = inspect.signature(getattr(keras.metrics, name)).parameters
    arguments = []
    for argument, parameter in theirs.items():
        if argument == "name":
            arguments.append("own")
            break
        arguments.append(0.4 if parameter.default is inspect.Parameter.empty else parameter.default)
    if "name" in theirs:
        assert CLASSES[name](*arguments).name == "own"


STEPS = ["MeanSquaredError", "CosineSimilarity", "RootMeanSquaredError", "BinaryAccuracy", "CategoricalAccuracy",
         "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy", "AUC", "Precision", "TruePositives"]  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_weights_of_timesteps(name):
    rng = np.random.default_rng(4)
    theirs, ours = getattr(keras.metrics, name)(), CLASSES[name]()
    for rows in (11, 4):
        y_pred = rng.uniform(0, 1, (rows, 3, 4)).astype(np.float32)
        labels = rng.integers(0, 4, (rows, 3))
        y_true = labels if name.startswith("Sparse") else np.eye(4, dtype=np.float32)[labels]
        weight = rng.uniform(0.1, 2, (rows, 3)).astype(np.float32)
        theirs.update_state(y_true, y_pred, sample_weight=weight)
        ours.update_state(y_true, y_pred, weight)
    np.testing.assert_allclose(ours.result(), np.asarray(theirs.result()), rtol=3e-5, atol=1e-6)


def test_weights_of_classes_where_a_metric_takes_rows():
    with pytest.raises(ConfigError, match=r"sample_weight of shape \(3, 2\) does not fit"):
        metrics.F1Score().update_state(np.ones((3, 2)), np.ones((3, 2)), np.ones((3, 2)))


def test_a_metric_forgets():
    metric = metrics.AUC()
    metric.update_state([0, 1], [0.2, 0.9])
    assert metric.result() == pytest.approx(1.0)
    metric.reset_state()
    metric.update_state([0, 1], [0.9, 0.2])
    assert metric.result() == pytest.approx(0.0)


def test_names():
    assert metrics.get("AUC").name == "auc"
    assert metrics.get("auc").name == "auc"
    assert metrics.get("mae").name == "mean_absolute_error"
    assert metrics.get(metrics.F1Score).name == "f1_score"
    with pytest.raises(ConfigError, match="no metric 'nonsense'"):
        metrics.get("nonsense")


@pytest.mark.parametrize(
    "name", ["binary_crossentropy", "hinge", "poisson", "kl_divergence", "mae", "binary_accuracy"]
)
def test_targets_of_one_axis(name):
    rng = np.random.default_rng(0)
    y_true, y_pred = (
        rng.integers(0, 2, 9).astype(np.float32),
        rng.uniform(0.1, 0.9, (9, 1)).astype(np.float32),
    )
    assert metrics.get(name)(y_true, y_pred) == metrics.get(name)(y_true[:, None], y_pred)
