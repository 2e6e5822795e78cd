"""F scores, which combine precision and recall, by class. Names and formulas are those of Keras 3."""

from __future__ import annotations

from typing import Any, Literal, assert_never, get_args

import numpy as np

from foldnet import ops
from foldnet.arrays import Array
from foldnet.backend import epsilon
from foldnet.errors import ConfigError
from foldnet.literals import member
from foldnet.training.loss_functions import numbers
from foldnet.training.metrics import SummedMetric
from foldnet.training.regressions import check_rows_of_numbers
from foldnet.training.state import StateVariable
from foldnet.training.targets import check_same_shape
from foldnet.training.weighting import fitted, spread

Average = Literal["micro", "macro", "weighted"]
AVERAGES: tuple[Average, ...] = get_args(Average)


class FBetaScore(SummedMetric):
    """Weighted harmonic mean of precision and recall, by class.

    Args:
        average: None for one score per class; ``"micro"``, ``"macro"`` or ``"weighted"`` for one score in all.
        beta: weight of recall relative to precision.
        threshold: outputs above it are positive; None takes the largest output of each row.
    """

    direction = "up"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        found = member(average, AVERAGES)
        if found is None and average is not None:
            raise ConfigError(f"average {average!r} is not one of None, 'micro', 'macro', 'weighted'")
        if not isinstance(beta, float) or beta <= 0:
            raise ConfigError(f"beta must be a float above 0, got {beta!r}")
        if threshold is not None and not (isinstance(threshold, float) and 0 < threshold <= 1):
            raise ConfigError(f"threshold must be None or a float in (0, 1], got {threshold!r}")
        self.average, self.beta, self.threshold = found, beta, threshold
        self.true_positives: StateVariable | None = None

    def weighted_rows(
        self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None
    ) -> tuple[Any, Any]:
        """True positives, false positives, false negatives and positives by class, times the row's weight.

        Raises:
            ConfigError: weights of another shape than (rows,).
            InputError: targets or outputs that are not (rows, classes).
        """
        y_true, y_pred = numbers(y_true, y_pred)
        check_rows_of_numbers(y_true, y_pred, type(self).__name__)
        check_same_shape(y_true, y_pred, self.name)
        if self.threshold is None:
            largest = ops.max(y_pred, axis=-1, keepdims=True)
            found = ops.logical_and(ops.greater_equal(y_pred, largest), ops.greater(ops.abs(y_pred), 1e-9))
        else:
            found = ops.greater(y_pred, self.threshold)
        missed = ops.multiply(ops.subtract(1.0, found), y_true)
        wrong = ops.multiply(found, ops.subtract(1.0, y_true))
        parts = [ops.multiply(found, y_true), wrong, missed, y_true]
        if weight is not None:
            factor = spread(fitted(weight, ops.sum(y_true, axis=-1)), 2)
            parts = [ops.multiply(part, factor) for part in parts]
        return ops.concatenate(parts, axis=-1), None

    def add_sums(self, sums: Array, weight: float) -> None:
        """Add to the counts of each class, or of all of them."""
        parts = np.split(sums, 4)
        if self.average == "micro":
            parts = [part.sum() for part in parts]
        if self.true_positives is None:
            shape = np.shape(parts[0])
            self.true_positives = self._sums("true_positives", shape)
            self.false_positives = self._sums("false_positives", shape)
            self.false_negatives = self._sums("false_negatives", shape)
            self.intermediate_weights = self._sums("intermediate_weights", shape)
        self.true_positives.assign_add(parts[0])
        self.false_positives.assign_add(parts[1])
        self.false_negatives.assign_add(parts[2])
        self.intermediate_weights.assign_add(parts[3])

    def result(self) -> Any:
        """The score."""
        if self.true_positives is None:
            return 0.0
        tp, support = self.true_positives.numpy(), self.intermediate_weights.numpy()
        precision = tp / (tp + self.false_positives + epsilon())
        recall = tp / (tp + self.false_negatives + epsilon())
        squared = self.beta**2
        score = precision * recall / (squared * precision + recall + epsilon()) * (1 + squared)
        match self.average:
            case None:
                return score
            case "weighted":
                return float((score * support / (support.sum() + epsilon())).sum())
            case "micro" | "macro":
                return float(np.mean(score))
            case _:
                assert_never(self.average)

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        own = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {**super().get_config(), **own}


class F1Score(FBetaScore):
    """Harmonic mean of precision and recall, by class (``FBetaScore`` with beta 1)."""

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        config = super().get_config()
        del config["beta"]
        return config
