"""HDF5's checksums: of structures (since version 1.8) and of filtered chunks."""

from __future__ import annotations

import numpy as np

from foldnet.errors import FileFormatError

_ALL = 0xFFFF_FFFF


def check(data: bytes, what: str) -> bytes:
    """Check the checksum at the end of a structure, and return the structure without it.

    Raises:
        FileFormatError: the checksum does not match.
    """
    body, stored = data[:-4], int.from_bytes(data[-4:], "little")
    if len(data) < 4 or lookup3(body) != stored:
        raise FileFormatError(f"{what} in the HDF5 file is damaged: its checksum does not match")
    return body


def lookup3(data: bytes) -> int:
    """Bob Jenkins's hash ``lookup3.c``, ``hashlittle`` with an initial value of 0 (public domain, 2006)."""
    a = b = c = (0xDEADBEEF + len(data)) & _ALL
    if not data:
        return c
    padded = data + bytes(-len(data) % 12)
    words = memoryview(padded).cast("I") if _LITTLE else np.frombuffer(padded, "<u4").tolist()
    last = len(words) - 3
    for i in range(0, last, 3):
        a, b, c = (a + words[i]) & _ALL, (b + words[i + 1]) & _ALL, (c + words[i + 2]) & _ALL
        a = ((a - c) & _ALL) ^ ((c << 4 | c >> 28) & _ALL)
        c = (c + b) & _ALL
        b = ((b - a) & _ALL) ^ ((a << 6 | a >> 26) & _ALL)
        a = (a + c) & _ALL
        c = ((c - b) & _ALL) ^ ((b << 8 | b >> 24) & _ALL)
        b = (b + a) & _ALL
        a = ((a - c) & _ALL) ^ ((c << 16 | c >> 16) & _ALL)
        c = (c + b) & _ALL
        b = ((b - a) & _ALL) ^ ((a << 19 | a >> 13) & _ALL)
        a = (a + c) & _ALL
        c = ((c - b) & _ALL) ^ ((b << 4 | b >> 28) & _ALL)
        b = (b + a) & _ALL
    a, b, c = (a + words[last]) & _ALL, (b + words[last + 1]) & _ALL, (c + words[last + 2]) & _ALL
    c = ((c ^ b) - (b << 14 | b >> 18)) & _ALL
    a = ((a ^ c) - (c << 11 | c >> 21)) & _ALL
    b = ((b ^ a) - (a << 25 | a >> 7)) & _ALL
    c = ((c ^ b) - (b << 16 | b >> 16)) & _ALL
    a = ((a ^ c) - (c << 4 | c >> 28)) & _ALL
    b = ((b ^ a) - (a << 14 | a >> 18)) & _ALL
    return ((c ^ b) - (b << 24 | b >> 8)) & _ALL


def without_fletcher32(data: bytes, what: str) -> bytes:
    """Check the Fletcher checksum at the end of a chunk, and return the chunk without it.

    Raises:
        FileFormatError: the checksum does not match.
    """
    body, stored = data[:-4], int.from_bytes(data[-4:], "little")
    words = np.frombuffer(body + bytes(len(body) % 2), ">u2").astype(np.uint64)
    # The library stores 65535 where others store 0, so both sides are compared modulo 65535.
    first = int(words.sum()) % 65535
    weights = np.arange(len(words), 0, -1, dtype=np.uint64)
    second = int((words * weights % np.uint64(65535)).sum()) % 65535
    if len(data) < 4 or (stored & 0xFFFF) % 65535 != first or (stored >> 16) % 65535 != second:
        raise FileFormatError(f"{what} in the HDF5 file is damaged: its checksum does not match")
    return body


_LITTLE = np.little_endian
