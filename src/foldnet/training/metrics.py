"""Metrics: what each row adds to some sums, and what the sums mean.

A metric's rows are an expression, so that it runs inside the compiled fit; its value is worked out in Python from
the sums over all rows. Used by itself on arrays it is Keras's: ``update_state``, ``result``, ``reset_state``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from foldnet import ops
from foldnet.layers.base import snake_case
from foldnet.ops import Expression
from foldnet.training import losses

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

    def value(self, sums: Array, weight: float) -> Any:
        """The metric, from the sums over the rows and the sum of the rows' weights; the mean by default."""
        return float(sums[0] / weight) if weight else 0.0

    def reset_state(self) -> None:
        """Forget all rows."""
        self._sums: Array | None = None
        self._weight = 0.0

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add rows of arrays."""
        rows = np.asarray(self.rows(np.asarray(y_true), np.asarray(y_pred)), np.float64)
        rows = rows.reshape(len(rows), -1) if rows.ndim > 1 else rows[:, None]
        weight = np.ones(len(rows)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        sums = (rows * weight.reshape(-1, 1)).sum(axis=0)
        self._sums = sums if self._sums is None else self._sums + sums
        self._weight += float(weight.sum())

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


class MeanMetricWrapper(Metric):
    """The mean over all rows of a function of ``y_true`` and ``y_pred``."""

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **settings: Any
    ) -> None:
        super().__init__(name or fn.__name__)
        self.fn = fn
        self.settings = settings
        if fn in losses.FUNCTIONS.values():
            self.direction = "down"
        elif (getattr(fn, "__module__", None) or "").startswith("foldnet."):  # accuracies and similarities
            self.direction = "up"

    def rows(self, y_true: Any, y_pred: Any) -> Any:
        """The function, its mean taken over what axes a row has left."""
        rows = self.fn(*losses.same_rank(y_true, y_pred), **self.settings)
        if isinstance(rows, Expression):
            return ops.mean(rows)
        rows = np.asarray(rows)
        return rows.mean(axis=tuple(range(1, rows.ndim)))

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        return {"name": self.name, **self.settings}


def _classes(y_pred: Any) -> Any:
    return ops.argmax(y_pred, axis=-1)


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where equal."""
    y_true, y_pred = losses.same_rank(y_true, y_pred)
    return ops.equal(y_true, y_pred)


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """1 where the output lies on the label's side of the threshold."""
    y_true, y_pred = losses.same_rank(y_true, y_pred)
    return ops.equal(y_true, ops.greater(y_pred, threshold))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest output is at the one-hot label's place."""
    return ops.equal(_classes(y_true), _classes(y_pred))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest output is at the label's place."""
    if losses._rank(y_true) == losses._rank(y_pred) and losses._last(y_true) == 1:
        y_true = ops.squeeze_last(y_true)
    return ops.equal(y_true, _classes(y_pred))
