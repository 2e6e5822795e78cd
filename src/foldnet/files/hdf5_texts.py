"""A check that the HDF5 library leaves out: it sets aside whatever length a damaged file gives a text.

An attribute of texts holds for each one its length, and where in a heap of texts it lies. The library reserves
memory by that length, up to 4 GB, before it finds that the heap has no such text. Attributes lie in their object's
header, a list of messages; see sections IV.A.1 and IV.A.2 of the HDF5 File Format Specification. Headers of the second
version, which Keras does not write, are not looked into.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from foldnet.errors import FileFormatError

Read = Callable[[int, int], bytes]
"""So many bytes from this place in the file; fewer at its end."""

_ATTRIBUTE, _CONTINUATION = 0x0C, 0x10
_MAX_MESSAGES = 100_000


def check_texts(read: Read, address: int, name: str, limit: int) -> None:
    """Look at the lengths of an attribute's texts.

    Args:
        read: from the file.
        address: of the header of the object that has the attribute.
        name: of the attribute, whose type is text of free length.
        limit: how long they may be together.

    Raises:
        FileFormatError: they are longer.
    """
    for kind, body in _messages(read, address):
        if kind == _ATTRIBUTE and (texts := _data(body, name.encode())) is not None:
            lengths = [struct.unpack_from("<I", texts, at)[0] for at in range(0, len(texts) - 15, 16)]
            if sum(lengths) > limit:
                raise FileFormatError(f"attribute {name!r} declares a text of {max(lengths):,} bytes")


def _messages(read: Read, address: int) -> Iterator[tuple[int, bytes]]:
    """Kind and body of the messages in a header of the first version, wherever it goes on."""
    start = read(address, 16)
    if len(start) < 16 or start[0] != 1:
        return
    blocks = [(address + 16, struct.unpack_from("<I", start, 8)[0])]
    for _ in range(_MAX_MESSAGES):
        while blocks and blocks[0][1] < 8:
            blocks.pop(0)
        if not blocks:
            return
        at, left = blocks[0]
        head = read(at, 8)
        if len(head) < 8:
            return
        kind, size = struct.unpack("<HH", head[:4])
        body = read(at + 8, size)
        blocks[0] = (at + 8 + size, left - 8 - size)
        if kind == _CONTINUATION and len(body) >= 16:
            blocks.append(struct.unpack_from("<QQ", body))
        yield kind, body


def _data(body: bytes, name: bytes) -> bytes | None:
    """What is after the name, type and shape of an attribute, if it has this name."""
    if len(body) < 8 or body[0] not in (1, 2, 3):
        return None
    sizes = struct.unpack_from("<HHH", body, 2)
    at = 9 if body[0] == 3 else 8
    if body[at : at + sizes[0]].rstrip(b"\0") != name:
        return None
    # The first version fills each part up to 8 bytes.
    return body[at + sum((n + 7) // 8 * 8 if body[0] == 1 else n for n in sizes) :]
