"""Metrics counted at thresholds: true and false positives, precision, recall, AUC, F scores.

Each row adds, for every threshold, whether it was a true or a false positive, and once whether it is positive or
negative at all; negatives follow from these. Names, defaults and formulas are those of Keras 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

import numpy as np

from foldnet import ops
from foldnet.errors import ConfigError
from foldnet.ops import Expression
from foldnet.training.loss_functions import EPSILON, rank, same_rank
from foldnet.training.metrics import Metric
from foldnet.training.weighting import fitted, spread

Array = np.ndarray[Any, Any]


def _width(x: Any) -> int:
    shape = x.shape[1:] if isinstance(x, Expression) else np.shape(x)[1:]
    return prod(int(n or 1) for n in shape)


def _ratio(a: Array, b: Array) -> Array:
    """Quotient, 0 where the divisor is 0."""
    return np.divide(a, b, out=np.zeros_like(a, dtype=np.float64), where=np.asarray(b) != 0)


def _column(x: Any, index: int) -> Any:
    chosen = (np.arange(_width(x)) == index).astype(np.float32)
    return ops.sum(ops.multiply(x, chosen), axis=-1, keepdims=True)


def _among_top(y_pred: Any, k: int) -> Any:
    """1 where fewer than k values of the row are larger."""
    width = _width(y_pred)
    larger = ops.greater(ops.rows_of(y_pred, (1, width)), ops.rows_of(y_pred, (width, 1)))
    return ops.less(ops.sum(larger, axis=-1), float(k))


class Counts(Metric):
    """Base of the metrics counted at thresholds.

    Args:
        thresholds: one or more in [0, 1].
        top_k: count as positive only the k largest outputs of a row.
        class_id: look at one class only.
    """

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, dtype)
        self.init_thresholds, self.top_k, self.class_id = thresholds, top_k, class_id
        default = 0.5 if top_k is None else -1e10
        given = np.atleast_1d(np.asarray(default if thresholds is None else thresholds, np.float64))
        if thresholds is not None and not ((given >= 0) & (given <= 1)).all():
            raise ConfigError(f"thresholds must lie in [0, 1], got {thresholds}")
        self.thresholds = given
        self.by_label = False
        self.labels = 1

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        """True positives and false positives at each threshold, then positives and negatives."""
        return self.weighed_rows(y_true, y_pred)[0]

    def weighed_rows(self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None) -> tuple[Any, Any]:
        """The same, each output counted by its weight; a mask does not count, as in Keras."""
        y_true, y_pred = same_rank(y_true, y_pred)
        above = None if self.top_k is None else _among_top(y_pred, self.top_k)
        if self.class_id is not None:
            y_true, y_pred = _column(y_true, self.class_id), _column(y_pred, self.class_id)
            above = None if above is None else _column(above, self.class_id)
        width, count = _width(y_pred), len(self.thresholds)
        self.labels = width if self.by_label else 1
        true = ops.not_equal(y_true, 0.0)
        false = ops.subtract(1.0, true)
        if weight is not None:
            factor = spread(fitted(weight, true), rank(true))
            true, false = ops.multiply(true, factor), ops.multiply(false, factor)
        positive, negative = ops.rows_of(true, (width, 1)), ops.rows_of(false, (width, 1))
        over = ops.greater(
            ops.rows_of(y_pred, (width, 1)), self.thresholds.astype(np.float32).reshape(1, count)
        )
        if above is not None:
            over = ops.multiply(over, ops.rows_of(above, (width, 1)))
        parts = [ops.multiply(over, positive), ops.multiply(over, negative), positive, negative]
        if self.by_label:
            flat = [ops.rows_of(part, (_width(part),)) for part in parts]
        else:
            flat = [ops.sum(part, axis=1) for part in parts]
        return ops.concatenate(flat, axis=-1), None

    def counts(self, sums: Array) -> tuple[Array, Array, Array, Array]:
        """True positives, false positives, true negatives, false negatives: (thresholds,) or (labels, thresholds)."""
        count = len(self.thresholds) * self.labels
        shape = (self.labels, -1)
        tp, fp = sums[:count].reshape(shape), sums[count : 2 * count].reshape(shape)
        positives, negatives = (part.reshape(self.labels, 1) for part in np.split(sums[2 * count :], 2))
        quartet = (tp, fp, negatives - fp, positives - tp)
        return quartet if self.by_label else tuple(part[0] for part in quartet)

    def value(self, sums: Array, weight: float) -> Any:
        """The score at each threshold; one number for one threshold."""
        score = self.score(*self.counts(sums))
        return float(score[0]) if len(score) == 1 else score

    def score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        """From the counts at each threshold to the metric."""
        raise TypeError(f"{type(self).__name__} states no score")

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        # Keras has these two for some of the classes only.
        own = {k: v for k, v in {"top_k": self.top_k, "class_id": self.class_id}.items() if v is not None}
        return {"name": self.name, "thresholds": self.init_thresholds, **own}


class _Count(Counts):
    """Base of the four counts themselves, which Keras gives no ``top_k`` and no ``class_id``."""

    def __init__(
        self, thresholds: float | Sequence[float] | None = None, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(thresholds, name=name, dtype=dtype)


class TruePositives(_Count):
    """Positives above the threshold."""

    def score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        """The count."""
        return tp


class FalsePositives(_Count):
    """Negatives above the threshold."""

    def score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        """The count."""
        return fp


class TrueNegatives(_Count):
    """Negatives not above the threshold."""

    def score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        """The count."""
        return tn


class FalseNegatives(_Count):
    """Positives not above the threshold."""

    def score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        """The count."""
        return fn


class Precision(Counts):
    """True positives among those above the threshold."""

    direction = "up"

    def score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        """``tp / (tp + fp)``."""
        return _ratio(tp, tp + fp)


class Recall(Counts):
    """True positives among the positives."""

    direction = "up"

    def score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        """``tp / (tp + fn)``."""
        return _ratio(tp, tp + fn)


def _even(count: int) -> list[float]:
    return [(i + 1) / (count - 1) for i in range(count - 2)]


class _AtPoint(Counts):
    """The best of one score among the thresholds where another reaches a value."""

    direction = "up"
    setting: ClassVar[str]
    """Keras's name for the value to reach."""

    def __init__(
        self,
        value_at: float | None = None,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **named: Any,
    ) -> None:
        value_at = named.pop(self.setting, value_at)
        if named:
            raise ConfigError(f"{type(self).__name__} does not take {sorted(named)}")
        if value_at is None or not 0 <= value_at <= 1:
            raise ConfigError(f"{type(self).__name__} needs a {self.setting} in [0, 1], got {value_at}")
        if num_thresholds < 1:
            raise ConfigError(f"num_thresholds must be at least 1, got {num_thresholds}")
        thresholds = [0.5] if num_thresholds == 1 else [0.0, *_even(num_thresholds), 1.0]
        super().__init__(thresholds, class_id=class_id, name=name, dtype=dtype)
        self.point, self.num_thresholds = value_at, num_thresholds

    def pair(self, tp: Array, fp: Array, tn: Array, fn: Array) -> tuple[Array, Array]:
        """The score that must reach the value, and the one to be best."""
        raise TypeError(f"{type(self).__name__} states no pair of scores")

    def score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        """The best one; 0 where the value is never reached."""
        held, wanted = self.pair(tp, fp, tn, fn)
        return np.array([np.where(held >= self.point, wanted, 0.0).max(initial=0.0)])

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        own = {self.setting: self.point, "num_thresholds": self.num_thresholds, "class_id": self.class_id}
        return {"name": self.name, **own}


class SensitivityAtSpecificity(_AtPoint):
    """Best sensitivity where the specificity reaches a value."""

    setting = "specificity"

    def pair(self, tp: Array, fp: Array, tn: Array, fn: Array) -> tuple[Array, Array]:
        """Specificity, sensitivity."""
        return _ratio(tn, tn + fp), _ratio(tp, tp + fn)


class SpecificityAtSensitivity(_AtPoint):
    """Best specificity where the sensitivity reaches a value."""

    setting = "sensitivity"

    def pair(self, tp: Array, fp: Array, tn: Array, fn: Array) -> tuple[Array, Array]:
        """Sensitivity, specificity."""
        return _ratio(tp, tp + fn), _ratio(tn, tn + fp)


class PrecisionAtRecall(_AtPoint):
    """Best precision where the recall reaches a value."""

    setting = "recall"

    def pair(self, tp: Array, fp: Array, tn: Array, fn: Array) -> tuple[Array, Array]:
        """Recall, precision."""
        return _ratio(tp, tp + fn), _ratio(tp, tp + fp)


class RecallAtPrecision(_AtPoint):
    """Best recall where the precision reaches a value."""

    setting = "precision"

    def pair(self, tp: Array, fp: Array, tn: Array, fn: Array) -> tuple[Array, Array]:
        """Precision, recall."""
        return _ratio(tp, tp + fp), _ratio(tp, tp + fn)


class AUC(Counts):
    """Area under the ROC or the precision-recall curve, from counts at many thresholds.

    Args:
        num_thresholds: how many.
        curve: ``"ROC"`` or ``"PR"``.
        summation_method: ``"interpolation"``, ``"minoring"`` or ``"majoring"``.
        thresholds: instead of evenly spaced ones.
        multi_label: one curve a label; the mean of their areas, weighted by ``label_weights`` if given.
        from_logits: whether the outputs still want a sigmoid.
    """

    direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        if curve not in ("ROC", "PR"):
            raise ConfigError(f"curve is 'ROC' or 'PR', not {curve!r}")
        if summation_method not in ("interpolation", "minoring", "majoring"):
            raise ConfigError(f"summation_method {summation_method!r} is not one of Keras's")
        if thresholds is None and num_thresholds < 2:
            raise ConfigError(f"num_thresholds must be at least 2, got {num_thresholds}")
        super().__init__(None, name=name, dtype=dtype)
        inner = _even(num_thresholds) if thresholds is None else sorted(thresholds)
        self.even = thresholds is None
        self.thresholds = np.array([-EPSILON, *inner, 1.0 + EPSILON])
        self.curve, self.summation_method, self.by_label = curve, summation_method, multi_label
        self.num_thresholds, self.num_labels, self.from_logits = len(self.thresholds), num_labels, from_logits
        self.label_weights = None if label_weights is None else np.asarray(label_weights, np.float64)
        if self.label_weights is not None and not multi_label:
            raise ConfigError("label_weights go with multi_label=True")

    def weighed_rows(self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None) -> tuple[Any, Any]:
        """Counts at every threshold."""
        return super().weighed_rows(y_true, ops.sigmoid(y_pred) if self.from_logits else y_pred, weight, mask)

    def counts(self, sums: Array) -> tuple[Array, Array, Array, Array]:
        """The four counts, (labels, thresholds)."""
        if not self.by_label:
            return super().counts(sums)
        count = len(self.thresholds) * self.labels
        tp = sums[:count].reshape(self.labels, -1)
        fp = sums[count : 2 * count].reshape(self.labels, -1)
        positives, negatives = (part.reshape(-1, 1) for part in np.split(sums[2 * count :], 2))
        return tp, fp, negatives - fp, positives - tp

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        weights = None if self.label_weights is None else self.label_weights.tolist()
        config = {
            "name": self.name, "num_thresholds": self.num_thresholds, "curve": self.curve,
            "summation_method": self.summation_method, "multi_label": self.by_label,
            "num_labels": self.num_labels, "label_weights": weights, "from_logits": self.from_logits,
        }  # fmt: skip
        return config if self.even else {**config, "thresholds": self.thresholds[1:-1].tolist()}

    def value(self, sums: Array, weight: float) -> Any:
        """The area, or the mean of the labels' areas."""
        areas = np.atleast_1d(self.score(*self.counts(sums)))
        return float(np.average(areas, weights=self.label_weights if self.by_label else None))

    def score(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        """Area under the curve along the last axis."""
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._interpolated_pr(tp, fp, fn)
        x = _ratio(fp, fp + tn) if self.curve == "ROC" else _ratio(tp, tp + fn)
        y = _ratio(tp, tp + fn) if self.curve == "ROC" else _ratio(tp, tp + fp)
        left, right = y[..., :-1], y[..., 1:]
        height = {
            "interpolation": (left + right) / 2,
            "minoring": np.minimum(left, right),
            "majoring": np.maximum(left, right),
        }[self.summation_method]
        return np.asarray(((x[..., :-1] - x[..., 1:]) * height).sum(axis=-1))

    @staticmethod
    def _interpolated_pr(tp: Array, fp: Array, fn: Array) -> Array:
        # Davis and Goadrich (2006): between two thresholds true positives grow linearly with all positives.
        found = tp + fp
        rise, run = tp[..., :-1] - tp[..., 1:], found[..., :-1] - found[..., 1:]
        slope = _ratio(rise, np.maximum(run, 0))
        start = tp[..., 1:] - slope * found[..., 1:]
        both = (found[..., :-1] > 0) & (found[..., 1:] > 0)
        growth = np.where(both, _ratio(found[..., :-1], np.maximum(found[..., 1:], 0)), 1.0)
        area = slope * (rise + start * np.log(np.where(growth > 0, growth, 1.0)))
        return np.asarray(_ratio(area, np.maximum(tp[..., 1:] + fn[..., 1:], 0)).sum(axis=-1))
