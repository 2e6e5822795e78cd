"""Which glibc a Linux library needs, from the tables of its file.

The layout is that of the System V ABI and the Linux Standard Base ("Symbol Versioning"), for 64-bit little-endian.
"""

from __future__ import annotations

import re
import struct

_DYNAMIC, _NEEDED, _STRINGS, _VERSIONS, _VERSION_COUNT = 2, 1, 5, 0x6FFFFFFE, 0x6FFFFFFF
_GLIBC = ("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "ld-linux")


def glibc_needed(library: bytes) -> tuple[int, int] | None:
    """The oldest glibc that a library runs with; None if it is no ELF file, or needs other libraries.

    Args:
        library: bytes of the file.
    """
    if library[:6] != b"\x7fELF\x02\x01":
        return None
    table = _dynamic(library)
    names = table.get(_NEEDED, [])
    texts = _at(library, table[_STRINGS][0]) if _STRINGS in table else 0
    if not all(_text(library, texts + name).startswith(_GLIBC) for name in names):
        return None
    versions = [(2, 5)]
    if _VERSIONS in table:
        found = _needed_versions(library, _at(library, table[_VERSIONS][0]), table[_VERSION_COUNT][0], texts)
        for name in found:
            match = re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?", name)
            if match is None:
                return None
            versions.append((int(match[1]), int(match[2])))
    return max(versions)


def _segments(library: bytes) -> list[tuple[int, int, int, int]]:
    """Kind, place in the file, address and size in the file of each segment."""
    start, size, count = struct.unpack_from("<Q", library, 32)[0], *struct.unpack_from("<HH", library, 54)
    found = []
    for k in range(count):
        kind, _, offset, address, _, in_file = struct.unpack_from("<IIQQQQ", library, start + k * size)
        found.append((kind, offset, address, in_file))
    return found


def _dynamic(library: bytes) -> dict[int, list[int]]:
    """The entries of the dynamic section by their tags."""
    found: dict[int, list[int]] = {}
    for kind, offset, _, size in _segments(library):
        if kind == _DYNAMIC:
            for place in range(offset, offset + size, 16):
                tag, value = struct.unpack_from("<QQ", library, place)
                found.setdefault(tag, []).append(value)
    return found


def _at(library: bytes, address: int) -> int:
    """The place in the file of an address."""
    return next(
        offset + address - start
        for kind, offset, start, size in _segments(library)
        if kind == 1 and start <= address < start + size
    )


def _text(library: bytes, place: int) -> str:
    return library[place : library.index(b"\0", place)].decode("ascii", "replace")


def _needed_versions(library: bytes, place: int, count: int, texts: int) -> list[str]:
    found = []
    for _ in range(count):
        _, entries, _, first, following = struct.unpack_from("<HHIII", library, place)
        entry = place + first
        for _ in range(entries):
            _, _, _, name, after = struct.unpack_from("<IHHII", library, entry)
            found.append(_text(library, texts + name))
            entry += after
        place += following
    return found
