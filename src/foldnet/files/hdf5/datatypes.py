"""Data types and shapes of numbers and text (sections IV.A.2.b and IV.A.2.d)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Final, Literal

import numpy as np

from foldnet.errors import FileFormatError
from foldnet.files.hdf5.source import Cursor

MAX_RANK = 32

DataKind = Literal["number", "text", "free text", "bfloat16", "bytes", "other"]
"""Kinds of data: numbers; text of fixed or variable length; bfloat16; opaque bytes; everything else."""

NUMBER: Final = "number"
TEXT: Final = "text"
FREE_TEXT: Final = "free text"
BFLOAT16: Final = "bfloat16"
BYTES: Final = "bytes"
OTHER: Final = "other"

_NAMES = {2: "times", 4: "bit fields", 6: "compound values", 7: "references", 9: "lists", 10: "arrays"}


@dataclass(frozen=True)
class Kind:
    """A data type.

    Attributes:
        kind: one of the kinds above.
        size: bytes of an element.
        dtype: of numbers, in the file's byte order.
        name: for errors.
    """

    kind: DataKind
    size: int
    dtype: np.dtype[np.generic] | None
    name: str


def read_kind(message: Cursor) -> Kind:
    """Read the type from a datatype message.

    Raises:
        FileFormatError: the message is damaged.
    """
    head, bits, size = message.number(1), message.number(3), message.number(4)
    form = head & 15
    if not 1 <= head >> 4 <= 5 or not 0 < size < 1 << 31:
        raise FileFormatError(f"{message.what} in the HDF5 file has a damaged type")
    if form in (0, 1):
        return _number(message, form, bits, size)
    if form == 3:
        return Kind(TEXT, size, None, "text")
    if form == 5:
        return Kind(BYTES, size, None, f"values of {size} bytes")
    if form == 8:
        base = read_kind(message)
        # h5py stores booleans as an enumeration of bytes.
        boolean = base.dtype is not None and base.dtype.itemsize == 1 and bits & 0xFFFF == 2 and size == 1
        return (
            Kind(NUMBER, 1, np.dtype("u1"), "truth values")
            if boolean
            else Kind(OTHER, size, None, "enumerations")
        )
    if form == 9 and bits & 15 == 1 and size == 16:
        return Kind(FREE_TEXT, size, None, "text")
    return Kind(OTHER, size, None, _NAMES.get(form, "values of an unknown type"))


def _number(message: Cursor, form: int, bits: int, size: int) -> Kind:
    order = ">" if bits & 1 else "<"
    offset, precision = message.number(2), message.number(2)
    plain = offset == 0 and precision == 8 * size
    if form == 0:
        if plain and size in (1, 2, 4, 8):
            dtype = np.dtype(f"{order}{'i' if bits & 8 else 'u'}{size}")
            return Kind(NUMBER, size, dtype, dtype.name)
        return Kind(OTHER, size, None, f"whole numbers of {precision} bits in {size} bytes")
    parts = tuple(message.number(1) for _ in range(4))  # position and size of exponent and mantissa
    bias = message.number(4)
    ieee = {2: (10, 5, 0, 10), 4: (23, 8, 0, 23), 8: (52, 11, 0, 52)}
    if plain and parts == ieee.get(size) and bias == (1 << (parts[1] - 1)) - 1 and not bits & 0x40:
        dtype = np.dtype(f"{order}f{size}")
        return Kind(NUMBER, size, dtype, dtype.name)
    if plain and size == 2 and parts == (7, 8, 0, 7) and bias == 127 and order == "<":
        return Kind(BFLOAT16, 2, None, "bfloat16")
    return Kind(OTHER, size, None, f"floating-point numbers of {precision} bits in a format of their own")


def read_shape(message: Cursor) -> tuple[int, ...] | None:
    """Read the shape from a dataspace message; None if there is no data.

    Raises:
        FileFormatError: the message is damaged.
    """
    version, rank, _ = message.number(1), message.number(1), message.number(1)
    if version not in (1, 2) or rank > MAX_RANK:
        raise FileFormatError(f"{message.what} in the HDF5 file has a damaged shape")
    form = message.number(1 if version == 2 else 5)
    if version == 2 and form == 2:
        return None
    shape = tuple(message.address() for _ in range(rank))
    if prod(max(n, 1) for n in shape) >= 1 << 62:
        raise FileFormatError(f"{message.what} in the HDF5 file has a damaged shape {shape}")
    return shape
