"""Shapes and order: what moves values about and computes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.graph import ops as graph_ops
from foldnet.graph import train_ops
from foldnet.ops import elementwise as f
from foldnet.ops import expression as e
from foldnet.ops.dtypes import as_array, result_type
from foldnet.ops.records import operation
from foldnet.ops.reductions import rank_of

Array = np.ndarray[Any, Any]


def shape(x: Any) -> tuple[int | None, ...]:
    """Sizes of the axes; None where they are not known yet."""
    return tuple(x.shape) if hasattr(x, "shape") else as_array(x).shape


def ndim(x: Any) -> int:
    """Number of axes."""
    return len(shape(x))


def size(x: Any) -> Any:
    """Number of values of an array.

    Raises:
        UnsupportedError: of a value whose rows are not counted yet.
    """
    if None in shape(x):
        raise e.refuse("size of a value with rows", "its shape beside the batch axis is x.shape[1:]")
    return np.asarray(prod(n or 0 for n in shape(x)), np.int32)


def rows_of(x: Any, shape: Sequence[int]) -> Any:
    """The same values with rows of another shape; the batch axis stays, for arrays as for expressions."""
    if isinstance(x, e.Expression):
        return e.emitted(graph_ops.Reshape(tuple(shape)), x, dtype=x.dtype)
    array = np.asarray(x)
    return array.reshape(len(array), *shape)


def _rows(x: e.Expression, sizes: Sequence[int | None]) -> e.Expression:
    """The expression with rows of these sizes, of which one may be unknown."""
    if list(sizes).count(None) > 1:
        raise UnsupportedError(f"rows of shape {tuple(sizes)} have several sizes that are not known yet")
    if tuple(sizes) == x.shape[1:]:
        return x
    found: e.Expression = rows_of(x, [-1 if n is None else n for n in sizes])
    return found


@operation("Reshape", settings=("newshape",))
def reshape(x: Any, newshape: int | Sequence[int]) -> Any:
    """The same values in row-major order under another shape, the batch axis counted; one size may be -1.

    Raises:
        UnsupportedError: an expression whose batch axis would not stay.
    """
    if not isinstance(x, e.Expression):
        return np.reshape(as_array(x), newshape)
    sizes = [newshape] if isinstance(newshape, int) else [-1 if n is None else int(n) for n in newshape]
    row = x.shape[1:]
    known = None not in row
    if not sizes or sizes[0] not in (-1, *x.shape[:1]) or (-1 in sizes[1:] and sizes[0] == -1):
        raise _moves_rows("reshape", x, newshape)
    if known and -1 not in sizes[1:] and np.prod(sizes[1:]) != np.prod([n or 0 for n in row]):
        raise _moves_rows("reshape", x, newshape)
    return rows_of(x, sizes[1:])


def _moves_rows(name: str, x: e.Expression, wanted: Any) -> UnsupportedError:
    return UnsupportedError(
        f"ops.{name} of a value of shape {x.shape} to {wanted} would move values between the rows of a batch; keep the "
        "batch axis, which comes first, as it is: -1 there, and sizes for the rest"
    )


def squeeze_last(x: Any) -> Any:
    """Without a last axis of size 1."""
    if isinstance(x, e.Expression):
        return _rows(x, x.shape[1:-1])
    return np.squeeze(np.asarray(x), -1)


@operation("ExpandDims", settings=("axis",))
def expand_dims(x: Any, axis: int | Sequence[int]) -> Any:
    """With new axes of size 1 at these places of the result."""
    if not isinstance(x, e.Expression):
        return np.expand_dims(as_array(x), axis if isinstance(axis, int) else tuple(axis))
    given = [axis] if isinstance(axis, int) else list(axis)
    rank = x.ndim + len(given)
    places = {a % rank for a in given}
    if 0 in places:
        raise _moves_rows("expand_dims", x, f"a new first axis (axis={axis})")
    old = iter(x.shape)
    return _rows(x, [1 if a in places else next(old) for a in range(rank)][1:])


@operation("Squeeze", settings=("axis",))
def squeeze(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Without axes of size 1: these, or all."""
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
    return _rows(x, [n for a, n in enumerate(x.shape) if a not in places][1:])


@operation("Ravel")
def ravel(x: Any) -> Any:
    """All values along one axis.

    Raises:
        UnsupportedError: of an expression, whose rows stay apart.
    """
    if isinstance(x, e.Expression):
        raise _moves_rows("ravel", x, "one axis")
    return np.ravel(as_array(x))


@operation("Transpose", settings=("axes",))
def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """The axes in another order, by default reversed."""
    if not isinstance(x, e.Expression):
        return np.transpose(as_array(x), axes)
    order = tuple(a % x.ndim for a in axes) if axes is not None else tuple(reversed(range(x.ndim)))
    if order[:1] != (0,):
        raise _moves_rows("transpose", x, f"the order {order}")
    return e.emitted(graph_ops.Transpose(order), x, dtype=x.dtype)


@operation("Swapaxes", settings=("axis1", "axis2"))
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes in each other's place."""
    order = list(range(rank_of(x)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(x, order)


@operation("Moveaxis", settings=("source", "destination"))
def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Axes at other places, the rest in their order."""
    rank = rank_of(x)
    pairs = [([v] if isinstance(v, int) else list(v)) for v in (source, destination)]
    moved = {to % rank: of % rank for of, to in zip(*pairs, strict=True)}
    rest = iter(a for a in range(rank) if a not in moved.values())
    return transpose(x, [moved[a] if a in moved else next(rest) for a in range(rank)])


def _joined(xs: Sequence[Any]) -> list[Any]:
    """The parts in one dtype; arrays among expressions are refused, for they have no rows."""
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
    """Values one after the other along an axis."""
    parts = _joined(xs)
    if not e.is_expression(*parts):
        return np.concatenate(parts, axis=axis)
    axis = axis % parts[0].ndim
    if axis == 0:
        raise _moves_rows("concatenate", parts[0], "more rows (axis=0)")
    return e.emitted(graph_ops.Concatenate(axis), *parts, dtype=e.promoted(*parts))


@operation("Stack", settings=("axis",))
def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Values side by side along a new axis."""
    if not e.is_expression(*x):
        return np.stack(_joined(x), axis=axis)
    rank = rank_of(x[0]) + 1
    return concatenate([expand_dims(v, axis % rank) for v in x], axis % rank)


def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """The parts of an axis, without it."""
    axis = axis % rank_of(x)
    count = num or shape(x)[axis]
    if count is None:
        raise UnsupportedError("ops.unstack of an axis whose size is not known yet")
    before = (slice(None),) * axis
    return [get_item(x, (*before, k)) for k in range(count)]


@operation("Split", settings=("indices_or_sections", "axis"))
def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """The parts of an axis: so many equal ones, or cut at these places."""
    if not isinstance(x, e.Expression):
        return list(np.split(as_array(x), indices_or_sections, axis=axis))
    axis = axis % x.ndim
    length = x.shape[axis]
    if length is None:
        raise UnsupportedError("ops.split of an axis whose size is not known yet, such as the batch axis")
    if isinstance(indices_or_sections, int):
        if length % indices_or_sections:
            raise ConfigError(f"an axis of size {length} does not make {indices_or_sections} equal parts")
        each = length // indices_or_sections
        cuts = [each * k for k in range(1, indices_or_sections)]
    else:
        cuts = [int(c) for c in indices_or_sections]
    ends = [0, *cuts, length]
    before = (slice(None),) * axis
    return [get_item(x, (*before, slice(a, b))) for a, b in pairwise(ends)]


def _keys(x: e.Expression, key: Any) -> list[Any]:
    """One key an axis, with new axes as None, and without an ellipsis."""
    keys = list(key) if isinstance(key, tuple | list) else [key]
    used = len([k for k in keys if k is not None and k is not Ellipsis])
    if used > x.ndim or len([k for k in keys if k is Ellipsis]) > 1:
        raise ConfigError(f"{key!r} has more places than the {x.ndim} axes of a value of shape {x.shape}")
    fill = [slice(None)] * (x.ndim - used)
    at = next((i for i, k in enumerate(keys) if k is Ellipsis), None)
    return [*keys, *fill] if at is None else [*keys[:at], *fill, *keys[at + 1 :]]


@operation("GetItem", name="get_item")
def get_item(x: Any, key: Any) -> Any:
    """``x[key]`` with whole numbers, slices, None and ``...``.

    Raises:
        UnsupportedError: a key of another kind, or one that takes rows out of an expression's batch axis.
    """
    if not isinstance(x, e.Expression):
        return as_array(x)[tuple(key) if isinstance(key, list) else key]
    keys = _keys(x, key)
    if keys[:1] != [slice(None)]:
        raise UnsupportedError(
            f"{key!r} takes rows out of the batch axis of a value of shape {x.shape}; begin with a colon, x[:, ...]"
        )
    slices: list[tuple[int | None, int | None, int]] = []
    rows: list[Any] = []  # sizes of the result, None where the slice tells
    sizes = iter(x.shape[1:])
    for k in keys[1:]:
        if k is None:
            rows.append(1)
        elif isinstance(k, slice):
            n = next(sizes)
            entry = tuple(None if v is None else int(v) for v in (k.start, k.stop))
            slices.append((entry[0], entry[1], 1 if k.step is None else int(k.step)))
            rows.append("slice")
        elif isinstance(k, int | np.integer) and not isinstance(k, bool):
            n = next(sizes)
            if n is not None and not -n <= k < n:
                raise ConfigError(
                    f"{k} is not on an axis of size {n}, in {key!r} of a value of shape {x.shape}"
                )
            slices.append((int(k), int(k) + 1 if k != -1 else None, 1))
            rows.append("gone")
        else:
            raise e.refuse(f"x[{k!r}]", "use whole numbers, slices, None and ..., or ops.take")
    op = train_ops.Slice(tuple(slices))
    sliced = x if all(s == (None, None, 1) for s in slices) else e.emitted(op, x, dtype=x.dtype)
    left = iter(sliced.shape[1:])
    found = [1 if row == 1 else next(left) for row in rows]
    return _rows(sliced, [n for n, row in zip(found, rows, strict=True) if row != "gone"])


def block(inputs: Any, start_indices: Sequence[int], shape: Sequence[int]) -> Any:
    """The block that starts at these places and has this shape; -1 is all that is left. Keras's ``slice``."""
    keys = [
        slice(None if at == 0 and n == -1 else at, None if n == -1 else at + n)
        for at, n in zip(start_indices, shape, strict=True)
    ]
    return get_item(inputs, tuple(keys))


def _picked(x: e.Expression, axis: int, places: Sequence[int]) -> e.Expression:
    if axis == 0:
        raise _moves_rows("take", x, "other rows (axis=0)")
    return e.emitted(train_ops.Pick(axis, tuple(int(p) for p in places)), x, dtype=x.dtype)


@operation("Flip", settings=("axis",))
def flip(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """The order of axes reversed."""
    if not isinstance(x, e.Expression):
        return np.flip(as_array(x), axis if axis is None or isinstance(axis, int) else tuple(axis))
    from foldnet.ops.reductions import axes_of

    axes = axes_of(x, axis)
    return e.emitted(
        train_ops.Slice(tuple((None, None, -1 if a in axes else 1) for a in range(1, x.ndim))),
        x,
        dtype=x.dtype,
    )


@operation("Roll", settings=("shift", "axis"))
def roll(x: Any, shift: int, axis: int | None = None) -> Any:
    """Values moved along an axis, what leaves at its end coming in at its start."""
    if not isinstance(x, e.Expression):
        return np.roll(as_array(x), shift, axis)
    if not isinstance(axis, int):
        raise e.refuse("roll over all axes", "name one axis")
    n = known(x, axis)
    return _picked(x, axis % x.ndim, [(k - shift) % n for k in range(n)])


def known(x: e.Expression, axis: int) -> int:
    """The size of an axis.

    Raises:
        UnsupportedError: it is not known yet.
    """
    n = x.shape[axis]
    if n is None:
        raise UnsupportedError(
            f"axis {axis} of a value of shape {x.shape} has no size yet; give Input its size"
        )
    return n


@operation("Repeat", settings=("repeats", "axis"))
def repeat(x: Any, repeats: int | Sequence[int], axis: int | None = None) -> Any:
    """Each value so many times, one after the other."""
    if not isinstance(x, e.Expression):
        return np.repeat(as_array(x), repeats, axis)
    if axis is None:
        raise e.refuse("repeat without an axis", "name one, axis=1")
    n = known(x, axis)
    return _picked(x, axis % x.ndim, [int(p) for p in np.repeat(np.arange(n), repeats)])


@operation("Tile", settings=("repeats",))
def tile(x: Any, repeats: int | Sequence[int]) -> Any:
    """The whole so many times along each axis."""
    if not isinstance(x, e.Expression):
        return np.tile(as_array(x), repeats)
    times = [repeats] if isinstance(repeats, int) else list(repeats)
    times = [1] * (x.ndim - len(times)) + times
    if len(times) > x.ndim or times[0] != 1:
        raise _moves_rows("tile", x, f"repetitions {repeats}")
    for axis, count in enumerate(times):
        if count != 1:
            x = _picked(x, axis, list(range(known(x, axis))) * count)
    return x


@operation("BroadcastTo", settings=("shape",))
def broadcast_to(x: Any, shape: Sequence[int | None]) -> Any:
    """Axes of size 1 as copies along others' sizes."""
    if not isinstance(x, e.Expression):
        return np.broadcast_to(as_array(x), tuple(shape))  # type: ignore[arg-type]
    if len(shape) != x.ndim or shape[0] not in (None, -1):
        raise _moves_rows("broadcast_to", x, shape)
    for axis, n in enumerate(shape[1:], 1):
        if n is not None and x.shape[axis] == 1 != n:
            x = _picked(x, axis, [0] * n)
    return x


@operation("Pad", settings=("pad_width", "mode"))
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """More positions before and after those of each axis: a constant (0), or the nearest or mirrored values."""
    if not isinstance(x, e.Expression):
        extra = {"constant_values": constant_values or 0} if mode == "constant" else {}
        return np.pad(as_array(x), pad_width, mode, **extra)  # type: ignore[call-overload]
    widths = np.broadcast_to(np.asarray(pad_width, int), (x.ndim, 2)).tolist()
    if widths[0] != [0, 0]:
        raise _moves_rows("pad", x, f"more rows, pad_width={pad_width}")
    for axis, (before, after) in enumerate(widths):
        if before == after == 0:
            continue
        n = known(x, axis)
        # NumPy says which position each comes from; what comes from none gets the constant.
        places = np.pad(np.arange(n), (before, after), "edge" if mode == "constant" else mode)  # type: ignore[call-overload]
        x = _picked(x, axis, places)
        if mode == "constant":
            inside = np.pad(np.ones(n, bool), (before, after))
            x = f.where(inside.reshape(-1, *[1] * (x.ndim - 1 - axis)), x, float(constant_values or 0))
    return x


@operation("Take", settings=("axis",))
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Positions of an axis by their numbers; rows of a table by the numbers that an expression gives.

    Raises:
        UnsupportedError: an expression's positions by numbers that it computes itself.
    """
    if isinstance(indices, e.Expression):
        if isinstance(x, e.Expression) or axis not in (0, None) or np.ndim(x) not in (1, 2):
            raise e.refuse("take by computed indices", "multiply with ops.one_hot(indices, n) and sum")
        table = np.asarray(x, np.float64)
        found = indices if indices.is_int else e.emitted(graph_ops.Cast(graph_ops.INT), indices)
        rows = found.builder.constant("table", table.reshape(len(table), -1))
        value = found.builder.emit(graph_ops.Gather(), found.value, rows)
        taken = e.Expression(found.builder, value, in_network=found.in_network)
        return taken if table.ndim == 2 else squeeze_last(taken)
    places = as_array(indices)
    if not isinstance(x, e.Expression):
        return np.take(as_array(x), places, axis=axis)
    if axis is None:
        raise e.refuse("take without an axis", "name one, axis=1")
    n, axis = known(x, axis), axis % x.ndim
    if ((places < -n) | (places >= n)).any():
        raise ConfigError(f"indices {places.tolist()} are not all on an axis of size {n}")
    taken = _picked(x, axis, (places.ravel() % n).tolist())
    return _rows(taken, (*taken.shape[1:axis], *places.shape, *taken.shape[axis + 1 :]))
