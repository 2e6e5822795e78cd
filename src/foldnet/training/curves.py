"""Metrics over many thresholds: AUC, and the best value of one score where another reaches a given value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, assert_never, get_args

import numpy as np

from foldnet import ops
from foldnet.arrays import Array
from foldnet.backend import epsilon
from foldnet.errors import ConfigError, InputError
from foldnet.literals import member
from foldnet.training.confusion import Counts, are_evenly_spaced, inner_thresholds, ratio
from foldnet.training.loss_functions import rank
from foldnet.training.state import StateVariable
from foldnet.training.targets import shown
from foldnet.training.weighting import shape_of

ALL_COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


class _Curve(Counts):
    """Base class with all four counts."""

    direction = "up"
    kept = ALL_COUNTS
    true_positives: StateVariable
    false_positives: StateVariable
    true_negatives: StateVariable
    false_negatives: StateVariable

    def _counts(self) -> tuple[Array, Array, Array, Array]:
        return tuple(self._count_of(name).numpy() for name in ALL_COUNTS)  # type: ignore[return-value]


class _AtPoint(_Curve):
    """The best value of one score among the thresholds where another score reaches a given value."""

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
        thresholds = [0.5] if num_thresholds == 1 else [0.0, *inner_thresholds(num_thresholds), 1.0]
        super().__init__(thresholds, class_id=class_id, name=name, dtype=dtype)
        self._even = num_thresholds > 1
        self.value, self.num_thresholds = value_at, num_thresholds
        setattr(self, self.setting, value_at)

    def pair(self, tp: Array, fp: Array, tn: Array, fn: Array) -> tuple[Array, Array]:
        """The score that must reach the value, and the score to maximize."""
        raise NotImplementedError(f"{type(self).__name__} must define a pair of scores")

    def result(self) -> float:
        """The best score; 0 if the value is never reached."""
        constrained, score = self.pair(*self._counts())
        # Keras compares in float32, where a ratio such as 0.7 equals the value asked for.
        reached = constrained.astype(np.float32) >= np.float32(self.value)
        return float(np.where(reached, score, 0.0).max(initial=0.0))

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        own = {self.setting: self.value, "num_thresholds": self.num_thresholds, "class_id": self.class_id}
        return {"name": self.name, "dtype": self.dtype, **own}


class SensitivityAtSpecificity(_AtPoint):
    """Best sensitivity where the specificity reaches a value."""

    setting = "specificity"

    def pair(self, tp: Array, fp: Array, tn: Array, fn: Array) -> tuple[Array, Array]:
        """Specificity, sensitivity."""
        return ratio(tn, tn + fp), ratio(tp, tp + fn)


class SpecificityAtSensitivity(_AtPoint):
    """Best specificity where the sensitivity reaches a value."""

    setting = "sensitivity"

    def pair(self, tp: Array, fp: Array, tn: Array, fn: Array) -> tuple[Array, Array]:
        """Sensitivity, specificity."""
        return ratio(tp, tp + fn), ratio(tn, tn + fp)


class PrecisionAtRecall(_AtPoint):
    """Best precision where the recall reaches a value."""

    setting = "recall"

    def pair(self, tp: Array, fp: Array, tn: Array, fn: Array) -> tuple[Array, Array]:
        """Recall, precision."""
        return ratio(tp, tp + fn), ratio(tp, tp + fp)


class RecallAtPrecision(_AtPoint):
    """Best recall where the precision reaches a value."""

    setting = "precision"

    def pair(self, tp: Array, fp: Array, tn: Array, fn: Array) -> tuple[Array, Array]:
        """Precision, recall."""
        return ratio(tp, tp + fp), ratio(tp, tp + fn)


Curve = Literal["ROC", "PR", "PRGAIN"]
SummationMethod = Literal["interpolation", "minoring", "majoring"]
CURVES: tuple[Curve, ...] = get_args(Curve)
SUMMATION_METHODS: tuple[SummationMethod, ...] = get_args(SummationMethod)


class AUC(_Curve):
    """Area under the ROC, the precision-recall or the precision-recall-gain curve, from counts at many thresholds.

    Args:
        num_thresholds: how many.
        curve: ``"ROC"``, ``"PR"``, or ``"PRGAIN"`` (Flach and Kull, 2015).
        summation_method: ``"interpolation"``, ``"minoring"`` or ``"majoring"``.
        name: in the logs.
        dtype: for computing on arrays.
        thresholds: instead of evenly spaced ones.
        multi_label: compute one curve per label and return the mean area, weighted by ``label_weights`` if given.
        num_labels: number of labels, with ``multi_label``; taken from the data if not given.
        label_weights: one per label; without ``multi_label`` they weight the outputs.
        from_logits: whether outputs are logits, to which a sigmoid is applied first.
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: Any = "ROC",
        summation_method: Any = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        found = member(str(getattr(curve, "value", curve)).upper(), CURVES)
        if found is None:
            raise ConfigError(f"curve is 'ROC', 'PR' or 'PRGAIN', not {curve!r}")
        method = member(str(getattr(summation_method, "value", summation_method)).lower(), SUMMATION_METHODS)
        if method is None:
            raise ConfigError(f"summation_method {summation_method!r} is not one of Keras's")
        self.curve, self.summation_method = found, method
        if thresholds is None and num_thresholds < 2:
            raise ConfigError(f"num_thresholds must be at least 2, got {num_thresholds}")
        if num_labels and not multi_label:
            raise ConfigError("num_labels needs multi_label=True")
        inner = inner_thresholds(num_thresholds) if thresholds is None else sorted(thresholds)
        self._given = thresholds is not None
        self._ends = (0.0 - epsilon(), *inner, 1.0 + epsilon())
        self.multi_label, self.num_labels, self._built = multi_label, num_labels, False
        self.by_label = multi_label
        self.label_weights = None if label_weights is None else np.asarray(label_weights, np.float32)
        self.column_weights = None if multi_label else self.label_weights
        self.from_logits = from_logits
        super().__init__(None, name=name, dtype=dtype)
        self.num_thresholds = len(self._at)

    def _set_thresholds(self, thresholds: Sequence[float]) -> None:
        self._at = list(self._ends)
        inner = self._at[1:-1]
        self._even = not self._given or are_evenly_spaced([0.0, *inner, 1.0])

    def _make_counts(self, shape: Sequence[int]) -> None:
        if self.multi_label and not self.num_labels:
            return  # made later, when the data shows the number of labels
        super()._make_counts((*shape, self.num_labels) if self.multi_label and self.num_labels else shape)
        self._built = True

    def weighted_rows(
        self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None
    ) -> tuple[Any, Any]:
        """Counts at every threshold.

        Raises:
            InputError: ``multi_label`` for outputs that are not (rows, labels).
        """
        if self.multi_label and rank(y_pred) != 2:
            raise InputError(
                f"{self.name}: multi_label=True needs outputs of shape (rows, labels), got {shown(shape_of(y_pred))}"
            )
        return super().weighted_rows(
            y_true, ops.sigmoid(y_pred) if self.from_logits else y_pred, weight, mask
        )

    def add_sums(self, sums: Array, weight: float) -> None:
        """Add to the counts."""
        if not self._built:
            labels = len(sums) // (2 * len(self._at) + 2)
            Counts._make_counts(self, (len(self._at), labels))
            self._built = True
        super().add_sums(sums, weight)

    def result(self) -> float:
        """The area, or the mean of the labels' areas."""
        if not self._built:
            return 0.0
        areas = self._areas(*self._counts())
        if self.multi_label and self.label_weights is not None:
            return float(ratio((areas * self.label_weights).sum(), self.label_weights.sum()))
        return float(areas.mean())

    def _areas(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Array:
        """Area under the curve along the first axis."""
        if self.curve == "PR" and self.summation_method == "interpolation":
            return _interpolated_pr(tp, fp, fn)
        match self.curve:
            case "ROC":
                x, y = ratio(fp, fp + tn), ratio(tp, tp + fn)
            case "PR":
                x, y = ratio(tp, tp + fn), ratio(tp, tp + fp)
            case "PRGAIN":
                # As in Keras: without true positives the recall gain is 0 and the precision gain 1.
                scale = ratio(tp + fn, tn + fp)
                x = np.maximum(np.where(tp == 0, 0.0, 1 - scale * ratio(fn, tp)), 0.0)
                y = np.where(tp == 0, 1.0, 1 - scale * ratio(fp, tp))
            case _:
                assert_never(self.curve)
        left, right = y[:-1], y[1:]
        height = {
            "interpolation": (left + right) / 2,
            "minoring": np.minimum(left, right),
            "majoring": np.maximum(left, right),
        }[self.summation_method]
        return np.asarray(((x[:-1] - x[1:]) * height).sum(axis=0))

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        config = {
            "name": self.name, "dtype": self.dtype, "num_thresholds": self.num_thresholds, "curve": self.curve,
            "summation_method": self.summation_method, "multi_label": self.multi_label,
            "num_labels": self.num_labels, "from_logits": self.from_logits,
            "label_weights": None if self.label_weights is None else self.label_weights.tolist(),
        }  # fmt: skip
        return {**config, "thresholds": self._at[1:-1]} if self._given else config


def _interpolated_pr(tp: Array, fp: Array, fn: Array) -> Array:
    # Davis and Goadrich (2006): between two thresholds true positives grow linearly with all positives.
    found = tp + fp
    rise, run = tp[:-1] - tp[1:], found[:-1] - found[1:]
    slope = ratio(rise, np.maximum(run, 0))
    start = tp[1:] - slope * found[1:]
    both = (found[:-1] > 0) & (found[1:] > 0)
    growth = np.where(both, ratio(found[:-1], np.maximum(found[1:], 0)), 1.0)
    area = slope * (rise + start * np.log(np.where(growth > 0, growth, 1.0)))
    return np.asarray(ratio(area, np.maximum(tp[1:] + fn[1:], 0)).sum(axis=0))
