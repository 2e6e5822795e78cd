"""Every metric by its Keras name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from foldnet import ops
from foldnet.errors import ConfigError
from foldnet.training import confusion, losses
from foldnet.training import metrics as m
from foldnet.training.metrics import MeanMetricWrapper, Metric

Array = np.ndarray[Any, Any]


class RootMeanSquaredError(Metric):
    """Root of the mean squared error."""

    direction = "down"

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        """Squared errors."""
        return MeanMetricWrapper(losses.mean_squared_error).rows(y_true, y_pred)

    def value(self, sums: Array, weight: float) -> float:
        """Root of their mean."""
        return float(np.sqrt(super().value(sums, weight)))


class R2Score(Metric):
    """Share of the targets' variance that the outputs explain.

    Args:
        class_aggregation: ``"uniform_average"``, ``"variance_weighted_average"``, or None for one score an output.
    """

    direction = "up"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, dtype)
        if class_aggregation not in (None, "uniform_average", "variance_weighted_average"):
            raise ConfigError(f"class_aggregation {class_aggregation!r} is not one of Keras's")
        if num_regressors < 0:
            raise ConfigError(f"num_regressors must be 0 or more, got {num_regressors}")
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        """Targets, their squares, and squared errors of each output."""
        y_true, y_pred = losses.same_rank(y_true, y_pred)
        errors = ops.square(ops.subtract(y_true, y_pred))
        return ops.concatenate([y_true, ops.square(y_true), errors], axis=-1)

    def value(self, sums: Array, weight: float) -> Any:
        """``1 - residual / total``."""
        total, squares, residual = np.split(np.asarray(sums), 3)
        spread = squares - total * (total / weight)
        raw = 1 - np.divide(residual, spread, out=np.full_like(residual, np.inf), where=spread != 0)
        raw = np.where(np.isinf(raw), 0.0, raw)
        if self.class_aggregation is None:
            return raw
        weights = spread if self.class_aggregation == "variance_weighted_average" else None
        score = float(np.average(raw, weights=weights))
        # Keras counts every target as a sample here, rows times outputs.
        count = weight * len(total)
        if not 0 < self.num_regressors < count - 1:
            return score
        return 1 - (1 - score) * (count - 1) / (count - self.num_regressors - 1)


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the one-hot label's output is among the k largest."""
    return sparse_top_k_categorical_accuracy(ops.argmax(y_true, axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the label's output is among the k largest."""
    if losses._rank(y_true) == losses._rank(y_pred) and losses._last(y_true) == 1:
        y_true = ops.squeeze_last(y_true)
    own = ops.sum(ops.multiply(ops.one_hot(y_true, losses._last(y_pred)), y_pred), axis=-1, keepdims=True)
    return ops.less(ops.sum(ops.greater(y_pred, own), axis=-1), float(k))


def _cosine(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    return ops.negative(losses.cosine_similarity(y_true, y_pred, axis))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **losses.FUNCTIONS,
    "accuracy": m.accuracy,
    "binary_accuracy": m.binary_accuracy,
    "categorical_accuracy": m.categorical_accuracy,
    "sparse_categorical_accuracy": m.sparse_categorical_accuracy,
    "top_k_categorical_accuracy": top_k_categorical_accuracy,
    "sparse_top_k_categorical_accuracy": sparse_top_k_categorical_accuracy,
}
"""Functions of one number a row whose mean is a metric."""


def _mean_class(title: str, function: Callable[..., Any], default_name: str) -> type[Metric]:
    """A class for the mean of a function, with the function's own settings as keyword arguments."""

    def initialize(
        self: Any, *args: Any, name: str | None = None, dtype: Any = None, **settings: Any
    ) -> None:
        given = dict(zip(losses.settings_names(function), args, strict=False)) | settings
        MeanMetricWrapper.__init__(self, function, name or default_name, dtype, **given)

    doc = f"The mean over all rows of: {function.__doc__}"
    # Pickles find the class where users do.
    home = "foldnet.metrics"
    return type(title, (MeanMetricWrapper,), {"__init__": initialize, "__doc__": doc, "__module__": home})


_MEANS: dict[str, tuple[Callable[..., Any], str]] = {
    "Accuracy": (m.accuracy, "accuracy"),
    "BinaryAccuracy": (m.binary_accuracy, "binary_accuracy"),
    "CategoricalAccuracy": (m.categorical_accuracy, "categorical_accuracy"),
    "SparseCategoricalAccuracy": (m.sparse_categorical_accuracy, "sparse_categorical_accuracy"),
    "TopKCategoricalAccuracy": (top_k_categorical_accuracy, "top_k_categorical_accuracy"),
    "SparseTopKCategoricalAccuracy": (
        sparse_top_k_categorical_accuracy,
        "sparse_top_k_categorical_accuracy",
    ),
    "BinaryCrossentropy": (losses.binary_crossentropy, "binary_crossentropy"),
    "CategoricalCrossentropy": (losses.categorical_crossentropy, "categorical_crossentropy"),
    "SparseCategoricalCrossentropy": (
        losses.sparse_categorical_crossentropy,
        "sparse_categorical_crossentropy",
    ),
    "KLDivergence": (losses.kl_divergence, "kl_divergence"),
    "Poisson": (losses.poisson, "poisson"),
    "MeanSquaredError": (losses.mean_squared_error, "mean_squared_error"),
    "MeanAbsoluteError": (losses.mean_absolute_error, "mean_absolute_error"),
    "MeanAbsolutePercentageError": (losses.mean_absolute_percentage_error, "mean_absolute_percentage_error"),
    "MeanSquaredLogarithmicError": (losses.mean_squared_logarithmic_error, "mean_squared_logarithmic_error"),
    "CosineSimilarity": (_cosine, "cosine_similarity"),
    "LogCoshError": (losses.log_cosh, "logcosh"),
    "Hinge": (losses.hinge, "hinge"),
    "SquaredHinge": (losses.squared_hinge, "squared_hinge"),
    "CategoricalHinge": (losses.categorical_hinge, "categorical_hinge"),
}

CLASSES: dict[str, Callable[..., Metric]] = {
    **{title: _mean_class(title, *entry) for title, entry in _MEANS.items()},
    "RootMeanSquaredError": RootMeanSquaredError,
    "R2Score": R2Score,
    **{
        cls.__name__: cls
        for cls in (
            confusion.TruePositives,
            confusion.FalsePositives,
            confusion.TrueNegatives,
            confusion.FalseNegatives,
            confusion.Precision,
            confusion.Recall,
            confusion.SensitivityAtSpecificity,
            confusion.SpecificityAtSensitivity,
            confusion.PrecisionAtRecall,
            confusion.RecallAtPrecision,
            confusion.AUC,
            confusion.FBetaScore,
            confusion.F1Score,
        )
    },
}
"""Every metric class by its Keras name."""


def get(identifier: Any) -> Metric:
    """The metric that is meant: one itself, a function, a name, or Keras's stored configuration.

    Raises:
        ConfigError: there is none of this name.

    >>> get("mae").name
    'mae'
    """
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        return identifier()
    config: dict[str, Any] = {}
    if isinstance(identifier, Mapping):
        stored = identifier.get("config")
        if isinstance(stored, str):
            return get(stored)
        identifier, config = identifier.get("class_name"), dict(stored or {})
        config.pop("fn", None)
        config.pop("dtype", None)
    if callable(identifier):
        return MeanMetricWrapper(identifier)
    name = str(identifier)
    if name in CLASSES:
        return CLASSES[name](**config)
    key = losses.ALIASES.get(name.lower(), name)
    if key in FUNCTIONS:
        return MeanMetricWrapper(FUNCTIONS[key], name)
    by_name = {
        cls().name: cls
        for title, cls in CLASSES.items()
        if not title.endswith(("Specificity", "Sensitivity", "AtRecall", "AtPrecision"))
    }
    if name.lower() in by_name:
        return by_name[name.lower()]()
    raise ConfigError(f"there is no metric {identifier!r}; there are {', '.join([*CLASSES, *FUNCTIONS])}")
