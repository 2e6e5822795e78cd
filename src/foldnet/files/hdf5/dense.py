"""Many links or attributes of one object: a fractal heap stores them, and a B-tree lists them.

Newer HDF5 files store more than eight links or attributes this way (sections III.A.2 and III.G).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from foldnet.errors import FileFormatError
from foldnet.files.hdf5.checksum import check
from foldnet.files.hdf5.source import NOWHERE, Cursor, Source

_HEAP_ID_AT = {5: 4, 6: 8, 8: 0, 9: 0}
"""For each B-tree type the offset of the heap ID in a record."""

HUGE = 1
"""The type of a B-tree that lists objects too large for their heap."""


def records(source: Source, address: int, what: str) -> Iterator[tuple[int, bytes]]:
    """Type and bytes of every record of a B-tree of the second version.

    Raises:
        FileFormatError: the tree is damaged.
    """
    head = Cursor(check(source.read(address, 38, what), what), what)
    head.expect(b"BTHD\0")
    kind, node, size, depth = head.number(1), head.number(4), head.number(2), head.number(2)
    head.take(2)
    root, count = head.address(), head.number(2)
    if not 0 < size <= node <= source.length or depth > 16:
        raise FileFormatError(f"{what} in the HDF5 file is damaged: its list has impossible sizes")
    if root == NOWHERE or not count:
        return
    widths = _widths(node, size, depth)
    seen: set[int] = set()
    pending = [(root, count, depth)]
    while pending:
        at, count, level = pending.pop()
        if at in seen:
            raise FileFormatError(f"{what} in the HDF5 file is damaged: its list leads back to itself")
        seen.add(at)
        few, total = widths[level]
        children = (count + 1) * (8 + few + total) if level else 0
        body = Cursor(check(source.read(at, 10 + count * size + children, what), what), what)
        body.expect(b"BTIN\0" if level else b"BTLF\0")
        body.take(1)
        for _ in range(count):
            source.step(what)
            yield kind, body.take(size)
        for _ in range(count + 1 if level else 0):
            child = body.address(), body.number(few), level - 1
            body.take(total)
            pending.append(child)


def _widths(node: int, size: int, depth: int) -> list[tuple[int, int]]:
    """For each level the bytes of a child's record count, and of the count of all records below it."""
    most = (node - 10) // size
    few = _bytes_for(most)
    widths, cumulative, total = [(few, 0)], most, 0
    for _ in range(depth):
        widths.append((few, total))
        pointer = 8 + few + total
        most = max(0, (node - 10 - pointer) // (size + pointer))
        cumulative = (most + 1) * cumulative + most
        total = _bytes_for(cumulative)
    return widths


def _bytes_for(limit: int) -> int:
    return max(1, (limit.bit_length() + 7) // 8)


@dataclass(frozen=True)
class _Table:
    """The doubling table of a heap: rows of blocks; the blocks of a row are twice as large as those before."""

    width: int
    start: int
    largest: int
    offset_size: int
    checked: bool

    def block_size(self, row: int) -> int:
        return self.start if row < 2 else self.start << (row - 1)

    @property
    def direct_rows(self) -> int:
        return (self.largest // self.start).bit_length() + 1


class Heap:
    """A fractal heap open for reading."""

    def __init__(self, source: Source, address: int, what: str) -> None:
        self._source, self._what = source, what
        size = 146
        head = Cursor(check(source.read(address, size, what), what), what)
        head.expect(b"FRHP\0")
        self._id_size, packed, flags, most = (head.number(n) for n in (2, 2, 1, 4))
        head.take(8)
        self._huge = head.address()
        head.take(80)
        width, start, largest, bits = head.number(2), head.address(), head.address(), head.number(2)
        head.take(2)
        self._root, self._rows = head.address(), head.number(2)
        powers = all(n > 0 and n & (n - 1) == 0 for n in (width, start, largest))
        if packed or not powers or not start <= largest <= 1 << 32 or not 0 < bits <= 64 or self._rows > 64:
            raise self._damaged("its heap is packed, or has impossible sizes")
        self._table = _Table(width, start, largest, (bits + 7) // 8, bool(flags & 2))
        self._length_size = min((largest.bit_length() + 6) // 8, _bytes_for(most))
        self._large: dict[int, tuple[int, int]] | None = None
        self._blocks: dict[int, bytes] = {}

    def _damaged(self, why: str) -> FileFormatError:
        return FileFormatError(f"{self._what} in the HDF5 file is damaged: {why}")

    def object(self, record: bytes, kind: int) -> bytes:
        """The object that a record of the B-tree refers to.

        Raises:
            FileFormatError: there is no such object.
        """
        if kind not in _HEAP_ID_AT:
            raise self._damaged("its list is of another kind")
        number = Cursor(record, self._what, _HEAP_ID_AT[kind])
        number = Cursor(number.take(self._id_size), self._what)
        form = number.number(1)
        if form >> 4 == 0:
            return self._managed(number.number(self._table.offset_size), number.number(self._length_size))
        if form >> 4 == 1:
            at, size = self._huge_objects().get(number.number(min(8, self._id_size - 1)), (NOWHERE, 0))
            return self._source.read(at, size, self._what)
        if form >> 4 == 2:  # a tiny object is stored in the heap ID itself
            return number.take((form & 15) + 1)
        raise self._damaged("its heap holds an object of an unknown kind")

    def _huge_objects(self) -> dict[int, tuple[int, int]]:
        if self._large is None:
            self._large = {}
            for kind, record in records(self._source, self._huge, self._what):
                if kind != HUGE:
                    raise self._damaged("its large objects are packed")
                place = Cursor(record, self._what)
                at, size, number = place.address(), place.address(), place.address()
                self._large[number] = at, size
        return self._large

    def _managed(self, offset: int, size: int) -> bytes:
        block, at = self._find(offset)
        if at + size > len(block):
            raise self._damaged("an object lies across the end of its block")
        return block[at : at + size]

    def _find(self, offset: int) -> tuple[bytes, int]:
        """The direct block that contains an offset of the heap, and the offset inside the block."""
        table, address, rows = self._table, self._root, self._rows
        if not rows:
            return self._direct(address, table.start), offset
        start = 0
        for _ in range(64):
            row, first = 0, 0
            while first + table.width * table.block_size(row) <= offset - start:
                first += table.width * table.block_size(row)
                row += 1
            if row >= rows:
                break
            size = table.block_size(row)
            column = (offset - start - first) // size
            address = self._child(address, rows, row, column)
            start += first + column * size
            if row < table.direct_rows:
                return self._direct(address, size), offset - start
            rows = (size // (table.start * table.width)).bit_length()
        raise self._damaged("an object lies outside of its heap")

    def _child(self, address: int, rows: int, row: int, column: int) -> int:
        block = self._blocks.get(address)
        if block is None:
            size = 13 + self._table.offset_size + 8 * rows * self._table.width + 4
            block = check(self._source.read(address, size, self._what), self._what)
            self._blocks[address] = block
        entries = Cursor(block, self._what)
        entries.expect(b"FHIB\0")
        entries.take(8 + self._table.offset_size + 8 * (row * self._table.width + column))
        return entries.address()

    def _direct(self, address: int, size: int) -> bytes:
        block = self._blocks.get(address)
        if block is None:
            block = self._source.read(address, size, self._what)
            if block[:5] != b"FHDB\0":
                raise self._damaged("its heap lacks a block")
            if self._table.checked:
                at = 13 + self._table.offset_size
                # The checksum is computed with its own bytes set to zero.
                check(block[:at] + bytes(4) + block[at + 4 :] + block[at : at + 4], self._what)
            self._blocks[address] = block
        return block
