"""Keras's ``metrics`` module: ``from foldnet.metrics import AUC``."""

from typing import Any

from foldnet.training.confusion import (
    AUC,
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
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
from foldnet.training.metric_names import (
    CLASSES,
    R2Score,
    RootMeanSquaredError,
    concordance_correlation,
    get,
    pearson_correlation,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from foldnet.training.metrics import (
    Mean,
    MeanMetricWrapper,
    Metric,
    Sum,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
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

deserialize = get


def serialize(metric: Any) -> Any:
    """The configuration as Keras stores it."""
    from foldnet.files.compile_settings import stored_metric

    return stored_metric(metric)


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
