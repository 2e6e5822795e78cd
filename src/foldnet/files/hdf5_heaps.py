"""A check that the HDF5 library leaves out: it loops for ever on a damaged heap of texts.

Texts of free length (names of weights, settings) lie in "global heap collections", blocks that begin with ``GCOL``:
a list of objects, each a header of 16 bytes with its index and size, and last one of index 0 for the free rest.
The format is in section III.E of the HDF5 File Format Specification.
"""

from __future__ import annotations

import mmap
import struct
from os import PathLike
from pathlib import Path

from foldnet.errors import FileFormatError

_START = b"GCOL\x01\0\0\0"
_HEADER = 16


def check_heaps(source: str | PathLike[str] | bytes) -> None:
    """Walk every heap of texts in a file.

    Args:
        source: a path, or the bytes of a file.

    Raises:
        FileFormatError: a heap's objects do not add up to its size.
    """
    if isinstance(source, bytes):
        _check(source)
        return
    with Path(source).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        _check(data)


def _check(data: bytes | mmap.mmap) -> None:
    start = data.find(_START)
    while start >= 0:
        if start % 8 == 0:
            _walk(data, start)
        start = data.find(_START, start + 8)


def _walk(data: bytes | mmap.mmap, start: int) -> None:
    end = start + _number(data, start + 8)
    at = start + _HEADER
    while at + _HEADER <= end <= len(data):
        index, size = int.from_bytes(data[at : at + 2], "little"), _number(data, at + 8)
        if index == 0:
            at = end if at + size == end else -1
            break
        at += _HEADER + (size + 7) // 8 * 8
    # A rest too small for another header is left without one.
    if not 0 <= end - at < _HEADER:
        raise FileFormatError(
            "a heap of texts in the HDF5 file is damaged: its parts do not add up to its size"
        )


def _number(data: bytes | mmap.mmap, at: int) -> int:
    try:
        (value,) = struct.unpack_from("<Q", data, at)
    except struct.error:
        return 0
    return int(value)
