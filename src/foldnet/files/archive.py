"""Members of a ``.keras`` zip archive, read strictly.

This is used instead of ``zipfile`` because it costs no start-up time, and everything unusual (two members
with the same name, encryption, paths out of the archive, sizes that do not match) is an error.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from foldnet.errors import FileFormatError

MAGIC = b"PK\x03\x04"
_END, _ENTRY, _LOCAL = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"
_END_SIZE, _ENTRY_SIZE, _LOCAL_SIZE = 22, 46, 30
MAX_MEMBERS = 10_000
MAX_RATIO = 100
SMALL = 16 << 20
"""Members up to this size may have any compression ratio."""


@dataclass(frozen=True)
class Member:
    """The position of a member in the archive."""

    name: str
    method: int
    crc: int
    stored: int
    size: int
    offset: int


class Archive:
    """A zip archive open for reading.

    Args:
        file: seekable, at any position.

    Raises:
        FileFormatError: not a complete, ordinary zip archive.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._length = file.seek(0, 2)
        self.members: dict[str, Member] = {}
        for member in self._directory():
            if member.name in self.members:
                raise FileFormatError(
                    f"the archive holds two members named {member.name!r}; save the model again"
                )
            self.members[member.name] = member

    def _bytes(self, offset: int, count: int) -> bytes:
        if not 0 <= offset <= offset + count <= self._length:
            raise FileFormatError(
                "the archive's directory points outside the file; it is cut short or damaged"
            )
        self._file.seek(offset)
        return self._file.read(count)

    def _directory(self) -> list[Member]:
        tail = self._bytes(max(0, self._length - _END_SIZE - 0xFFFF), min(self._length, _END_SIZE + 0xFFFF))
        at = tail.rfind(_END)
        if at < 0 or len(tail) - at < _END_SIZE:
            raise FileFormatError("the archive has no directory at its end; the file is cut short")
        disk, start_disk, here, count, size, offset, comment = struct.unpack(
            "<4H2IH", tail[at + 4 : at + _END_SIZE]
        )
        if disk or start_disk or here != count or at + _END_SIZE + comment != len(tail):
            raise FileFormatError(
                "the archive's directory is damaged, or the archive is split over several files"
            )
        if count > MAX_MEMBERS or 0xFFFF_FFFF in (size, offset):
            raise FileFormatError(
                "the archive is larger than any .keras file foldnet reads (4 GiB, 10,000 members)"
            )
        directory = self._bytes(offset, size)
        members, position = [], 0
        for _ in range(count):
            member, position = _entry(directory, position)
            members.append(member)
        return members

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of a member, checked against its size and checksum.

        Args:
            name: of the member.
            limit: largest size in bytes.

        Raises:
            FileFormatError: it is missing, too large, or damaged.
        """
        member = self.members.get(name)
        if member is None:
            raise FileFormatError(f"the archive has no {name!r}; it holds {sorted(self.members)[:10]}")
        if member.size > limit:
            raise FileFormatError(
                f"{name!r} in the archive is {member.size:,} bytes; at most {limit:,} are read"
            )
        if member.size > SMALL and member.size > MAX_RATIO * member.stored:
            raise FileFormatError(
                f"{name!r} would unpack {member.stored:,} bytes to {member.size:,}, which no network's weights do"
            )
        local = self._bytes(member.offset, _LOCAL_SIZE)
        if local[:4] != _LOCAL:
            raise FileFormatError(f"{name!r} does not begin where the archive's directory says")
        name_length, extra_length = struct.unpack("<2H", local[26:30])
        start = member.offset + _LOCAL_SIZE
        if self._bytes(start, name_length).decode("utf-8", "replace") != member.name:
            raise FileFormatError(f"{name!r} has another name where it begins; the archive is damaged")
        data = self._bytes(start + name_length + extra_length, member.stored)
        if member.method == 8:
            data = _inflate(data, member)
        if len(data) != member.size or zlib.crc32(data) != member.crc:
            raise FileFormatError(f"{name!r} in the archive is damaged: its checksum does not match")
        return data


def _entry(directory: bytes, position: int) -> tuple[Member, int]:
    head = directory[position : position + _ENTRY_SIZE]
    if len(head) != _ENTRY_SIZE or head[:4] != _ENTRY:
        raise FileFormatError("the archive's directory is damaged")
    flags, method = struct.unpack("<2H", head[8:12])
    crc, stored, size, name_length, extra, comment = struct.unpack("<3I3H", head[16:34])
    (offset,) = struct.unpack("<I", head[42:46])
    end = position + _ENTRY_SIZE + name_length
    try:
        name = directory[position + _ENTRY_SIZE : end].decode("utf-8")
    except UnicodeDecodeError:
        raise FileFormatError("a name in the archive's directory is damaged") from None
    parts = name.removesuffix("/").split("/")
    if "\\" in name or "\0" in name or any(p in ("", ".", "..") for p in parts) or ":" in parts[0]:
        raise FileFormatError(f"the archive holds a member named {name!r}, which leads out of it")
    if flags & 0x2041:
        raise FileFormatError(f"{name!r} in the archive is encrypted; foldnet reads plain archives only")
    if method not in (0, 8):
        raise FileFormatError(
            f"{name!r} is compressed by method {method}; stored and deflated members are read"
        )
    if method == 0 and stored != size:
        raise FileFormatError(f"{name!r} is stored as it is, in {stored:,} bytes, but should give {size:,}")
    return Member(name, method, crc, stored, size, offset), end + extra + comment


def _inflate(data: bytes, member: Member) -> bytes:
    inflater = zlib.decompressobj(-15)
    try:
        plain = inflater.decompress(data, member.size + 1)
    except zlib.error as error:
        raise FileFormatError(f"{member.name!r} in the archive is damaged: {error}") from None
    if not inflater.eof or len(plain) != member.size:
        raise FileFormatError(
            f"{member.name!r} does not unpack to the size that the archive's directory says"
        )
    return plain
