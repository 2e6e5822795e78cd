"""Where a dataset's numbers are stored, and how they are compressed (sections IV.A.2.i and IV.A.2.l)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Literal, assert_never

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FileFormatError
from foldnet.files.hdf5.checksum import without_fletcher32
from foldnet.files.hdf5.links import tree
from foldnet.files.hdf5.source import NOWHERE, Cursor, Source

SMALL = 16 << 20
MAX_RATIO = 100
DEFLATE, SHUFFLE, FLETCHER32 = 1, 2, 3

Claim = Callable[[int, int, str], None]
"""Records which bytes of the file a dataset uses: (start, size, path)."""


LayoutKind = Literal["compact", "contiguous", "chunked", "single", "virtual"]


@dataclass(frozen=True)
class Layout:
    """How the numbers are stored in the file.

    Attributes:
        kind: ``"compact"`` (in the header), ``"contiguous"``, ``"chunked"``, ``"single"`` (one chunk) or
            ``"virtual"``.
        data: the numbers of a compact layout.
        address: of the numbers, or of the list of chunks.
        size: stored size in bytes, if the layout has it.
        chunk: the shape of a chunk.
        element: bytes of an element, for chunks.
        mask: bits of the filters that were skipped for a single chunk.
    """

    kind: LayoutKind
    data: bytes = b""
    address: int = NOWHERE
    size: int = 0
    chunk: tuple[int, ...] = ()
    element: int = 0
    mask: int = 0


def read_layout(message: Cursor) -> Layout:
    """Read the layout from a message.

    Raises:
        FileFormatError: it is damaged, or of a kind that Keras and its tools do not write.
    """
    version, form = message.number(1), message.number(1)
    if version not in (3, 4, 5):
        raise FileFormatError(
            f"{message.what} has its numbers in a layout of version {version}; 3 to 5 are read"
        )
    if form == 0:
        return Layout("compact", message.take(message.number(2)))
    if form == 1:
        return Layout("contiguous", b"", message.address(), message.address())
    if form == 2 and version == 3:
        rank, address = message.number(1), message.address()
        sizes = [message.number(4) for _ in range(rank)]
        return Layout("chunked", b"", address, 0, tuple(sizes[:-1]), sizes[-1] if sizes else 0)
    if form == 2:
        return _newer_chunks(message)
    if form == 3:
        return Layout("virtual")
    raise FileFormatError(f"{message.what} has its numbers in a layout that is not known; it is damaged")


def _newer_chunks(message: Cursor) -> Layout:
    flags, rank, width = message.number(1), message.number(1), message.number(1)
    sizes = [message.number(width) for _ in range(rank)]
    if message.number(1) != 1:
        raise FileFormatError(
            f"{message.what} lists its chunks in HDF5's newest way, which is not read; write it without chunks, or "
            "with libver='earliest'"
        )
    size, mask = (message.address(), message.number(4)) if flags & 2 else (-1, 0)
    address = message.address()
    plain = prod(sizes)
    return Layout(
        "single",
        b"",
        address,
        plain if size < 0 else size,
        tuple(sizes[:-1]),
        sizes[-1] if sizes else 0,
        mask,
    )


def read_filters(message: Cursor) -> list[int]:
    """The numbers of the filters of a dataset's chunks, in order.

    Raises:
        FileFormatError: a filter is not supported, or the message is damaged.
    """
    version, count = message.number(1), message.number(1)
    message.take(6 if version == 1 else 0)
    found = []
    for _ in range(count):
        number = message.number(2)
        length = message.number(2) if version == 1 or number >= 256 else 0
        message.take(2)
        values = message.number(2)
        message.take((length + 7) // 8 * 8 if version == 1 else length)
        message.take(4 * values + (4 if version == 1 and values % 2 else 0))
        if number not in (DEFLATE, SHUFFLE, FLETCHER32):
            raise FileFormatError(
                f"{message.what} is packed by a filter foldnet does not run; save it with gzip or none"
            )
        found.append(number)
    return found


@dataclass(frozen=True)
class Stored:
    """A dataset's storage, as described by its header.

    Attributes:
        path: of the dataset, for errors.
        shape: of the dataset.
        element: bytes of an element.
        layout: where the numbers are.
        filters: numbers of the chunks' filters.
    """

    path: str
    shape: tuple[int, ...]
    element: int
    layout: Layout
    filters: list[int]


def read_bytes(source: Source, stored: Stored, claim: Claim) -> bytes:
    """All bytes of a dataset, unpacked, in order.

    Args:
        source: of the file.
        stored: the dataset to read.
        claim: called with the range of bytes that is read.

    Raises:
        FileFormatError: the declared sizes and the stored ones do not agree.
    """
    path, layout = stored.path, stored.layout
    size = prod(stored.shape) * stored.element
    match layout.kind:
        case "virtual":
            raise FileFormatError(
                f"{path} is a virtual dataset, which stores its numbers in another file; foldnet reads this file only"
            )
        case "compact":
            _check_size(stored, size, len(layout.data))
            return layout.data
        case "contiguous":
            _check_size(stored, size, 0 if layout.address == NOWHERE else layout.size)
            if not size:
                return b""
            claim(layout.address, size, path)
            return source.content(layout.address, size, path)
        case "chunked" | "single":
            return _chunked(source, stored, claim)
        case _:
            assert_never(layout.kind)


def _check_size(stored: Stored, size: int, held: int) -> None:
    if held != size or stored.filters:
        raise FileFormatError(f"{stored.path} declares {size:,} bytes and holds {held:,}")


def _chunked(source: Source, dataset: Stored, claim: Claim) -> bytes:
    path, shape, element, layout = dataset.path, dataset.shape, dataset.element, dataset.layout
    size, plain = prod(shape) * element, prod(layout.chunk) * element
    if len(layout.chunk) != len(shape) or layout.element != element or not plain:
        raise FileFormatError(f"{path} is damaged: its chunks are not of its shape")
    chunks = list(_chunks(source, layout, path)) if layout.address != NOWHERE else []
    stored = sum(c[1] for c in chunks)
    if (size and not stored) or plain > max(4 * size, 1 << 20):
        raise FileFormatError(f"{path} declares {size:,} bytes in chunks of {plain:,}, and holds {stored:,}")
    if size > SMALL and size > MAX_RATIO * stored:
        raise FileFormatError(
            f"{path} would unpack {stored:,} bytes to {size:,}, which no network's weights do"
        )
    grid = [-(-n // c) for n, c in zip(shape, layout.chunk, strict=True)]
    places = {tuple(o // c for o, c in zip(at, layout.chunk, strict=True)) for at, *_ in chunks}
    if len(places) != len(chunks) or len(chunks) != prod(grid):
        raise FileFormatError(f"{path} is damaged: it holds {len(chunks)} chunks of {prod(grid)}")
    whole: Array = np.zeros(shape, f"V{element}")
    for at, packed, mask, address in chunks:
        if any(o % c or o >= n for o, c, n in zip(at, layout.chunk, shape, strict=True)):
            raise FileFormatError(f"{path} is damaged: a chunk lies outside of its shape")
        claim(address, packed, path)
        data = _unpacked(source.content(address, packed, path), dataset.filters, mask, plain, element, path)
        chunk = np.frombuffer(data, f"V{element}").reshape(layout.chunk)
        room = tuple(slice(o, o + c) for o, c in zip(at, layout.chunk, strict=True))
        target = whole[room]
        target[...] = chunk[tuple(slice(0, n) for n in target.shape)]
    return whole.tobytes()


def _chunks(source: Source, layout: Layout, path: str) -> Iterator[tuple[tuple[int, ...], int, int, int]]:
    """For every chunk: its index in the dataset, stored size, mask of skipped filters, and address."""
    rank = len(layout.chunk)
    if layout.kind == "single":
        yield (0,) * rank, layout.size, layout.mask, layout.address
        return
    for key, address in tree(source, layout.address, 1, 8 * (rank + 2), path):
        fields = Cursor(key, path)
        size, mask = fields.number(4), fields.number(4)
        yield tuple(fields.address() for _ in range(rank)), size, mask, address


def _unpacked(data: bytes, filters: list[int], mask: int, size: int, element: int, path: str) -> bytes:
    """Undo the filters of a chunk."""
    for place in reversed(range(len(filters))):
        if mask >> place & 1:
            continue
        if filters[place] == FLETCHER32:
            data = without_fletcher32(data, path)
        elif filters[place] == DEFLATE:
            data = _inflated(data, size + 4 * len(filters), path)
        elif element > 1 and len(data) % element == 0:
            data = np.frombuffer(data, np.uint8).reshape(element, -1).T.tobytes()
    if len(data) != size:
        raise FileFormatError(f"{path} is damaged: a chunk of it holds {len(data):,} bytes of {size:,}")
    return data


def _inflated(data: bytes, limit: int, path: str) -> bytes:
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(data, limit)
    except zlib.error as error:
        raise FileFormatError(f"{path} is damaged: {error}") from None
    if not inflater.eof:
        raise FileFormatError(f"{path} is damaged: a chunk of it does not unpack to its size")
    return plain
