"""Keras's ``metrics`` module: ``from foldnet.metrics import AUC``."""

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
from foldnet.training.metric_names import CLASSES, R2Score, RootMeanSquaredError, get
from foldnet.training.metrics import MeanMetricWrapper, Metric

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

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
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
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "get",
]
