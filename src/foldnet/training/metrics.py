"""Metrics whose state is sums over the rows, so that they can be compiled; the means of functions are such metrics.

What each row adds is an expression, which is compiled into the training step. The metric's value is computed in
Python from the sums over all rows. On arrays metrics work as in Keras, with ``update_state``, ``result`` and
``reset_state``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from foldnet import ops
from foldnet.arrays import Array
from foldnet.errors import ConfigError
from foldnet.ops import Expression
from foldnet.training import loss_functions as f
from foldnet.training.losses import Loss
from foldnet.training.metric import Metric, float_type
from foldnet.training.state import StateVariable
from foldnet.training.user_code import traced
from foldnet.training.weighting import mean_rows, product, summed


class SummedMetric(Metric):
    """Base class of metrics whose state is sums over the rows.

    A subclass defines ``weighted_rows``, ``add_sums`` and ``result``.
    """

    def weighted_rows(
        self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None
    ) -> tuple[Any, Any]:
        """What each row adds to the sums, shaped (rows,) or (rows, width), and its weight (None for 1).

        As in Keras, only means of functions use the output's mask.
        """
        raise NotImplementedError(f"{type(self).__name__} must define what a row adds")

    def add_sums(self, sums: Array, weight: float) -> None:
        """Add sums over rows, and the sum of the rows' weights, to the state."""
        raise NotImplementedError(f"{type(self).__name__} must define the values of its sums")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add rows of arrays.

        Raises:
            ConfigError: weights have a wrong shape.
            InputError: targets that do not fit the outputs.
        """
        dtype = float_type(self.dtype)
        weight = None if sample_weight is None else np.asarray(sample_weight, dtype)
        with np.errstate(all="ignore"):
            rows, weights = self.weighted_rows(np.asarray(y_true, dtype), np.asarray(y_pred, dtype), weight)
        self.add_sums(*_totals(rows, weights))

    def result_of(self, sums: Array, weight: float) -> Any:
        """The metric for these sums, which replace its state."""
        self._clear()
        self.add_sums(np.asarray(sums, np.float64), weight)
        return plain(self.result())

    def _sums(self, name: str, shape: Sequence[int] = ()) -> StateVariable:
        """A variable of sums, in float64 as in the engines."""
        return self.add_variable(shape, dtype="float64", name=name)


def _totals(rows: Any, weights: Any) -> tuple[Array, float]:
    """The sums over rows, and the sum of their weights."""
    array = np.asarray(rows, np.float64)
    sums = array.reshape(len(array), -1).sum(axis=0) if array.ndim else array.reshape(1)
    count = (len(array) if array.ndim else 1) if weights is None else np.sum(weights, dtype=np.float64)
    return sums, float(count)


def plain(result: Any) -> Any:
    """A metric's result for the logs: a float, an array, or a dict of these."""
    if isinstance(result, Mapping):
        return {k: plain(v) for k, v in result.items()}
    return float(result) if np.ndim(result) == 0 else np.asarray(result)


class Mean(SummedMetric):
    """The mean of values, for your own training loop.

    >>> metric = Mean()
    >>> metric.update_state([1.0, 3.0, 5.0, 7.0], sample_weight=[1, 1, 0, 0])
    >>> metric.result()
    2.0
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total, self.count = self._sums("total"), self._sums("count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add values, one or more per row, each row (or value) times its weight if given.

        Raises:
            ConfigError: weights have a wrong shape.
        """
        dtype = float_type(self.dtype)
        weight = None if sample_weight is None else np.asarray(sample_weight, dtype)
        self.add_sums(*_totals(*mean_rows(np.asarray(values, dtype), weight)))

    def weighted_rows(
        self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None
    ) -> tuple[Any, Any]:
        """Raises ConfigError: this metric takes values, not targets and outputs."""
        raise ConfigError(_of_values(self))

    def add_sums(self, sums: Array, weight: float) -> None:
        """Add to total and count."""
        self.total.assign_add(sums.reshape(()))
        self.count.assign_add(weight)

    def result(self) -> float:
        """``total / count``, 0 before there are values."""
        count = float(self.count)
        return float(self.total) / count if count else 0.0


class Sum(SummedMetric):
    """The sum of values, for your own training loop."""

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self._sums("total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add values, each times its weight if given.

        Raises:
            ConfigError: weights have a wrong shape.
        """
        dtype = float_type(self.dtype)
        weight = None if sample_weight is None else np.asarray(sample_weight, dtype)
        self.total.assign_add(summed(np.asarray(values, dtype), weight))

    def weighted_rows(
        self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None
    ) -> tuple[Any, Any]:
        """Raises ConfigError: this metric takes values, not targets and outputs."""
        raise ConfigError(_of_values(self))

    def result(self) -> float:
        """The sum."""
        return float(self.total)


def _of_values(metric: Metric) -> str:
    return (
        f"the metric {metric.name!r} takes values, update_state(values, sample_weight), not targets and outputs; for "
        "compile give a function of y_true and y_pred, or MeanMetricWrapper of one"
    )


class MeanMetricWrapper(Mean):
    """The mean over all rows of a function of ``y_true`` and ``y_pred``.

    Args:
        fn: a loss, or a function written with ``foldnet.ops`` that returns one number per row, or one per position of
            further axes.
        name: in the logs.
        dtype: for computing on arrays.
        settings: further arguments of the function.
    """

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **settings: Any
    ) -> None:
        super().__init__(name, dtype)
        self.fn = fn
        self.settings = settings
        for key, value in settings.items():
            setattr(self, key, value)
        if isinstance(fn, Loss) or fn in f.FUNCTIONS.values():
            self.direction = "down"
        elif (getattr(fn, "__module__", None) or "").startswith("foldnet."):  # accuracies and similarities
            self.direction = "up"

    update_state = SummedMetric.update_state  # type: ignore[assignment]

    def _values(self, y_true: Any, y_pred: Any) -> Any:
        if isinstance(self.fn, Loss):
            return self.fn.rows(y_true, y_pred)
        y_true, y_pred = f.same_rank(y_true, y_pred)
        values = traced("metric", self.name, self.fn, y_true, y_pred, **self.settings)
        # A plain number: give it to every row.
        if isinstance(y_pred, Expression) and not (isinstance(values, Expression) and values.ndim):
            return ops.multiply(ops.mean(ops.logical_or(y_pred, 1.0)), values)
        return values

    def weighted_rows(
        self, y_true: Any, y_pred: Any, weight: Any = None, mask: Any = None
    ) -> tuple[Any, Any]:
        """What each row adds to the weighted sum of the values, and to the sum of the weights."""
        weight = product(weight, mask)
        ignored = self.settings.get("ignore_class")
        if weight is not None and ignored is not None:
            axis = self.settings.get("axis", -1)
            weight = product(weight, f.class_mask(*f.same_rank(y_true, y_pred), ignored, axis))
        return mean_rows(self._values(y_true, y_pred), weight)

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        name = self.fn.name if isinstance(self.fn, Loss) else getattr(self.fn, "__name__", repr(self.fn))
        fn = {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
        return {**super().get_config(), "fn": fn, **self.settings}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Create one from the settings that ``get_config`` returns; ``fn`` is a function or its name in Keras.

        Raises:
            ConfigError: the name is unknown.
        """
        fn = config.get("fn")
        fn = fn.get("config") if isinstance(fn, Mapping) else fn
        if not isinstance(fn, str):
            return cls(**config)
        from foldnet.training.metric_names import FUNCTIONS

        fn = f.ALIASES.get(fn.lower(), fn)
        if fn not in FUNCTIONS:
            raise ConfigError(f"{fn!r} is not a known function for a metric; give the function itself as fn")
        return cls(**{**config, "fn": FUNCTIONS[fn]})
