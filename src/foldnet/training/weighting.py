"""How sample weights and masks enter losses and metrics, normalized as in Keras.

Values are the results of a loss function: one number per row, (rows,), or more axes, such as (rows, steps).
Weights and masks have the first axes of the values, or all of them, and are broadcast over the rest. On arrays
these functions compute, on expressions they build a graph.
"""

from __future__ import annotations

from typing import Any, Literal, assert_never, get_args

import numpy as np

from foldnet import ops
from foldnet.errors import ConfigError
from foldnet.ops import Expression
from foldnet.training.loss_functions import last_size, rank, same_rank
from foldnet.training.targets import shown

Reduction = Literal["sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none"]
REDUCTIONS: tuple[Reduction, ...] = get_args(Reduction)[:-1]
"""How the values of a batch become its loss; the first two mean the same and are Keras's default."""


def shape_of(x: Any) -> tuple[int | None, ...]:
    """Shape of an array or an expression."""
    return x.shape if isinstance(x, Expression) else np.shape(x)


def row_means(x: Any) -> Any:
    """The mean of each row."""
    if isinstance(x, Expression):
        return ops.mean(x)
    array = np.asarray(x)
    return array.mean(axis=tuple(range(1, array.ndim)))


def _row_sums(x: Any) -> Any:
    if isinstance(x, Expression):
        return ops.sum(x)
    array = np.asarray(x)
    return array.sum(axis=tuple(range(1, array.ndim)))


def spread(x: Any, axes: int) -> Any:
    """Append axes of size 1 until there are ``axes`` axes."""
    missing = axes - rank(x)
    if missing <= 0 or rank(x) == 0:
        return x
    return ops.rows_of(x, (*(int(n or 1) for n in shape_of(x)[1:]), *(1,) * missing))


def product(a: Any, b: Any) -> Any:
    """The product of two weights or masks; None means 1."""
    if a is None or b is None:
        return b if a is None else a
    axes = max(rank(a), rank(b))
    return ops.multiply(spread(a, axes), spread(b, axes))


def fitted(weight: Any, values: Any, what: str = "sample_weight") -> Any:
    """Check that a weight broadcasts to the values: it has all or the first of their axes, or is a single number.

    A last axis of size 1 that the values do not have is removed, as Keras does.

    Raises:
        ConfigError: it does not fit.
    """
    if rank(weight) == rank(values) + 1 and last_size(weight) == 1:
        weight = ops.squeeze_last(weight)
    own, given = shape_of(weight), shape_of(values)
    if isinstance(values, Expression) or len(own) > 0:
        pairs = list(zip(own, given, strict=False))
        if len(own) > len(given) or any(None not in (n, m) and n not in (1, m) for n, m in pairs):
            raise ConfigError(
                f"{what} of shape {shown(own)} does not fit: the loss or metric gives values of shape "
                f"{shown(given)}; give a number for each of the first of these axes (1 is spread), and targets of "
                "the output's own rank"
            )
    return weight


def weighted(
    values: Any,
    weight: Any = None,
    mask: Any = None,
    reduction: Reduction | None = "sum_over_batch_size",
) -> Any:
    """One number per row, whose mean over the batch is Keras's loss for these values.

    A mask removes positions, and the mean is over the remaining ones. For ``"sum"`` each row holds the
    sum of the whole batch.

    Raises:
        ConfigError: weights or a mask that do not fit the values.
    """
    weight = None if weight is None else fitted(weight, values)
    if mask is not None:
        mask = fitted(mask, values, "the mask")
        if reduction in ("mean", "sum_over_batch_size"):
            share = ops.batch_mean(row_means(mask))
            mask = ops.multiply(mask, spread(_quotient(1.0, share), rank(mask)))
    factor = product(weight, mask)
    if factor is not None and rank(factor) > 1:
        values = ops.multiply(values, spread(factor, rank(values)))
    rows = _row_sums(values) if reduction == "sum" else row_means(values)
    if factor is not None and rank(factor) == 1:
        rows = ops.multiply(rows, factor)
    match reduction:
        case "sum":
            return ops.batch_sum(rows)
        case "mean_with_sample_weight":
            return rows if factor is None else _quotient(rows, ops.batch_mean(row_means(factor)))
        case "sum_over_batch_size" | "mean" | "none" | None:
            return rows
        case _:
            assert_never(reduction)


def _quotient(a: Any, b: Any) -> Any:
    """``a / b``, 0 where b is 0."""
    nothing = ops.equal(b, 0.0)
    return ops.where(nothing, 0.0, ops.divide(a, ops.where(nothing, 1.0, b)))


def mean_rows(values: Any, weight: Any = None) -> tuple[Any, Any]:
    """What each row adds to a weighted mean: to the sum of the values, and to the sum of the weights (None for 1).

    As in Keras, a weight that is a single number makes one sample of all rows: their mean, with that weight.

    Raises:
        ConfigError: weights that do not fit the values.
    """
    if weight is None:
        return row_means(values), None
    values, weight = _reduced(values, weight, ops.mean)
    return row_means(ops.multiply(values, weight)), row_means(weight)


def summed(values: Any, weight: Any = None) -> Any:
    """The sum of all values of arrays, times their weights.

    Raises:
        ConfigError: weights that do not fit the values.
    """
    if weight is not None:
        values, weight = _reduced(values, weight, ops.sum)
        values = values * weight
    return np.sum(values, dtype=np.float64)


def _reduced(values: Any, weight: Any, reduce: Any) -> tuple[Any, Any]:
    """Reduce the values to the weight's axes, and broadcast the weight to them."""
    values, weight = same_rank(values, weight)
    weight = fitted(weight, values)
    own = rank(weight)
    if rank(values) > own:
        values = reduce(values, axis=tuple(range(own, rank(values))))
    if not isinstance(values, Expression):
        weight = np.broadcast_to(weight, np.shape(values))
    return values, weight
