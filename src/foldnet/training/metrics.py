"""Metrics: what each row adds to some sums, and what the sums mean.

A metric's rows are an expression, so that it runs inside the compiled fit; its value is worked out in Python from
the sums over all rows. Used by itself on arrays it is Keras's: ``update_state``, ``result``, ``reset_state``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from foldnet import ops
from foldnet.errors import UnsupportedError
from foldnet.layers.naming import snake_case
from foldnet.training import loss_functions as f
from foldnet.training.weighting import fitted, mean_rows, product, row_means, shape_of, spread

Array = np.ndarray[Any, Any]


class Metric:
    """Base of the metrics.

    A subclass states ``rows``, of shape (rows, width) or (rows,), and ``value``, of the sums over the rows.

    Args:
        name: under which it is reported.
    """

    direction: str | None = None
    """``"up"`` or ``"down"``: which way is better; None where there is no saying."""

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        self.name = name or snake_case(type(self).__name__)
        self.reset_state()

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        """What each row adds to the sums."""
        raise TypeError(f"{type(self).__name__} does not say what a row adds")

    def weighed_rows(self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None) -> tuple[Any, Any]:
        """What each row adds to the sums under weights, and to the sum of the weights (None for 1).

        A mask of the output counts for means of functions alone, as in Keras.

        Raises:
            UnsupportedError: weights of single timesteps, where a metric takes whole rows.
        """
        rows = self.rows(y_true, y_pred)
        if weight is None:
            return rows, None
        if f.rank(weight) > 1:
            raise UnsupportedError(
                f"the metric {self.name!r} takes one sample weight a row, not weights of shape "
                f"{shape_of(weight)[1:]} in each; list it under metrics instead of weighted_metrics"
            )
        return ops.multiply(rows, spread(weight, f.rank(rows))), weight

    def value(self, sums: Array, weight: float) -> Any:
        """The metric, from the sums over the rows and the sum of the rows' weights; the mean by default."""
        return float(sums[0] / weight) if weight else 0.0

    def reset_state(self) -> None:
        """Forget all rows."""
        self._sums: Array | None = None
        self._weight = 0.0

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add rows of arrays."""
        weight = None if sample_weight is None else np.asarray(sample_weight, np.float64)
        if weight is not None and weight.ndim == 2 and weight.shape[1] == 1:
            weight = weight[:, 0]
        given, weights = self.weighed_rows(np.asarray(y_true), np.asarray(y_pred), weight)
        rows = np.asarray(given, np.float64)
        sums = (rows.reshape(len(rows), -1) if rows.ndim > 1 else rows[:, None]).sum(axis=0)
        self._sums = sums if self._sums is None else self._sums + sums
        self._weight += float(len(rows) if weights is None else np.sum(weights))

    def result(self) -> Any:
        """The metric of all rows added so far."""
        return 0.0 if self._sums is None else self.value(self._sums, self._weight)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Add rows, then the result."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {"name": self.name}


class Mean(Metric):
    """The mean of values that it is given, in a loop of one's own."""

    def update_state(self, values: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add values, one or more a row, each row (or each value) times its weight if given."""
        array = np.atleast_1d(np.asarray(values, np.float64))
        weight = None if sample_weight is None else np.asarray(sample_weight, np.float64)
        if weight is not None and weight.ndim == 0:
            weight = np.full(len(array), weight)
        self._add(array, weight)

    def _add(self, values: Array, weight: Array | None) -> None:
        rows, weights = mean_rows(values, weight)
        self._sums = np.asarray([rows.sum()]) + (0.0 if self._sums is None else self._sums)
        self._weight += float(len(rows) if weights is None else np.sum(weights))

    def __call__(self, values: Any, sample_weight: Any = None) -> Any:  # type: ignore[override]
        """Add values, then the result."""
        self.update_state(values, sample_weight)
        return self.result()


class Sum(Mean):
    """The sum of values that it is given, in a loop of one's own."""

    def _add(self, values: Array, weight: Array | None) -> None:
        factor = 1.0 if weight is None else spread(fitted(weight, values), values.ndim)
        self._sums = np.asarray([(values * factor).sum()]) + (0.0 if self._sums is None else self._sums)

    def value(self, sums: Array, weight: float) -> float:
        """The sum."""
        return float(sums[0])


class MeanMetricWrapper(Metric):
    """The mean over all rows of a function of ``y_true`` and ``y_pred``."""

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **settings: Any
    ) -> None:
        super().__init__(name or fn.__name__)
        self.fn = fn
        self.settings = settings
        if fn in f.FUNCTIONS.values():
            self.direction = "down"
        elif (getattr(fn, "__module__", None) or "").startswith("foldnet."):  # accuracies and similarities
            self.direction = "up"

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        """The function, its mean taken over what axes a row has left."""
        return row_means(self._values(y_true, y_pred))

    def _values(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(*f.same_rank(y_true, y_pred), **self.settings)

    def weighed_rows(self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None) -> tuple[Any, Any]:
        """What each row adds to the sum of the values times their weights, and to the sum of the weights."""
        weight = product(weight, mask)
        ignored = self.settings.get("ignore_class")
        if weight is not None and ignored is not None:
            weight = product(weight, f.class_mask(*f.same_rank(y_true, y_pred), ignored))
        return mean_rows(self._values(y_true, y_pred), weight)

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {"name": self.name, **self.settings}


def _classes(y_pred: Any) -> Any:
    return ops.argmax(y_pred, axis=-1)


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where equal."""
    y_true, y_pred = f.same_rank(y_true, y_pred)
    return ops.equal(y_true, y_pred)


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """1 where the output lies on the label's side of the threshold."""
    y_true, y_pred = f.same_rank(y_true, y_pred)
    return ops.equal(y_true, ops.greater(y_pred, threshold))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest output is at the one-hot label's place."""
    return ops.equal(_classes(y_true), _classes(y_pred))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest output is at the label's place."""
    if f.rank(y_true) == f.rank(y_pred) and f.last_size(y_true) == 1:
        y_true = ops.squeeze_last(y_true)
    return ops.equal(y_true, _classes(y_pred))
