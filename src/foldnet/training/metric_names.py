"""Every metric by its Keras name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from foldnet import ops
from foldnet.errors import ConfigError
from foldnet.training import confusion, f_scores, losses
from foldnet.training import loss_functions as f
from foldnet.training import metrics as m
from foldnet.training.lookup import Kind, look_up
from foldnet.training.metrics import MeanMetricWrapper, Metric
from foldnet.training.weighting import mean_rows

Array = np.ndarray[Any, Any]


class RootMeanSquaredError(Metric):
    """Root of the mean squared error."""

    direction = "down"

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        """Squared errors."""
        return self.weighed_rows(y_true, y_pred)[0]

    def weighed_rows(self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None) -> tuple[Any, Any]:
        """Squared errors times their weights; a mask does not count, as in Keras."""
        return mean_rows(ops.square(ops.subtract(*f.same_rank(y_true, y_pred))), weight)

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
        y_true, y_pred = f.same_rank(y_true, y_pred)
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
    if f.rank(y_true) == f.rank(y_pred) and f.last_size(y_true) == 1:
        y_true = ops.squeeze_last(y_true)
    own = ops.sum(ops.multiply(ops.one_hot(y_true, f.last_size(y_pred)), y_pred), axis=-1, keepdims=True)
    return ops.less(ops.sum(ops.greater(y_pred, own), axis=-1), float(k))


def _cosine(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    return ops.negative(f.cosine_similarity(y_true, y_pred, axis))


def _centred(y: Any, axis: int) -> Any:
    return ops.subtract(y, ops.mean(y, axis=axis, keepdims=True))


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Pearson's correlation of each row's targets and outputs."""
    y_true, y_pred = (_centred(y, axis) for y in f.same_rank(y_true, y_pred))

    def unit(y: Any) -> Any:
        return ops.divide(y, ops.sqrt(ops.mean(ops.square(y), axis=axis, keepdims=True)))

    return ops.mean(ops.multiply(unit(y_true), unit(y_pred)), axis=axis)


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Lin's concordance of each row's targets and outputs: 1 only where they are the same."""
    y_true, y_pred = f.same_rank(y_true, y_pred)
    true, pred = _centred(y_true, axis), _centred(y_pred, axis)

    def mean(y: Any) -> Any:
        return ops.mean(y, axis=axis)

    apart = ops.square(ops.subtract(mean(y_true), mean(y_pred)))
    spread = ops.add(ops.add(mean(ops.square(true)), mean(ops.square(pred))), apart)
    return ops.divide(ops.multiply(2.0, mean(ops.multiply(true, pred))), ops.add(spread, f.EPSILON))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **f.FUNCTIONS,
    "accuracy": m.accuracy,
    "binary_accuracy": m.binary_accuracy,
    "categorical_accuracy": m.categorical_accuracy,
    "sparse_categorical_accuracy": m.sparse_categorical_accuracy,
    "top_k_categorical_accuracy": top_k_categorical_accuracy,
    "sparse_top_k_categorical_accuracy": sparse_top_k_categorical_accuracy,
    "pearson_correlation": pearson_correlation,
    "concordance_correlation": concordance_correlation,
}
"""Functions of one number a row whose mean is a metric."""


def _mean_class(title: str, function: Callable[..., Any], default_name: str) -> type[Metric]:
    """A class for the mean of a function, with the function's own settings among its arguments, in Keras's order."""
    own = losses.settings_names(function)
    order = [*own, "name", "dtype"] if own == ["k"] else ["name", "dtype", *own]

    def initialize(self: Any, *args: Any, **kwargs: Any) -> None:
        given = losses.bound(title, order, args, kwargs)
        name = given.pop("name", None) or default_name
        MeanMetricWrapper.__init__(self, function, name, given.pop("dtype", None), **given)

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
    "BinaryCrossentropy": (f.binary_crossentropy, "binary_crossentropy"),
    "CategoricalCrossentropy": (f.categorical_crossentropy, "categorical_crossentropy"),
    "SparseCategoricalCrossentropy": (
        f.sparse_categorical_crossentropy,
        "sparse_categorical_crossentropy",
    ),
    "KLDivergence": (f.kl_divergence, "kl_divergence"),
    "Poisson": (f.poisson, "poisson"),
    "MeanSquaredError": (f.mean_squared_error, "mean_squared_error"),
    "MeanAbsoluteError": (f.mean_absolute_error, "mean_absolute_error"),
    "MeanAbsolutePercentageError": (f.mean_absolute_percentage_error, "mean_absolute_percentage_error"),
    "MeanSquaredLogarithmicError": (f.mean_squared_logarithmic_error, "mean_squared_logarithmic_error"),
    "CosineSimilarity": (_cosine, "cosine_similarity"),
    "LogCoshError": (f.log_cosh, "logcosh"),
    "Hinge": (f.hinge, "hinge"),
    "SquaredHinge": (f.squared_hinge, "squared_hinge"),
    "CategoricalHinge": (f.categorical_hinge, "categorical_hinge"),
    "PearsonCorrelation": (pearson_correlation, "pearson_correlation"),
    "ConcordanceCorrelation": (concordance_correlation, "concordance_correlation"),
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
            f_scores.FBetaScore,
            f_scores.F1Score,
        )
    },
}
"""Every metric class by its Keras name."""


def _by_instance_name() -> dict[str, Callable[..., Metric]]:
    """Classes under the names that they report, but for those that need settings."""
    needing = ("Specificity", "Sensitivity", "AtRecall", "AtPrecision")
    return {cls().name: cls for title, cls in CLASSES.items() if not title.endswith(needing)}


_KIND = Kind("metric", Metric, CLASSES, FUNCTIONS, MeanMetricWrapper, _by_instance_name)


def get(identifier: Any) -> Metric:
    """The metric that is meant: one itself, a function, a name, or Keras's stored configuration.

    Raises:
        ConfigError: there is none of this name.

    >>> get("mae").name
    'mae'
    """
    found: Metric = look_up(identifier, _KIND)
    return found
