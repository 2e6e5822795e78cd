"""Metrics from counts at thresholds: true and false positives, precision, recall. Formulas are those of Keras 3.

Each row adds, for every threshold, whether it is a true or a false positive, and once whether its label is positive
or negative. The counts of true and false negatives follow from these.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar, Literal

import numpy as np

from foldnet import ops
from foldnet.arrays import Array
from foldnet.errors import ConfigError, InputError
from foldnet.ops import Expression
from foldnet.training.loss_functions import last_size, rank, row_shape, same_rank
from foldnet.training.metrics import SummedMetric
from foldnet.training.state import StateVariable
from foldnet.training.targets import check_same_shape, shown
from foldnet.training.weighting import fitted, shape_of, spread

NEVER = -1e10
"""Keras's threshold for ``top_k`` without thresholds: every output is above it."""


def _width(x: Any) -> int:
    return prod(row_shape(x))


def ratio(a: Any, b: Any) -> Array:
    """``a / b``, and 0 where b is 0."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape)), where=b != 0)


def inner_thresholds(count: int) -> list[float]:
    """``count`` evenly spaced thresholds from 0 to 1, without the two ends."""
    return [(i + 1) / (count - 1) for i in range(count - 2)]


def are_evenly_spaced(thresholds: Sequence[float]) -> bool:
    """Whether thresholds are evenly spaced from 0 to 1; Keras then counts in buckets."""
    count = len(thresholds)
    return count > 2 and np.allclose(thresholds, np.arange(count, dtype=np.float32) / (count - 1), atol=1e-7)


def _column(x: Any, index: int) -> Any:
    """One column of the last axis, which keeps size 1."""
    if isinstance(x, Expression):
        chosen = np.arange(last_size(x)) == index % last_size(x)
        mask = chosen.astype(np.float32).reshape(*(1,) * (rank(x) - 2), -1)
        return ops.sum(ops.where(mask, x, 0.0), axis=-1, keepdims=True)
    return x[..., [index]]


def _in_top_k(y_pred: Any, k: int) -> Any:
    """1 at the k largest values of the last axis; of equal values the first are taken."""
    width = last_size(y_pred)
    if isinstance(y_pred, Expression):
        lead = row_shape(y_pred)[:-1]
        others, own = ops.rows_of(y_pred, (*lead, 1, width)), ops.rows_of(y_pred, (*lead, width, 1))
        before = np.tri(width, k=-1).reshape(*(1,) * len(lead), width, width)
    else:
        others, own, before = y_pred[..., None, :], y_pred[..., :, None], np.tri(width, k=-1)
    ahead = ops.logical_or(ops.greater(others, own), ops.logical_and(ops.equal(others, own), before))
    return ops.less(ops.sum(ahead, axis=-1), float(k))


class Counts(SummedMetric):
    """Base class of the metrics that count at thresholds.

    Args:
        thresholds: one or more in [0, 1].
        top_k: count as positive only the k largest outputs of a row.
        class_id: look at one class only.
        name: in the logs.
        dtype: for computing on arrays.
    """

    kept: ClassVar[tuple[str, ...]]
    """Which of the four counts are its variables."""

    by_label = False
    column_weights: Any = None
    """Weights of the columns, in addition to the sample weights."""

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        self.init_thresholds, self.top_k, self.class_id = thresholds, top_k, class_id
        given: Any = (0.5 if top_k is None else NEVER) if thresholds is None else thresholds
        self._set_thresholds(list(given) if isinstance(given, list | tuple | np.ndarray) else [given])
        bad = [t for t in self._at if t is None or not 0 <= t <= 1]
        if thresholds is not None and bad:
            raise ConfigError(f"thresholds must lie in [0, 1], got {bad}")
        self._make_counts((len(self._at),))

    @property
    def thresholds(self) -> list[float]:
        """An output above a threshold counts as positive."""
        return self._at

    def _set_thresholds(self, thresholds: Sequence[float]) -> None:
        self._at = list(thresholds)
        self._even = None not in self._at and are_evenly_spaced(self._at)

    def _make_counts(self, shape: Sequence[int]) -> None:
        for name in self.kept:
            setattr(self, name, self._sums(name, shape))

    def weighted_rows(
        self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None
    ) -> tuple[Any, Any]:
        """True and false positives at each threshold, then positives and negatives, all times the weights.

        A mask is ignored, as in Keras.

        Raises:
            ConfigError: weights that do not fit.
            InputError: targets and outputs differ in shape, or ``class_id`` is not one of the classes.
        """
        y_true, y_pred = same_rank(y_true, y_pred)
        check_same_shape(y_true, y_pred, self.name)
        above = None if self.top_k is None else _in_top_k(y_pred, self.top_k)
        if self.class_id is not None:
            self._check_class(y_pred)
            y_true, y_pred = _column(y_true, self.class_id), _column(y_pred, self.class_id)
            above = None if above is None else _column(above, self.class_id)
        width, count = _width(y_pred), len(self._at)
        true = ops.not_equal(y_true, 0.0)
        false = ops.subtract(1.0, true)
        for factor in self._factors(weight, true):
            true, false = ops.multiply(true, factor), ops.multiply(false, factor)
        positive, negative = ops.rows_of(true, (width, 1)), ops.rows_of(false, (width, 1))
        over = self._over(ops.rows_of(y_pred, (width, 1)))
        if above is not None:
            over = ops.multiply(over, ops.rows_of(above, (width, 1)))
        parts = [ops.multiply(over, positive), ops.multiply(over, negative), positive, negative]
        if self.by_label:
            flat = [
                ops.rows_of(part, (width * n,)) for part, n in zip(parts, (count, count, 1, 1), strict=True)
            ]
        else:
            flat = [ops.sum(part, axis=1) for part in parts]
        return ops.concatenate(flat, axis=-1), None

    def _factors(self, weight: Any, values: Any) -> list[Any]:
        factors = [] if weight is None else [spread(fitted(weight, values), rank(values))]
        if self.column_weights is not None:
            factors.append(np.reshape(self.column_weights, (*(1,) * (rank(values) - 2), -1)))
        return factors

    def _over(self, y_pred: Any) -> Any:
        """1 for each threshold below an output; evenly spaced thresholds are counted in buckets, as Keras does."""
        at = np.asarray(self._at, np.float32).reshape(1, -1)
        if not self._even:
            return ops.greater(y_pred, at)
        bucket = ops.negative(ops.floor(ops.multiply(ops.clip(y_pred, 0.0, 1.0), -(len(self._at) - 1.0))))
        if self._at[0] < 0:  # every output is above the first
            bucket = ops.maximum(bucket, 1.0)
        return ops.greater(bucket, np.arange(len(self._at), dtype=np.float32).reshape(1, -1))

    def _check_class(self, y_pred: Any) -> None:
        width = last_size(y_pred)
        if rank(y_pred) < 2:
            raise InputError(
                f"{self.name}: class_id needs outputs of shape (rows, classes), got {shown(shape_of(y_pred))}"
            )
        if self.class_id is None or not -width <= self.class_id < width:
            raise InputError(f"{self.name}: there is no class {self.class_id} among {width} outputs")

    def add_sums(self, sums: Array, weight: float) -> None:
        """Add to the counts."""
        count = len(self._at)
        labels = len(sums) // (2 * count + 2)
        tp, fp = (part.reshape(labels, count).T for part in np.split(sums[: 2 * labels * count], 2))
        positives, negatives = np.split(sums[2 * labels * count :], 2)
        by_name = {
            "true_positives": tp,
            "false_positives": fp,
            "true_negatives": negatives - fp,
            "false_negatives": positives - tp,
        }
        for name, values in by_name.items():
            if name in self.kept:
                self._count_of(name).assign_add(values if self.by_label else values[:, 0])

    def _count_of(self, name: str) -> StateVariable:
        found: StateVariable = getattr(self, name)
        return found

    def _by_threshold(self, score: Array) -> Any:
        return float(score[0]) if len(self._at) == 1 else score

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        own = {"thresholds": self.init_thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **own}


CountKind = Literal["tp", "fp", "tn", "fn"]
"""True and false positives and negatives."""


class _Count(Counts):
    """Base class of the four counts, which have no ``top_k`` and no ``class_id`` in Keras."""

    counted: ClassVar[CountKind]
    kept = ("accumulator",)

    def __init__(
        self, thresholds: float | Sequence[float] | None = None, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(thresholds, name=name, dtype=dtype)

    def add_sums(self, sums: Array, weight: float) -> None:
        """Add to the one count."""
        count = len(self._at)
        tp, fp, (positives, negatives) = sums[:count], sums[count : 2 * count], sums[2 * count :]
        every: dict[CountKind, Array] = {"tp": tp, "fp": fp, "tn": negatives - fp, "fn": positives - tp}
        self._count_of("accumulator").assign_add(every[self.counted])

    def result(self) -> Any:
        """The count."""
        return self._by_threshold(self._count_of("accumulator").numpy())

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {"name": self.name, "dtype": self.dtype, "thresholds": self.init_thresholds}


class TruePositives(_Count):
    """Positives above the threshold."""

    counted = "tp"


class FalsePositives(_Count):
    """Negatives above the threshold."""

    counted = "fp"


class TrueNegatives(_Count):
    """Negatives not above the threshold."""

    counted = "tn"


class FalseNegatives(_Count):
    """Positives not above the threshold."""

    counted = "fn"


class Precision(Counts):
    """Share of true positives among the outputs above the threshold."""

    direction = "up"
    kept = ("true_positives", "false_positives")
    true_positives: StateVariable
    false_positives: StateVariable

    def result(self) -> Any:
        """``tp / (tp + fp)``, 0 if both are 0."""
        return self._by_threshold(ratio(self.true_positives, self.true_positives + self.false_positives))


class Recall(Counts):
    """Share of the positives whose output is above the threshold."""

    direction = "up"
    kept = ("true_positives", "false_negatives")
    true_positives: StateVariable
    false_negatives: StateVariable

    def result(self) -> Any:
        """``tp / (tp + fn)``, 0 if both are 0."""
        return self._by_threshold(ratio(self.true_positives, self.true_positives + self.false_negatives))
