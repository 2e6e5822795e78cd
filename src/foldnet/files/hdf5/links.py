"""The links of a group: names and their targets (sections III.A.1, III.B to III.D and IV.A.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from foldnet.errors import FileFormatError
from foldnet.files.hdf5 import header
from foldnet.files.hdf5.dense import Heap, records
from foldnet.files.hdf5.header import Message
from foldnet.files.hdf5.source import NOWHERE, Cursor, Source, text_of


class To(Enum):
    """The target of a link."""

    OBJECT = "an object"
    PLACE = "another place in the file (an HDF5 SoftLink)"
    FILE = "another file (an HDF5 ExternalLink)"


class Link(NamedTuple):
    """The target of a name in a group; the address is that of an object's header."""

    to: To
    address: int


def links(source: Source, found: Sequence[Message], what: str) -> dict[str, Link] | None:
    """The links of a group by name; None if the header is not that of a group.

    Raises:
        FileFormatError: the group is damaged.
    """
    table = header.only(list(found), header.SYMBOL_TABLE, what)
    info = header.only(list(found), header.LINK_INFO, what)
    pairs: list[tuple[str, Link]] = []
    if table is not None:
        place = Cursor(table, what)
        pairs += _symbols(source, place.address(), place.address(), what)
    elif info is not None:
        pairs += [_link(Cursor(m.body, what)) for m in found if m.kind == header.LINK]
        place = Cursor(info, what, 1)
        place.take(8 if place.number(1) & 1 else 0)
        heap, names = place.address(), place.address()
        if heap != NOWHERE:
            objects = Heap(source, heap, what)
            pairs += [
                _link(Cursor(objects.object(record, kind), what))
                for kind, record in records(source, names, what)
            ]
    else:
        return None
    result = dict(pairs)
    if len(result) != len(pairs):
        raise FileFormatError(f"{what} in the HDF5 file is damaged: it holds two children of one name")
    return result


def _link(message: Cursor) -> tuple[str, Link]:
    """A link message."""
    what = message.what
    message.expect(b"\x01")
    flags = message.number(1)
    kind = message.number(1) if flags & 8 else 0
    message.take((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
    name = text_of(message.take(message.number(1 << (flags & 3))), f"the name of a child of {what}")
    if kind == 0:
        return name, Link(To.OBJECT, message.address())
    return name, Link(To.PLACE if kind == 1 else To.FILE, NOWHERE)


def _symbols(source: Source, root: int, heap: int, what: str) -> Iterator[tuple[str, Link]]:
    """The links of a group of the older kind: a B-tree of tables, and a heap that has the names.

    The heap's free list is not read (a damaged one makes the C library loop forever).
    """
    head = Cursor(source.read(heap, 32, what), what)
    head.expect(b"HEAP\0")
    head.take(3)
    size, _, start = head.address(), head.address(), head.address()
    names = source.read(start, size, what)
    for _, address in tree(source, root, 0, 8, what):
        table = Cursor(source.read(address, 8, what), what)
        table.expect(b"SNOD\x01\0")
        count = table.number(2)
        table = Cursor(source.read(address + 8, 40 * count, what), what)
        for _ in range(count):
            source.step(what)
            at, target, kind = table.address(), table.address(), table.number(4)
            table.take(20)
            end = names.find(b"\0", at)
            if not 0 <= at < len(names) or end < 0:
                raise FileFormatError(f"{what} in the HDF5 file is damaged: a child's name is not there")
            name = text_of(names[at:end], f"the name of a child of {what}")
            yield name, Link(To.PLACE if kind == 2 else To.OBJECT, target)


def tree(source: Source, address: int, kind: int, key_size: int, what: str) -> Iterator[tuple[bytes, int]]:
    """Keys and addresses of the entries of a B-tree of the first version, in order.

    Args:
        source: of the file.
        address: of the tree's root.
        kind: 0 for a group, 1 for a dataset's chunks.
        key_size: bytes of a key.
        what: for errors.

    Raises:
        FileFormatError: the tree is damaged.
    """
    seen: set[int] = set()
    pending = [(address, -1)]
    while pending:
        at, expected = pending.pop()
        if at in seen:
            raise FileFormatError(f"{what} in the HDF5 file is damaged: its list leads back to itself")
        seen.add(at)
        head = Cursor(source.read(at, 24, what), what)
        head.expect(b"TREE" + bytes([kind]))
        level, count = head.number(1), head.number(2)
        if expected >= 0 and level != expected:
            raise FileFormatError(
                f"{what} in the HDF5 file is damaged: the levels of its list are not in order"
            )
        body = Cursor(source.read(at + 24, count * (key_size + 8) + key_size, what), what)
        children = [(body.take(key_size), body.address()) for _ in range(count)]
        if level == 0:
            for pair in children:
                source.step(what)
                yield pair
        else:
            pending.extend((child, level - 1) for _, child in reversed(children))
