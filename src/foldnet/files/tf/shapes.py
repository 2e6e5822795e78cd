"""TensorFlow's functions of shapes and indexing, written with ``foldnet.ops``.

Sizes that are known when a file is read are lists of whole numbers, in which ``ROWS`` represents the number
of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from foldnet import ops
from foldnet.errors import UnsupportedError
from foldnet.layers.tensors import SymbolicTensor
from foldnet.promotion import as_array


class Rows:
    """The number of rows in a batch, ``tf.shape(x)[0]``, which is not known before there is data."""

    def __repr__(self) -> str:
        return "the number of rows"


ROWS = Rows()


def has_rows(value: Any) -> bool:
    """Whether a value contains ``ROWS``."""
    if isinstance(value, list | tuple):
        return any(has_rows(item) for item in value)
    return value is ROWS


def data(value: Any) -> Any:
    """Convert a list of numbers to an array; return anything else unchanged."""
    return as_array(value) if isinstance(value, list) else value


def axes_of(axis: Any) -> Any:
    """Convert a list of axes to a tuple."""
    return tuple(axis) if isinstance(axis, list) else axis


def axis_of(axis: Any) -> Any:
    """Unpack a list of one axis."""
    return axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis


def identity(input: Any) -> Any:
    """The value itself."""
    return ops.cast(input, input.dtype) if isinstance(input, SymbolicTensor) else input


def shape(input: Any) -> Any:
    """Sizes of the axes; the first is ``ROWS``."""
    sizes = ops.shape(input)
    return [ROWS if n is None and axis == 0 else n for axis, n in enumerate(sizes)]


def reshape(tensor: Any, shape: Any) -> Any:
    """Reshape; ``ROWS`` is the size of the batch axis."""
    if not isinstance(tensor, SymbolicTensor):
        return (
            tensor
            if isinstance(tensor, list) and list(shape) in ([-1], [len(tensor)])
            else ops.reshape(tensor, shape)
        )
    sizes = [int(n) if n is not ROWS else -1 for n in shape] if isinstance(shape, Sequence) else shape
    if isinstance(shape, Sequence) and has_rows(shape) and sizes.count(-1) == 2 and shape[0] is ROWS:
        row = tensor.shape[1:]
        if None not in row:
            rest = prod(n for n in sizes[1:] if n != -1)
            sizes = [-1, *(prod(n or 0 for n in row) // max(rest, 1) if n == -1 else n for n in sizes[1:])]
    return ops.reshape(tensor, sizes)


def get_item(tensor: Any, slice_spec: Any) -> Any:
    """``tensor[slice_spec]``, with slices as dicts of start, stop and step."""
    whole = isinstance(slice_spec, list)
    keys = [_key(k) for k in (slice_spec if whole else [slice_spec])]
    if isinstance(tensor, list):
        return tensor[keys[0]]
    return ops.get_item(data(tensor), tuple(keys) if whole else keys[0])


def _key(key: Any) -> Any:
    return slice(key["start"], key["stop"], key["step"]) if isinstance(key, Mapping) else key


def strided_slice(
    input_: Any, begin: Any, end: Any, strides: Any = None, begin_mask: int = 0, end_mask: int = 0,
    ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0,
) -> Any:  # fmt: skip
    """A slice given by three lists of limits and five bit masks over the axes."""
    keys: list[Any] = []
    for k, (first, last) in enumerate(zip(begin, end, strict=True)):
        bit = 1 << k
        step = 1 if strides is None else strides[k]
        limits = (None if begin_mask & bit else first, None if end_mask & bit else last)
        plain = first if shrink_axis_mask & bit else slice(*limits, None if step == 1 else step)
        keys.append(... if ellipsis_mask & bit else None if new_axis_mask & bit else plain)
    if isinstance(input_, list):
        return input_[keys[0]]
    return ops.get_item(input_, tuple(keys))


def split(value: Any, num_or_size_splits: Any, axis: Any = 0, num: Any = None) -> Any:
    """Split an axis into equal parts, or into parts of these sizes (one may be -1)."""
    axis, parts = axis_of(axis), num_or_size_splits
    if isinstance(parts, list):
        if -1 in parts:
            rest = (ops.shape(value)[axis] or 0) - sum(n for n in parts if n != -1)
            parts = [rest if n == -1 else n for n in parts]
        parts = np.cumsum(parts)[:-1].tolist()
    return tuple(ops.split(value, parts, axis))


def unstack(value: Any, num: Any = None, axis: int = 0) -> Any:
    """The slices along an axis, without that axis."""
    return tuple(value) if isinstance(value, list) else tuple(ops.unstack(value, num, axis))


def stack(values: Any, axis: int = 0) -> Any:
    """Stack values along a new axis; plain numbers become a list."""
    if not any(isinstance(v, SymbolicTensor | list | np.ndarray) for v in values):
        return list(values)
    return ops.stack([data(v) for v in values], axis)


def concat(values: Any, axis: Any = 0) -> Any:
    """Concatenate values along an axis; lists of sizes become one list."""
    if all(isinstance(v, list) for v in values) and not any(isinstance(i, list) for v in values for i in v):
        return [item for v in values for item in v]
    return ops.concatenate([data(v) for v in values], axis_of(axis))


def squeeze(input: Any, axis: Any = None) -> Any:
    """Remove axes of size 1."""
    return ops.squeeze(input, axes_of(axis) or None)


def transpose(a: Any, perm: Any = None, conjugate: Any = False) -> Any:
    """Reorder the axes. ``conjugate`` has no effect on real numbers."""
    return ops.transpose(data(a), perm)


def tile(input: Any, multiples: Any) -> Any:
    """Repeat the whole value along each axis."""
    return ops.tile(input, multiples)


def broadcast_to(input: Any, shape: Any) -> Any:
    """Broadcast axes of size 1."""
    return ops.broadcast_to(input, [None if n is ROWS else n for n in shape])


def pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    """Pad each axis before and after."""
    mode = mode.lower()
    return ops.pad(tensor, paddings, mode, constant_values if mode == "constant" else None)


def slice_(input_: Any, begin: Any, size: Any) -> Any:
    """The block that starts at these indices; size -1 is all that remains."""
    return ops.slice(input_, begin, [-1 if n is ROWS else n for n in size])


def gather(params: Any, indices: Any, axis: Any = None, batch_dims: int = 0) -> Any:
    """Take positions of an axis by index."""
    if batch_dims:
        raise UnsupportedError(f"it picks by batch_dims={batch_dims}, and foldnet has it without")
    axis = axis_of(axis) or 0
    if isinstance(params, list) and not isinstance(indices, SymbolicTensor):
        return [params[i] for i in indices] if isinstance(indices, list) else params[indices]
    return ops.take(data(params), indices, axis)


def one_hot(
    indices: Any, depth: int, on_value: Any = None, off_value: Any = None, axis: Any = None, dtype: Any = None
) -> Any:
    """One-hot encoding along a new axis, with 1 and 0 or two other values."""
    hot = ops.one_hot(indices, depth, -1 if axis is None else axis)
    on, off = (default if v is None else v for v, default in ((on_value, 1.0), (off_value, 0.0)))
    if (on, off) != (1.0, 0.0):
        hot = ops.add(ops.multiply(hot, on - off), off)
    return hot if dtype in (None, "float32") else ops.cast(hot, dtype)


def ensure_shape(x: Any, shape: Any) -> Any:
    """Check the shape, and return the value."""
    own = ops.shape(x)
    if len(own) != len(shape) or any(None not in (a, b) and a != b for a, b in zip(own, shape, strict=True)):
        raise UnsupportedError(f"it asks for the shape {shape} and is given {list(own)}")
    return identity(x)


def batch_flatten(x: Any) -> Any:
    """Flatten each row to one axis."""
    return reshape(x, [ROWS, -1])
