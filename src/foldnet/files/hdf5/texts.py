"""Texts of variable length, which are stored in global heaps, and attributes (sections III.E and IV.A.2.m)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from foldnet.errors import FileFormatError
from foldnet.files.hdf5 import header
from foldnet.files.hdf5.datatypes import FREE_TEXT, NUMBER, TEXT, Kind, read_kind, read_shape
from foldnet.files.hdf5.dense import Heap, records
from foldnet.files.hdf5.header import Message
from foldnet.files.hdf5.source import NOWHERE, Cursor, Source, text_of

MAX_ATTRIBUTE = 64 << 20


class Texts:
    """The global heaps of a file, each read when one of its texts is first needed."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._heaps: dict[int, dict[int, bytes]] = {}

    def text(self, pointer: Cursor) -> bytes:
        """Read a text from its length, heap address and index in the heap.

        Raises:
            FileFormatError: the text does not exist, is too short, or the heap is damaged.
        """
        size, address, index = pointer.number(4), pointer.address(), pointer.number(4)
        if size == 0:
            return b""
        if size > MAX_ATTRIBUTE:
            raise FileFormatError(f"{pointer.what} declares a text of {size:,} bytes")
        if address not in self._heaps:
            self._heaps[address] = self._walk(address, pointer.what)
        text = self._heaps[address].get(index, b"")
        if len(text) < size:
            raise FileFormatError(
                f"{pointer.what} declares a text of {size:,} bytes, which the file does not hold"
            )
        return text[:size]

    def _walk(self, address: int, what: str) -> dict[int, bytes]:
        """The objects of a heap, each with a header of 16 bytes; the last one, with index 0, is free space."""
        head = Cursor(self._source.read(address, 16, what), what)
        head.expect(b"GCOL\x01\0\0\0")
        heap = Cursor(self._source.read(address, head.address(), what), what, 16)
        found: dict[int, bytes] = {}
        # Free space too small for a header has none.
        while heap.left >= 16:
            self._source.step(what)
            index, _, size = heap.number(2), heap.take(6), heap.address()
            if index == 0:
                if size != heap.left + 16:
                    raise self._damaged(what)
                break
            if index in found or (size + 7) // 8 * 8 > heap.left:
                raise self._damaged(what)
            found[index] = heap.take(size)
            heap.take(-size % 8)
        return found

    def _damaged(self, what: str) -> FileFormatError:
        return FileFormatError(f"{what}: its heap of texts is damaged: its parts do not add up to its size")


def attributes(source: Source, found: Sequence[Message], what: str) -> dict[str, bytes]:
    """The bytes of every attribute message, by the attribute's name.

    Raises:
        FileFormatError: they are damaged.
    """
    pairs = [(_name(m.body, what), m.body) for m in found if m.kind == header.ATTRIBUTE and not m.shared]
    info = header.only(list(found), header.ATTRIBUTE_INFO, what)
    if info is not None:
        pairs += [(_name(body, what), body) for body in _many(source, Cursor(info, what, 1))]
    result = dict(pairs)
    if len(result) != len(pairs):
        raise FileFormatError(f"{what} in the HDF5 file is damaged: it has two attributes of one name")
    return result


def _many(source: Source, place: Cursor) -> Iterator[bytes]:
    """Attributes that are stored outside the header because there are many."""
    place.take(2 if place.number(1) & 1 else 0)
    heap, names = place.address(), place.address()
    if heap != NOWHERE:
        objects = Heap(source, heap, place.what)
        for kind, record in records(source, names, place.what):
            yield objects.object(record, kind)


def _parts(body: bytes, what: str) -> tuple[bytes, bytes, bytes, bytes]:
    """Name, type, shape and data of an attribute."""
    message = Cursor(body, what)
    version, flags = message.number(1), message.number(1)
    if version not in (1, 2, 3) or (version > 1 and flags):
        raise FileFormatError(f"an attribute of {what} is damaged, or shares a named type")
    sizes = [message.number(2) for _ in range(3)]
    message.take(1 if version == 3 else 0)
    parts = []
    for size in sizes:
        parts.append(message.take(size))
        # The first version pads each part to a multiple of 8 bytes.
        message.take(min(-size % 8, message.left) if version == 1 else 0)
    return parts[0], parts[1], parts[2], message.take(message.left)


def _name(body: bytes, what: str) -> str:
    return text_of(_parts(body, what)[0].split(b"\0")[0], f"the name of an attribute of {what}")


def value(body: bytes, texts: Texts, what: str) -> Any:
    """An attribute as text, a list of texts, or one or more numbers; None if it is empty.

    Raises:
        FileFormatError: it is of another kind, too large, or damaged.
    """
    _, kind_part, space, data = _parts(body, what)
    kind, shape = read_kind(Cursor(kind_part, what)), read_shape(Cursor(space, what))
    if kind.kind not in (TEXT, FREE_TEXT, NUMBER):
        raise FileFormatError(f"{what} holds {kind.name}, expected text or a number")
    if shape is None:
        return None
    count = prod(shape)
    if count * max(kind.size, 8) > MAX_ATTRIBUTE:
        raise FileFormatError(f"{what} is too large")
    values = Cursor(data, what)
    found = _values(Cursor(values.take(count * kind.size), what), kind, count, texts)
    return found if shape else found[0]


def _values(data: Cursor, kind: Kind, count: int, texts: Texts) -> list[Any]:
    if kind.dtype is not None:
        return list(np.frombuffer(data.data, kind.dtype).tolist())
    found, left = [], MAX_ATTRIBUTE
    for _ in range(count):
        raw = texts.text(data) if kind.kind == FREE_TEXT else data.take(kind.size)
        left -= len(raw)
        if left < 0:
            raise FileFormatError(f"{data.what} is too large")
        found.append(_text(raw.rstrip(b"\0"), data.what))
    return found


def _text(raw: bytes, what: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise FileFormatError(f"{what} is not UTF-8 text") from None
