"""The superblock, and the header of each group and dataset: a list of messages (sections II and IV.A)."""

from __future__ import annotations

from typing import NamedTuple

from foldnet.errors import FileFormatError
from foldnet.files.hdf5.checksum import check
from foldnet.files.hdf5.source import Cursor, Source

SPACE, LINK_INFO, DATATYPE, LINK, EXTERNAL, LAYOUT = 0x01, 0x02, 0x03, 0x06, 0x07, 0x08
FILTERS, ATTRIBUTE, CONTINUATION, SYMBOL_TABLE, ATTRIBUTE_INFO = 0x0B, 0x0C, 0x10, 0x11, 0x15

_SHARED = 2
"""The flag of a message that is stored elsewhere in the file."""


class Message(NamedTuple):
    """One message of a header: its kind, whether it only points to the message, and its bytes."""

    kind: int
    shared: bool
    body: bytes


def root_address(source: Source) -> int:
    """The address of the root group's header.

    Raises:
        FileFormatError: the superblock is damaged, or the file is cut short.
    """
    start = Cursor(source.read(0, min(96, source.length), "the superblock"), "the superblock", 8)
    version = start.number(1)
    if version in (0, 1):
        start.take(4)
        sizes = start.take(2)
        start.take(9 + 4 * version)
        base, _, end, _, _, root = (start.address() for _ in range(6))
    elif version in (2, 3):
        check(start.data[:48], "the superblock")
        sizes = start.take(2)
        start.take(1)
        base, _, end, root = (start.address() for _ in range(4))
    else:
        raise FileFormatError(f"the HDF5 file has a superblock of version {version}, and 0 to 3 are read")
    if sizes != b"\x08\x08" or base != 0:
        raise FileFormatError("the HDF5 file does not count its bytes as Keras's files do, or is damaged")
    if end > source.length:
        raise FileFormatError(
            f"the HDF5 file is cut short: it should have {end:,} bytes and has {source.length:,}"
        )
    return root


def messages(source: Source, address: int, what: str) -> list[Message]:
    """The messages of the header at this address, including its continuations.

    Raises:
        FileFormatError: there is no complete header.
    """
    start = source.read(address, min(64, max(0, source.length - address)), what)
    if start[:4] == b"OHDR":
        return _second(source, address, Cursor(start, what, 4), what)
    head = Cursor(start, what)
    if head.number(1) != 1:
        raise FileFormatError(f"{what} in the HDF5 file is damaged: there is no object where it should be")
    head.take(7)
    pending = [(address + 16, head.number(4))]
    found: list[Message] = []
    while pending:
        at, size = pending.pop(0)
        block = Cursor(source.read(at, size, what), what)
        while block.left >= 8:
            source.step(what)
            kind, length, flags = block.number(2), block.number(2), block.number(1)
            block.take(3)
            found.append(Message(kind, bool(flags & _SHARED), block.take(length)))
            if kind == CONTINUATION:
                pending.append(_place(found.pop().body, what))
    return found


def _place(body: bytes, what: str) -> tuple[int, int]:
    place = Cursor(body, what)
    return place.address(), place.address()


def _second(source: Source, address: int, head: Cursor, what: str) -> list[Message]:
    """The messages of a header of the second version, which has checksums."""
    if head.number(1) != 2:
        raise FileFormatError(f"{what} in the HDF5 file has a header of an unknown version")
    flags = head.number(1)
    head.take((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
    size = head.number(1 << (flags & 3))
    first = source.read(address, head.at + size + 4, what)
    blocks = [Cursor(check(first, what), what, head.at)]
    found: list[Message] = []
    while blocks:
        block = blocks.pop(0)
        # Bytes too few for a message are a gap.
        while block.left >= (6 if flags & 4 else 4):
            source.step(what)
            kind, length, own = block.number(1), block.number(2), block.number(1)
            block.take(2 if flags & 4 else 0)
            found.append(Message(kind, bool(own & _SHARED), block.take(length)))
            if kind == CONTINUATION:
                at, length = _place(found.pop().body, what)
                more = Cursor(check(source.read(at, length, what), what), what)
                more.expect(b"OCHK")
                blocks.append(more)
    return found


def only(found: list[Message], kind: int, what: str) -> bytes | None:
    """The body of the only message of a kind, or None.

    Raises:
        FileFormatError: there are several, or it is stored elsewhere in the file.
    """
    bodies = [m for m in found if m.kind == kind]
    if len(bodies) > 1:
        raise FileFormatError(f"{what} in the HDF5 file is damaged: its header has the same message twice")
    if bodies and bodies[0].shared:
        raise FileFormatError(f"{what} in the HDF5 file shares a named type, which Keras never writes")
    return bodies[0].body if bodies else None
