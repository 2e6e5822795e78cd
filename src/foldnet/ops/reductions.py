"""Reductions along axes: sums, means, extremes, norms and others."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from foldnet.errors import UnsupportedError
from foldnet.operations import expression as e
from foldnet.operations.along.op import CumulativeSum, Reduce, ReduceKind
from foldnet.operations.batch.op import BatchReduce, BatchReduceKind
from foldnet.ops import elementwise as f
from foldnet.ops.records import operation
from foldnet.promotion import as_array, floating

Axes = int | Sequence[int] | None


def rank_of(x: Any) -> int:
    """Number of axes, including the batch axis."""
    return x.ndim if isinstance(x, e.Expression) else int(np.ndim(x))


def axes_of(x: Any, axis: Axes) -> tuple[int, ...]:
    """The axes as positive numbers.

    Raises:
        UnsupportedError: the batch axis of an expression, which cannot be reduced.
    """
    rank = rank_of(x)
    rows = isinstance(x, e.Expression)
    if axis is None:
        if rows and x.in_network:
            raise UnsupportedError(
                "a reduction of a network's tensor over all axes would mix the rows of a batch; "
                f"name the axes, axis={tuple(range(1, rank))}"
            )
        return tuple(range(1 if rows else 0, rank))
    given = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    axes = tuple(int(a) + rank if a < 0 else int(a) for a in given)
    if builtins.any(not 0 <= a < rank for a in axes):
        raise UnsupportedError(f"axis {axis} is not among the {rank} axes of the value")
    if rows and 0 in axes:
        raise UnsupportedError(
            "an expression's first axis is the batch, and a loss or metric keeps it: one number per row. "
            "Reduce the other axes only; the mean over the batch is computed automatically."
        )
    return axes


def _reduced(
    kind: ReduceKind, x: e.Expression, axis: Axes, keepdims: bool, dtype: e.Kind | None = None
) -> e.Expression:
    axes = axes_of(x, axis)
    own: e.Kind = "int32" if x.dtype == "bool" else x.dtype
    (x,) = e.arithmetic(kind, x)
    if not axes:
        return e.Expression(x.builder, x.value, dtype or own, x.in_network)
    return e.emitted(Reduce(kind, axes, keepdims), x, dtype=dtype or own)


def _numpy_axes(x: Any, axis: Axes) -> tuple[int, ...] | None:
    return None if axis is None else axes_of(x, axis)


@operation("Sum", settings=("axis", "keepdims"))
def sum(x: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """Sum over axes (by default all; in a loss all but the batch axis)."""
    if isinstance(x, e.Expression):
        return _reduced("sum", x, axis, keepdims)
    x = as_array(x)
    small = x.dtype.kind in "iub" and x.dtype.itemsize < 4
    dtype = (np.uint32 if x.dtype.kind == "u" else np.int32) if small else x.dtype
    return np.asarray(np.sum(x, axis=_numpy_axes(x, axis), keepdims=keepdims, dtype=dtype))


@operation("Mean", settings=("axis", "keepdims"))
def mean(x: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """Mean over axes (by default all; in a loss all but the batch axis)."""
    if isinstance(x, e.Expression):
        return _reduced("mean", x, axis, keepdims, "float32")
    x = as_array(x)
    return np.asarray(
        np.mean(x.astype(floating(x), copy=False), axis=_numpy_axes(x, axis), keepdims=keepdims)
    )


@operation("Max", settings=("axis", "keepdims", "initial"))
def max(x: Any, axis: Axes = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Largest value over axes, at least ``initial``."""
    if isinstance(x, e.Expression):
        found = _reduced("max", x, axis, keepdims)
        return found if initial is None else f.maximum(found, initial)
    x = as_array(x)
    found = np.max(
        x, axis=_numpy_axes(x, axis), keepdims=keepdims, **({} if initial is None else {"initial": initial})
    )
    return np.asarray(found, x.dtype)


@operation("Min", settings=("axis", "keepdims", "initial"))
def min(x: Any, axis: Axes = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Smallest value over axes, at most ``initial``."""
    if isinstance(x, e.Expression):
        found = _reduced("min", x, axis, keepdims)
        return found if initial is None else f.minimum(found, initial)
    x = as_array(x)
    found = np.min(
        x, axis=_numpy_axes(x, axis), keepdims=keepdims, **({} if initial is None else {"initial": initial})
    )
    return np.asarray(found, x.dtype)


def amax(x: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """Largest value over axes: ``max`` without ``initial``."""
    return max(x, axis, keepdims)


def amin(x: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """Smallest value over axes: ``min`` without ``initial``."""
    return min(x, axis, keepdims)


def _place(kind: Literal["argmax", "argmin"], x: Any, axis: int | None, keepdims: bool) -> Any:
    if not isinstance(x, e.Expression):
        found = getattr(np, kind)(as_array(x), axis=axis, keepdims=keepdims)
        return np.asarray(found, np.int32)
    x = x if kind == "argmax" else f.negative(x)
    axes = axes_of(x, axis)
    if len(axes) > 1:
        raise UnsupportedError(f"ops.{kind} in a program takes one axis; name it, axis=-1")
    return _reduced("argmax", x, axes, keepdims, "int32") if axes else f.cast(f.multiply(x, 0.0), "int32")


@operation("Argmax", settings=("axis", "keepdims"))
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index of the largest value along an axis; of equal values the first."""
    return _place("argmax", x, axis, keepdims)


@operation("Argmin", settings=("axis", "keepdims"))
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index of the smallest value along an axis; of equal values the first."""
    return _place("argmin", x, axis, keepdims)


@operation("Any", settings=("axis", "keepdims"))
def any(x: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """Whether any value over the axes is not 0."""
    if isinstance(x, e.Expression):
        return _reduced("max", f.not_equal(x, 0), axis, keepdims, "bool")
    return np.asarray(np.any(as_array(x), axis=_numpy_axes(x, axis), keepdims=keepdims))


@operation("All", settings=("axis", "keepdims"))
def all(x: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """Whether no value over the axes is 0."""
    if isinstance(x, e.Expression):
        return _reduced("min", f.not_equal(x, 0), axis, keepdims, "bool")
    return np.asarray(np.all(as_array(x), axis=_numpy_axes(x, axis), keepdims=keepdims))


@operation("CountNonzero", settings=("axis",))
def count_nonzero(x: Any, axis: Axes = None) -> Any:
    """How many values over the axes are not 0."""
    return sum(f.cast(f.not_equal(x, 0), "int32"), axis)


@operation("Prod", settings=("axis", "keepdims", "dtype"))
def prod(x: Any, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """Product over axes.

    Raises:
        UnsupportedError: x is an expression.
    """
    if isinstance(x, e.Expression):
        raise e.refuse(
            "prod", "multiply the parts, x[:, 0] * x[:, 1], or take exp(sum(log(x))) of positive ones"
        )
    x = as_array(x)
    small = x.dtype.kind in "iub" and x.dtype.itemsize < 4
    own = (np.uint32 if x.dtype.kind == "u" else np.int32) if small else x.dtype
    return np.asarray(np.prod(x, axis=_numpy_axes(x, axis), keepdims=keepdims, dtype=dtype or own))


@operation("Var", settings=("axis", "keepdims"))
def var(x: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """Variance over axes: the mean squared deviation from the mean."""
    x = x if isinstance(x, e.Expression) else as_array(x).astype(floating(as_array(x)), copy=False)
    return mean(f.square(f.subtract(x, mean(x, axis, keepdims=True))), axis, keepdims)


@operation("Std", settings=("axis", "keepdims"))
def std(x: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """Square root of the variance over axes."""
    return f.sqrt(var(x, axis, keepdims))


@operation("Average", settings=("axis",))
def average(x: Any, axis: Axes = None, weights: Any = None) -> Any:
    """Mean over axes, weighted if ``weights`` are given."""
    if weights is None:
        return mean(x, axis)
    weights = f.cast(weights, "float32") if isinstance(weights, e.Expression) else as_array(weights)
    if (
        not isinstance(weights, e.Expression)
        and weights.ndim == 1
        and rank_of(x) > 1
        and isinstance(axis, int)
    ):
        weights = weights.reshape([-1 if a == axis % rank_of(x) else 1 for a in range(rank_of(x))])
        weights = weights if not isinstance(x, e.Expression) else weights[0]
    weighted, ones = f.multiply(x, weights), f.add(f.multiply(x, 0), weights)
    return f.divide(sum(weighted, axis), sum(ones, axis))


@operation("Logsumexp", "math", settings=("axis", "keepdims"))
def logsumexp(x: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """``log(sum(exp(x)))`` over axes, without overflow."""
    highest = f.stop_gradient(max(x, axis, keepdims=True))
    highest = f.where(f.isfinite(highest), highest, 0.0)
    total = f.log(sum(f.exp(f.subtract(x, highest)), axis, keepdims=keepdims))
    if keepdims:
        return f.add(total, highest)
    axes = axes_of(x, axis)
    return f.add(total, sum(highest, axes) if axes else highest)


@operation("Norm", "linalg", settings=("ord", "axis", "keepdims"))
def norm(x: Any, ord: Any = None, axis: Axes = None, keepdims: bool = False) -> Any:
    """Norm along an axis: ``ord`` 2 by default, or 0, 1, inf, -inf or another number.

    Raises:
        UnsupportedError: a matrix norm of an expression, other than the Frobenius norm.
    """
    if not isinstance(x, e.Expression):
        x = as_array(x)
        found = np.linalg.norm(
            x.astype(floating(x), copy=False), ord=ord, axis=_numpy_ord_axes(axis), keepdims=keepdims
        )
        return np.asarray(found, floating(x))
    axes = axes_of(x, axis)
    if ord is None or ord == "fro" or (ord in ("euclidean", 2) and len(axes) == 1):
        return f.sqrt(sum(f.square(x), axis, keepdims))
    if len(axes) > 1 or isinstance(ord, str):
        raise e.refuse(f"norm with ord={ord!r} of matrices", "take a norm along one axis")
    if ord in (np.inf, -np.inf):
        return (max if ord > 0 else min)(f.absolute(x), axis, keepdims)
    if ord == 0:
        return sum(f.cast(f.not_equal(x, 0), "float32"), axis, keepdims)
    if ord == 1:
        return sum(f.absolute(x), axis, keepdims)
    return f.power(sum(f.power(f.absolute(x), float(ord)), axis, keepdims), 1.0 / float(ord))


def _numpy_ord_axes(axis: Axes) -> Any:
    return axis if axis is None or isinstance(axis, int) else tuple(axis)


@operation("Cumsum", settings=("axis", "dtype"))
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Running sums along an axis."""
    if not isinstance(x, e.Expression):
        x = as_array(x)
        own = np.int32 if x.dtype.kind == "b" else x.dtype
        return np.cumsum(x, axis=axis, dtype=dtype or own)
    axes = axes_of(x, axis)
    if len(axes) != 1:
        raise UnsupportedError("ops.cumsum in a program takes one axis; name it, axis=-1")
    (x,) = e.arithmetic("cumsum", x)
    return e.emitted(CumulativeSum(axes[0]), x, dtype=dtype or ("int32" if x.dtype == "bool" else x.dtype))


@operation("Cumprod", settings=("axis", "dtype"))
def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Running products along an axis.

    Raises:
        UnsupportedError: x is an expression.
    """
    if isinstance(x, e.Expression):
        raise e.refuse("cumprod", "take exp(cumsum(log(x), axis)) of positive values")
    x = as_array(x)
    return np.cumprod(x, axis=axis, dtype=dtype or (np.int32 if x.dtype.kind == "b" else x.dtype))


@operation("Median", settings=("axis", "keepdims"))
def median(x: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """Median over axes.

    Raises:
        UnsupportedError: x is an expression.
    """
    if isinstance(x, e.Expression):
        raise e.refuse("median", "take the mean, which needs no order")
    x = as_array(x)
    return np.asarray(np.median(x.astype(floating(x)), axis=_numpy_axes(x, axis), keepdims=keepdims))


def _over_batch(kind: BatchReduceKind, x: Any) -> Any:
    if isinstance(x, e.Expression):
        return e.emitted(BatchReduce(kind), *e.arithmetic(kind, x))
    x = as_array(x)
    whole = (np.sum if kind == "sum" else np.mean)(x.astype(floating(x), copy=False), axis=0, keepdims=True)
    return np.repeat(whole, len(x), axis=0)


def batch_sum(x: Any) -> Any:
    """Sum over the batch (the first axis), repeated for every row."""
    return _over_batch("sum", x)


def batch_mean(x: Any) -> Any:
    """Mean over the batch (the first axis), repeated for every row."""
    return _over_batch("mean", x)
