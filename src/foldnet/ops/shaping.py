"""Shapes and axes: functions that move values without computing."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.operations import expression as e
from foldnet.operations.structure.op import Concatenate, Reshape, Transpose, reshape_to
from foldnet.ops import elementwise as f
from foldnet.ops.records import operation
from foldnet.ops.reductions import rank_of
from foldnet.promotion import as_array, result_type


def shape(x: Any) -> tuple[int | None, ...]:
    """Sizes of the axes; None where they are not known yet."""
    return tuple(x.shape) if hasattr(x, "shape") else as_array(x).shape


def ndim(x: Any) -> int:
    """Number of axes."""
    return len(shape(x))


def size(x: Any) -> Any:
    """Number of values of an array.

    Raises:
        UnsupportedError: the number of rows is not known yet.
    """
    if None in shape(x):
        raise e.refuse("size of a value with rows", "its shape without the batch axis is x.shape[1:]")
    return np.asarray(prod(n or 0 for n in shape(x)), np.int32)


def rows_of(x: Any, shape: Sequence[int]) -> Any:
    """Reshape each row; the batch axis stays, for arrays and for expressions."""
    if isinstance(x, e.Expression):
        return e.emitted(Reshape(tuple(shape)), x, dtype=x.dtype)
    array = np.asarray(x)
    return array.reshape(len(array), *shape)


def with_rows(x: e.Expression, sizes: Sequence[int | None]) -> e.Expression:
    """Reshape each row of an expression to these sizes; free ones are those of the expression."""
    if tuple(sizes) == x.shape[1:]:
        return x
    found: e.Expression = e.emitted(reshape_to(x.shape, sizes), x, dtype=x.dtype)
    return found


@operation("Reshape", settings=("newshape",))
def reshape(x: Any, newshape: int | Sequence[int]) -> Any:
    """Reshape in row-major order; the shape includes the batch axis, and one size may be -1.

    Raises:
        UnsupportedError: the batch axis of an expression would change.
    """
    if not isinstance(x, e.Expression):
        return np.reshape(as_array(x), newshape)
    sizes = [newshape] if isinstance(newshape, int) else [-1 if n is None else int(n) for n in newshape]
    row = x.shape[1:]
    known = None not in row
    if not sizes or sizes[0] not in (-1, *x.shape[:1]) or (-1 in sizes[1:] and sizes[0] == -1):
        raise moves_rows("reshape", x, newshape)
    if known and -1 not in sizes[1:] and np.prod(sizes[1:]) != np.prod([n or 0 for n in row]):
        raise moves_rows("reshape", x, newshape)
    return rows_of(x, sizes[1:])


def moves_rows(name: str, x: e.Expression, wanted: Any) -> UnsupportedError:
    """The error for a change of the batch axis."""
    return UnsupportedError(
        f"ops.{name} of a value of shape {x.shape} to {wanted} would move values between the rows of a batch; keep the "
        "batch axis, which comes first, as it is: -1 there, and sizes for the rest"
    )


def squeeze_last(x: Any) -> Any:
    """Remove a last axis of size 1."""
    if isinstance(x, e.Expression):
        return with_rows(x, x.shape[1:-1])
    return np.squeeze(np.asarray(x), -1)


@operation("ExpandDims", settings=("axis",))
def expand_dims(x: Any, axis: int | Sequence[int]) -> Any:
    """Insert axes of size 1 at these positions of the result."""
    if not isinstance(x, e.Expression):
        return np.expand_dims(as_array(x), axis if isinstance(axis, int) else tuple(axis))
    given = [axis] if isinstance(axis, int) else list(axis)
    rank = x.ndim + len(given)
    places = {a % rank for a in given}
    if 0 in places:
        raise moves_rows("expand_dims", x, f"a new first axis (axis={axis})")
    old = iter(x.shape)
    return with_rows(x, [1 if a in places else next(old) for a in range(rank)][1:])


@operation("Squeeze", settings=("axis",))
def squeeze(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Remove axes of size 1: these, or all."""
    if not isinstance(x, e.Expression):
        return np.squeeze(as_array(x), axis if axis is None or isinstance(axis, int) else tuple(axis))
    given = [axis] if isinstance(axis, int) else axis
    places = (
        {a for a in range(1, x.ndim) if x.shape[a] == 1} if given is None else {a % x.ndim for a in given}
    )
    if 0 in places or any(x.shape[a] != 1 for a in places):
        raise ConfigError(
            f"ops.squeeze cannot drop axis {axis} of a value of shape {x.shape}: its size is not 1"
        )
    return with_rows(x, [n for a, n in enumerate(x.shape) if a not in places][1:])


@operation("Ravel")
def ravel(x: Any) -> Any:
    """Flatten to one axis.

    Raises:
        UnsupportedError: x is an expression, whose rows must not mix.
    """
    if isinstance(x, e.Expression):
        raise moves_rows("ravel", x, "one axis")
    return np.ravel(as_array(x))


@operation("Transpose", settings=("axes",))
def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """Reorder the axes, by default reversed."""
    if not isinstance(x, e.Expression):
        return np.transpose(as_array(x), axes)
    order = tuple(a % x.ndim for a in axes) if axes is not None else tuple(reversed(range(x.ndim)))
    if order[:1] != (0,):
        raise moves_rows("transpose", x, f"the order {order}")
    return e.emitted(Transpose(order), x, dtype=x.dtype)


@operation("Swapaxes", settings=("axis1", "axis2"))
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Swap two axes."""
    order = list(range(rank_of(x)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(x, order)


@operation("Moveaxis", settings=("source", "destination"))
def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Move axes to other positions; the rest keep their order."""
    rank = rank_of(x)
    pairs = [([v] if isinstance(v, int) else list(v)) for v in (source, destination)]
    moved = {to % rank: of % rank for of, to in zip(*pairs, strict=True)}
    rest = iter(a for a in range(rank) if a not in moved.values())
    return transpose(x, [moved[a] if a in moved else next(rest) for a in range(rank)])


def _joined(xs: Sequence[Any]) -> list[Any]:
    """The parts in one dtype; arrays among expressions are refused, because they have no rows."""
    if not e.is_expression(*xs):
        arrays = [as_array(x) for x in xs]
        dtype = result_type(*arrays)
        return [a.astype(dtype, copy=False) for a in arrays]
    if any(not isinstance(x, e.Expression) for x in xs):
        raise UnsupportedError(
            "ops.concatenate and ops.stack join values of the network; make an array one of them: x * 0 + array"
        )
    if all(x.is_int for x in xs):
        return list(xs)
    return [f.cast(x, "float32") if x.is_int else x for x in xs]


@operation("Concatenate", settings=("axis",))
def concatenate(xs: Sequence[Any], axis: int = 0) -> Any:
    """Concatenate values along an axis."""
    parts = _joined(xs)
    if not e.is_expression(*parts):
        return np.concatenate(parts, axis=axis)
    axis = axis % parts[0].ndim
    if axis == 0:
        raise moves_rows("concatenate", parts[0], "more rows (axis=0)")
    return e.emitted(Concatenate(axis), *parts, dtype=e.promoted(*parts))


@operation("Stack", settings=("axis",))
def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Stack values along a new axis."""
    if not e.is_expression(*x):
        return np.stack(_joined(x), axis=axis)
    rank = rank_of(x[0]) + 1
    return concatenate([expand_dims(v, axis % rank) for v in x], axis % rank)
