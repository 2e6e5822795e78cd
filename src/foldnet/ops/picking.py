"""Indexing: slices, positions of an axis, repetition and padding."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.graph.op import INT
from foldnet.operations import expression as e
from foldnet.operations.structure.op import Cast, Gather, Pick, Slice
from foldnet.ops import elementwise as f
from foldnet.ops.records import operation
from foldnet.ops.reductions import axes_of, rank_of
from foldnet.ops.shaping import moves_rows, shape, squeeze_last, with_rows
from foldnet.promotion import as_array


def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """The slices along an axis, without that axis."""
    axis = axis % rank_of(x)
    count = num or shape(x)[axis]
    if count is None:
        raise UnsupportedError("ops.unstack of an axis whose size is not known yet")
    before = (slice(None),) * axis
    return [get_item(x, (*before, k)) for k in range(count)]


@operation("Split", settings=("indices_or_sections", "axis"))
def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Split an axis into equal parts, or at these indices."""
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
    """One key per axis, new axes as None, and the ellipsis replaced."""
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
        UnsupportedError: another kind of key, or one that selects rows of an expression.
    """
    if not isinstance(x, e.Expression):
        return as_array(x)[tuple(key) if isinstance(key, list) else key]
    keys = _keys(x, key)
    if keys[:1] != [slice(None)]:
        raise UnsupportedError(
            f"{key!r} takes rows out of the batch axis of a value of shape {x.shape}; begin with a colon, x[:, ...]"
        )
    slices: list[tuple[int | None, int | None, int]] = []
    rows: list[Any] = []  # for each key: 1 for a new axis, "slice", or "gone" for an index
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
    op = Slice(tuple(slices))
    sliced = x if all(s == (None, None, 1) for s in slices) else e.emitted(op, x, dtype=x.dtype)
    left = iter(sliced.shape[1:])
    found = [1 if row == 1 else next(left) for row in rows]
    return with_rows(sliced, [n for n, row in zip(found, rows, strict=True) if row != "gone"])


def block(inputs: Any, start_indices: Sequence[int], shape: Sequence[int]) -> Any:
    """The block that starts at these indices and has this shape; -1 is all that remains. Keras's ``slice``."""
    keys = [
        slice(None if at == 0 and n == -1 else at, None if n == -1 else at + n)
        for at, n in zip(start_indices, shape, strict=True)
    ]
    return get_item(inputs, tuple(keys))


def _picked(x: e.Expression, axis: int, places: Sequence[int]) -> e.Expression:
    if axis == 0:
        raise moves_rows("take", x, "other rows (axis=0)")
    return e.emitted(Pick(axis, tuple(int(p) for p in places)), x, dtype=x.dtype)


@operation("Flip", settings=("axis",))
def flip(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Reverse the order of the values along axes."""
    if not isinstance(x, e.Expression):
        return np.flip(as_array(x), axis if axis is None or isinstance(axis, int) else tuple(axis))
    axes = axes_of(x, axis)
    return e.emitted(
        Slice(tuple((None, None, -1 if a in axes else 1) for a in range(1, x.ndim))),
        x,
        dtype=x.dtype,
    )


@operation("Roll", settings=("shift", "axis"))
def roll(x: Any, shift: int, axis: int | None = None) -> Any:
    """Shift values along an axis; values beyond the end continue at the start."""
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
    """Repeat each value along an axis."""
    if not isinstance(x, e.Expression):
        return np.repeat(as_array(x), repeats, axis)
    if axis is None:
        raise e.refuse("repeat without an axis", "name one, axis=1")
    n = known(x, axis)
    return _picked(x, axis % x.ndim, [int(p) for p in np.repeat(np.arange(n), repeats)])


@operation("Tile", settings=("repeats",))
def tile(x: Any, repeats: int | Sequence[int]) -> Any:
    """Repeat the whole value along each axis."""
    if not isinstance(x, e.Expression):
        return np.tile(as_array(x), repeats)
    times = [repeats] if isinstance(repeats, int) else list(repeats)
    times = [1] * (x.ndim - len(times)) + times
    if len(times) > x.ndim or times[0] != 1:
        raise moves_rows("tile", x, f"repetitions {repeats}")
    for axis, count in enumerate(times):
        if count != 1:
            x = _picked(x, axis, list(range(known(x, axis))) * count)
    return x


@operation("BroadcastTo", settings=("shape",))
def broadcast_to(x: Any, shape: Sequence[int | None]) -> Any:
    """Broadcast axes of size 1."""
    if not isinstance(x, e.Expression):
        return np.broadcast_to(as_array(x), tuple(shape))  # type: ignore[arg-type]
    if len(shape) != x.ndim or shape[0] not in (None, -1):
        raise moves_rows("broadcast_to", x, shape)
    for axis, n in enumerate(shape[1:], 1):
        if n is not None and x.shape[axis] == 1 != n:
            x = _picked(x, axis, [0] * n)
    return x


@operation("Pad", settings=("pad_width", "mode"))
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """Pad each axis before and after, with a constant (0) or with edge or mirrored values."""
    if not isinstance(x, e.Expression):
        extra = {"constant_values": constant_values or 0} if mode == "constant" else {}
        return np.pad(as_array(x), pad_width, mode, **extra)  # type: ignore[call-overload]
    widths = np.broadcast_to(np.asarray(pad_width, int), (x.ndim, 2)).tolist()
    if widths[0] != [0, 0]:
        raise moves_rows("pad", x, f"more rows, pad_width={pad_width}")
    for axis, (before, after) in enumerate(widths):
        if before == after == 0:
            continue
        n = known(x, axis)
        # Pad the indices with NumPy to find which position each value comes from.
        places = np.pad(np.arange(n), (before, after), "edge" if mode == "constant" else mode)  # type: ignore[call-overload]
        x = _picked(x, axis, places)
        if mode == "constant":
            inside = np.pad(np.ones(n, bool), (before, after))
            x = f.where(inside.reshape(-1, *[1] * (x.ndim - 1 - axis)), x, float(constant_values or 0))
    return x


@operation("Take", settings=("axis",))
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Take positions of an axis by index; or rows of a table by the indices in an expression.

    Raises:
        UnsupportedError: positions of an expression by computed indices.
    """
    if isinstance(indices, e.Expression):
        if isinstance(x, e.Expression) or axis not in (0, None) or np.ndim(x) not in (1, 2):
            raise e.refuse("take by computed indices", "multiply with ops.one_hot(indices, n) and sum")
        table = np.asarray(x, np.float64)
        found = indices if indices.is_int else e.emitted(Cast(INT), indices)
        rows = found.builder.constant("table", table.reshape(len(table), -1))
        value = found.builder.emit(Gather(), found.value, rows)
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
    return with_rows(taken, (*taken.shape[1:axis], *places.shape, *taken.shape[axis + 1 :]))
