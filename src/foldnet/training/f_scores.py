"""F scores: one number for precision and recall together, by class. Names and formulas are those of Keras 3."""

from __future__ import annotations

from typing import Any

import numpy as np

from foldnet import ops
from foldnet.errors import ConfigError
from foldnet.training.loss_functions import EPSILON
from foldnet.training.metrics import Metric

Array = np.ndarray[Any, Any]


class FBetaScore(Metric):
    """Weighted harmonic mean of precision and recall, by class.

    Args:
        average: None gives one score a class; ``"micro"``, ``"macro"`` or ``"weighted"`` one for all.
        beta: how much more recall counts than precision.
        threshold: from which an output counts as positive; None takes the largest of a row.
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
        super().__init__(name, dtype)
        if average not in (None, "micro", "macro", "weighted"):
            raise ConfigError(f"average {average!r} is not one of None, 'micro', 'macro', 'weighted'")
        if beta <= 0:
            raise ConfigError(f"beta must be positive, got {beta}")
        if threshold is not None and not 0 < threshold <= 1:
            raise ConfigError(f"threshold must lie in (0, 1], got {threshold}")
        self.average, self.beta, self.threshold = average, beta, threshold

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        """True positives, false positives, false negatives by class."""
        if self.threshold is None:
            largest = ops.max(y_pred, axis=-1, keepdims=True)
            found = ops.logical_and(ops.greater_equal(y_pred, largest), ops.greater(ops.abs(y_pred), 1e-9))
        else:
            found = ops.greater(y_pred, self.threshold)
        missed = ops.multiply(ops.subtract(1.0, found), y_true)
        wrong = ops.multiply(found, ops.subtract(1.0, y_true))
        return ops.concatenate([ops.multiply(found, y_true), wrong, missed], axis=-1)

    def value(self, sums: Array, weight: float) -> Any:
        """The score."""
        tp, fp, fn = np.split(np.asarray(sums), 3)
        support = tp + fn
        if self.average == "micro":
            tp, fp, fn = tp.sum(), fp.sum(), fn.sum()
        precision, recall = tp / (tp + fp + EPSILON), tp / (tp + fn + EPSILON)
        squared = self.beta**2
        score = precision * recall / (squared * precision + recall + EPSILON) * (1 + squared)
        if self.average is None:
            return score
        if self.average == "weighted":
            return float((score * support / (support.sum() + EPSILON)).sum())
        return float(np.mean(score))

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        own = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {"name": self.name, **own}


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
