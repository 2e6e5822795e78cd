"""Regression metrics: root mean squared error, R² and correlations. Names and formulas are those of Keras 3."""

from __future__ import annotations

from typing import Any, Literal, assert_never, get_args

import numpy as np

from foldnet import ops
from foldnet.arrays import Array
from foldnet.backend import epsilon
from foldnet.errors import ConfigError, InputError
from foldnet.literals import member
from foldnet.training import loss_functions as f
from foldnet.training.metrics import Mean, SummedMetric
from foldnet.training.state import StateVariable
from foldnet.training.targets import check_same_shape, shown
from foldnet.training.weighting import fitted, mean_rows, shape_of, spread
from foldnet.warn import warn


class RootMeanSquaredError(Mean):
    """Root of the mean squared error."""

    direction = "down"

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    update_state = SummedMetric.update_state  # type: ignore[assignment]

    def weighted_rows(
        self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None
    ) -> tuple[Any, Any]:
        """Squared errors times the weights; a mask is ignored, as in Keras."""
        return mean_rows(ops.square(ops.subtract(*f.same_rank(y_true, y_pred))), weight)

    def result(self) -> float:
        """Root of the mean squared error."""
        return float(np.sqrt(super().result()))


ClassAggregation = Literal["uniform_average", "variance_weighted_average"]
CLASS_AGGREGATIONS: tuple[ClassAggregation, ...] = get_args(ClassAggregation)


class R2Score(SummedMetric):
    """R² score: the share of the targets' variance that the outputs explain.

    Args:
        class_aggregation: ``"uniform_average"``, ``"variance_weighted_average"``, or None for one score per output.
        num_regressors: number of inputs, for the adjusted score. As in Keras every target counts as one
            sample (rows times outputs), whatever its weight.
        name: in the logs.
        dtype: for computing on arrays.
    """

    direction = "up"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        found = member(class_aggregation, CLASS_AGGREGATIONS)
        if found is None and class_aggregation is not None:
            raise ConfigError(f"class_aggregation {class_aggregation!r} is not one of Keras's")
        if num_regressors < 0:
            raise ConfigError(f"num_regressors must be 0 or more, got {num_regressors}")
        self.class_aggregation, self.num_regressors = found, num_regressors
        self.num_samples = self._sums("num_samples")
        self.squared_sum: StateVariable | None = None

    def weighted_rows(
        self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None
    ) -> tuple[Any, Any]:
        """Targets, their squares, squared errors and weights of each output, then 1 for each output.

        Raises:
            InputError: targets or outputs that are not shaped (rows, outputs).
        """
        y_true, y_pred = f.same_rank(y_true, y_pred)
        check_rows_of_numbers(y_true, y_pred, "R2Score")
        check_same_shape(y_true, y_pred, "R2Score")
        ones = ops.logical_or(y_true, 1.0)
        errors = ops.square(ops.subtract(y_true, y_pred))
        parts = [y_true, ops.square(y_true), errors, ones]
        if weight is not None:
            factor = spread(fitted(weight, y_true), 2)
            parts = [ops.multiply(part, factor) for part in parts]
        return ops.concatenate([*parts, ones], axis=-1), None

    def add_sums(self, sums: Array, weight: float) -> None:
        """Add to the sums of each output."""
        total, squares, residual, count, samples = np.split(sums, 5)
        if self.squared_sum is None:
            shape = (len(total),)
            self.squared_sum, self.sum = self._sums("squared_sum", shape), self._sums("sum", shape)
            self.total_mse, self.count = self._sums("residual", shape), self._sums("count", shape)
        self.sum.assign_add(total)
        self.squared_sum.assign_add(squares)
        self.total_mse.assign_add(residual)
        self.count.assign_add(count)
        self.num_samples.assign_add(samples.sum())

    def result(self) -> Any:
        """``1 - residual / total``."""
        if self.squared_sum is None:
            return 0.0
        with np.errstate(all="ignore"):
            variance = self.squared_sum - self.sum * (self.sum / self.count)
            raw = 1 - self.total_mse / variance
            raw = np.where(np.isinf(raw), 0.0, raw)
            score: Any
            match self.class_aggregation:
                case None:
                    score = raw
                case "uniform_average":
                    score = float(raw.mean())
                case "variance_weighted_average":
                    score = float((variance * raw).sum() / variance.sum())
                case _:
                    assert_never(self.class_aggregation)
        return self._adjusted(score)

    def _adjusted(self, score: Any) -> Any:
        free = float(self.num_samples) - 1 - self.num_regressors
        if self.num_regressors == 0 or free == -1 - self.num_regressors:
            return score
        if free <= 0:
            why = "as many inputs as samples but one" if free == 0 else "more inputs than samples"
            warn(f"{self.name}: {why}, so the score is not adjusted")
            return score
        return 1 - (1 - score) * (float(self.num_samples) - 1) / free

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        own = {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors}
        return {**super().get_config(), **own}


def check_rows_of_numbers(y_true: Any, y_pred: Any, name: str) -> None:
    """Check that targets and outputs have the shape (rows, outputs).

    Raises:
        InputError: they do not.
    """
    if f.rank(y_true) != 2 or f.rank(y_pred) != 2:
        raise InputError(
            f"{name} expects targets and outputs of shape (rows, outputs), got {shown(shape_of(y_true))} and "
            f"{shown(shape_of(y_pred))}; reshape them"
        )


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """``sum(y_true * y_pred)``, both normalized to length 1 along the axis."""
    return ops.negative(f.cosine_similarity(y_true, y_pred, axis))


def _centred(y: Any, axis: int) -> Any:
    return ops.subtract(y, ops.mean(y, axis=axis, keepdims=True))


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Pearson's correlation of each row's targets and outputs."""
    y_true, y_pred = (_centred(y, axis) for y in f.same_rank(y_true, y_pred))

    def unit(y: Any) -> Any:
        return ops.divide(y, ops.sqrt(ops.mean(ops.square(_centred(y, axis)), axis=axis, keepdims=True)))

    return ops.mean(ops.multiply(unit(y_true), unit(y_pred)), axis=axis)


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Lin's concordance correlation of each row's targets and outputs: 1 only if they are equal."""
    y_true, y_pred = f.same_rank(y_true, y_pred)
    true, pred = _centred(y_true, axis), _centred(y_pred, axis)

    def mean(y: Any) -> Any:
        return ops.mean(y, axis=axis)

    apart = ops.square(ops.subtract(mean(y_true), mean(y_pred)))
    around = ops.add(ops.add(mean(ops.square(true)), mean(ops.square(pred))), apart)
    return ops.divide(ops.multiply(2.0, mean(ops.multiply(true, pred))), ops.add(around, epsilon()))
