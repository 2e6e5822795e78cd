"""Tensors of the protocol as arrays, and back: in JSON, and as bytes after the JSON.

Names of datatypes and the layout of bytes are those of the Open Inference Protocol v2 and its binary-tensor extension:
little-endian, row-major; a text is its length in four bytes, and its UTF-8.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain
from math import isfinite, prod

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError
from foldnet.setting_types import shown

TEXTS = "BYTES"

DTYPES = {
    "BOOL": "?",
    "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
"""NumPy's dtype of each datatype that holds numbers."""

DATATYPES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
"""The datatype of each dtype that a result may have."""

_IN_JSON: dict[str, set[type]] = {"b": {bool}, "u": {int}, "i": {int}, "f": {int, float}}
"""What Python's JSON makes of the values, by the kind of the dtype."""

_IN_WORDS = {"b": "true and false", "u": "whole numbers from 0", "i": "whole numbers", "f": "numbers"}

_LENGTH = struct.Struct("<I")


def from_json(data: object, datatype: str, shape: Sequence[int], name: str) -> Array:
    """A tensor from the ``data`` of a request, which is flat or nested.

    Args:
        data: as JSON was read.
        datatype: ``TEXTS`` or a key of ``DTYPES``.
        shape: of the tensor.
        name: of the input, for errors.

    Raises:
        InputError: the data has another number of values or another nesting than the shape, or other values.

    >>> from_json([1, 2.5], "FP32", (1, 2), "x")
    array([[1. , 2.5]], dtype=float32)
    """
    flat = _flattened(data, shape, name)
    if datatype == TEXTS:
        if not set(map(type, flat)) <= {str}:
            raise InputError(f"input {name!r} has datatype BYTES, and {_odd(flat, {str})}, which is no text")
        return np.array(flat, object).reshape(shape)
    dtype = np.dtype(DTYPES[datatype])
    if not set(map(type, flat)) <= _IN_JSON[dtype.kind]:
        raise InputError(
            f"input {name!r} has datatype {datatype}, which holds {_IN_WORDS[dtype.kind]}, "
            f"and {_odd(flat, _IN_JSON[dtype.kind])}"
        )
    try:
        with np.errstate(over="ignore"):
            array = np.array(flat, dtype)
        if dtype.kind == "f" and not np.isfinite(array).all():
            raise OverflowError
    except OverflowError:
        raise InputError(f"input {name!r} holds a number that is out of the range of {datatype}") from None
    return array.reshape(shape)


def _flattened(data: object, shape: Sequence[int], name: str) -> list[object]:
    """The values in order, of data that is flat or nested as the shape says."""
    if not isinstance(data, list):
        raise InputError(f"input {name!r}: data must be a list, not {shown(data)}")
    level = data
    nested = any(isinstance(item, list) for item in data)
    for depth, size in enumerate(shape[1:] if nested else ()):
        if not all(isinstance(row, list) and len(row) == size for row in level):
            raise InputError(
                f"input {name!r} has shape {list(shape)}, and its data is not nested so: every list at depth "
                f"{depth + 2} must have {size} entries"
            )
        level = list(chain.from_iterable(level))
    if nested and shape and len(data) != shape[0]:
        raise InputError(f"input {name!r} has shape {list(shape)}, and its data has {len(data)} rows")
    if len(level) != prod(shape):
        raise InputError(
            f"input {name!r} has shape {list(shape)}, so {prod(shape)} values, and its data has {len(level)}"
        )
    return level


def _odd(flat: list[object], right: set[type]) -> str:
    place = next(i for i, value in enumerate(flat) if type(value) not in right)
    return f"value {place} of its data is {shown(flat[place])}"


def from_bytes(part: memoryview, datatype: str, shape: Sequence[int], name: str) -> Array:
    """A tensor from the bytes after the JSON of a request.

    Args:
        part: its bytes.
        datatype: ``TEXTS`` or a key of ``DTYPES``.
        shape: of the tensor.
        name: of the input, for errors.

    Raises:
        InputError: there are more or fewer bytes than the tensor has.

    >>> from_bytes(memoryview(b"\\x01\\x00\\x02\\x00"), "INT16", (1, 2), "x")
    array([[1, 2]], dtype=int16)
    """
    if datatype == TEXTS:
        return np.array(_texts(part, prod(shape), name), object).reshape(shape)
    dtype = np.dtype(DTYPES[datatype])
    size = prod(shape) * dtype.itemsize
    if len(part) != size:
        raise InputError(
            f"input {name!r} of datatype {datatype} and shape {list(shape)} has {size} bytes, and its "
            f"binary_data_size is {len(part)}"
        )
    # A copy, which is aligned, and has the machine's order of bytes.
    return np.array(np.frombuffer(part, dtype), dtype.newbyteorder("=")).reshape(shape)


def _texts(part: memoryview, count: int, name: str) -> list[bytes]:
    """Texts with their lengths before them; no more than there are bytes for."""
    texts: list[bytes] = []
    end = 0
    while end + _LENGTH.size <= len(part):
        start = end + _LENGTH.size
        end = start + _LENGTH.unpack_from(part, end)[0]
        if end > len(part):
            break
        texts.append(bytes(part[start:end]))
    if end != len(part) or len(texts) != count:
        raise InputError(
            f"input {name!r} has {count} texts by its shape. Its {len(part)} bytes must hold the length of each in "
            f"four bytes and its UTF-8, and they hold {len(texts)}{'' if end == len(part) else ' and a part of one'}"
        )
    return texts


def to_json(array: Array, name: str) -> list[object]:
    """The values of a result, flat; a reader that rounds them to the result's datatype has the same bits.

    Raises:
        InputError: the result holds NaN or infinity, which JSON does not have.
    """
    flat: list[object] = array.ravel().tolist()
    if array.dtype.kind == "f" and not all(map(isfinite, flat)):  # type: ignore[arg-type]
        place = np.argwhere(~np.isfinite(array))[0].tolist()
        raise InputError(
            f"result {name!r} is {array[tuple(place)]} at {place}, which JSON cannot hold: ask for binary data "
            '("parameters": {"binary_data_output": true}), or send other rows'
        )
    return flat


def to_bytes(array: Array) -> bytes:
    """The bytes of a result."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
