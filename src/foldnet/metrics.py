"""Keras's ``metrics`` module: ``from foldnet.metrics import AUC``."""

from collections.abc import Mapping
from typing import Any

from foldnet.missing_names import absent
from foldnet.training.accuracies import (
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from foldnet.training.confusion import (
    FalseNegatives,
    FalsePositives,
    Precision,
    Recall,
    TrueNegatives,
    TruePositives,
)
from foldnet.training.curves import (
    AUC,
    PrecisionAtRecall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
)
from foldnet.training.f_scores import F1Score, FBetaScore
from foldnet.training.loss_functions import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from foldnet.training.metric import Metric
from foldnet.training.metric_names import CLASSES
from foldnet.training.metric_names import get as _metric_of
from foldnet.training.metrics import Mean, MeanMetricWrapper, Sum
from foldnet.training.regressions import (
    R2Score,
    RootMeanSquaredError,
    concordance_correlation,
    pearson_correlation,
)

Accuracy = CLASSES["Accuracy"]
BinaryAccuracy = CLASSES["BinaryAccuracy"]
CategoricalAccuracy = CLASSES["CategoricalAccuracy"]
SparseCategoricalAccuracy = CLASSES["SparseCategoricalAccuracy"]
TopKCategoricalAccuracy = CLASSES["TopKCategoricalAccuracy"]
SparseTopKCategoricalAccuracy = CLASSES["SparseTopKCategoricalAccuracy"]
BinaryCrossentropy = CLASSES["BinaryCrossentropy"]
CategoricalCrossentropy = CLASSES["CategoricalCrossentropy"]
SparseCategoricalCrossentropy = CLASSES["SparseCategoricalCrossentropy"]
KLDivergence = CLASSES["KLDivergence"]
Poisson = CLASSES["Poisson"]
MeanSquaredError = CLASSES["MeanSquaredError"]
MeanAbsoluteError = CLASSES["MeanAbsoluteError"]
MeanAbsolutePercentageError = CLASSES["MeanAbsolutePercentageError"]
MeanSquaredLogarithmicError = CLASSES["MeanSquaredLogarithmicError"]
CosineSimilarity = CLASSES["CosineSimilarity"]
LogCoshError = CLASSES["LogCoshError"]
Hinge = CLASSES["Hinge"]
SquaredHinge = CLASSES["SquaredHinge"]
CategoricalHinge = CLASSES["CategoricalHinge"]
PearsonCorrelation = CLASSES["PearsonCorrelation"]
ConcordanceCorrelation = CLASSES["ConcordanceCorrelation"]


def get(identifier: Any) -> Any:
    """The metric for an identifier: an object for its class, name or configuration; a function unchanged; or None.

    Raises:
        ConfigError: there is no such name.

    >>> get("mse").name, get(None)
    ('mean_squared_error', None)
    """
    if identifier is None or (callable(identifier) and not isinstance(identifier, type)):
        return identifier
    return _metric_of(identifier)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The metric for a configuration from ``serialize``.

    Raises:
        ConfigError: there is no such name.
    """
    title = config.get("class_name") if isinstance(config, Mapping) else config
    own: Any = (custom_objects or {}).get(str(title))
    if own is None:
        return get(config)
    return own.from_config(config.get("config") or {}) if hasattr(own, "from_config") else own


def serialize(metric: Any) -> Any:
    """The configuration as Keras stores it."""
    from foldnet.files.compile_settings import serialized_metric

    return serialized_metric(metric)


__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "PearsonCorrelation",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "binary_accuracy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "concordance_correlation",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "pearson_correlation",
    "poisson",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
]


def __getattr__(name: str) -> Any:
    raise absent("metrics", name)
