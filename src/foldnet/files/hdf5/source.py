"""Bounds-checked reading of an HDF5 file's bytes, with a limit on the total work."""

from __future__ import annotations

from typing import BinaryIO

from foldnet.errors import FileFormatError

NOWHERE = 0xFFFF_FFFF_FFFF_FFFF
"""HDF5's undefined address."""

FREE_STEPS = 50_000
FREE_BYTES = 4 << 20


class Source:
    """The bytes of a file, or of a member of an archive.

    Args:
        data: the bytes, or a seekable file open for reading.
        length: number of bytes.

    In a valid file every structure is read about once, so the number of reads, and of bytes read,
    is limited by the file's length. A file that needs more has structures that refer back to themselves.
    """

    def __init__(self, data: bytes | BinaryIO, length: int) -> None:
        self._data, self.length = data, length
        self._steps = FREE_STEPS + length // 8
        self._bytes = FREE_BYTES + 2 * length

    def read(self, at: int, size: int, what: str) -> bytes:
        """Exactly ``size`` bytes of a structure.

        Raises:
            FileFormatError: they are outside the file, or too many bytes have been read already.
        """
        self.step(what)
        self._bytes -= size
        if self._bytes < 0:
            raise FileFormatError(
                f"{what} in the HDF5 file lies in bytes that were read many times; it is damaged"
            )
        return self.content(at, size, what)

    def step(self, what: str) -> None:
        """Count one step of walking through the file.

        Raises:
            FileFormatError: the number of steps exceeds the limit for a file of this size.
        """
        self._steps -= 1
        if self._steps < 0:
            raise FileFormatError(f"{what} in the HDF5 file refers back to itself; it is damaged")

    def content(self, at: int, size: int, what: str) -> bytes:
        """Exactly ``size`` bytes of a dataset's numbers, which do not count against the limit.

        Raises:
            FileFormatError: they are outside the file.
        """
        if not 0 <= at <= at + size <= self.length:
            raise FileFormatError(f"{what} in the HDF5 file lies outside of the file; it is damaged")
        if isinstance(self._data, bytes):
            return self._data[at : at + size]
        self._data.seek(at)
        data = self._data.read(size)
        if len(data) != size:
            raise FileFormatError(f"{what}: the file became shorter while it was read")
        return data


class Cursor:
    """Reads the fields of a structure one after the other."""

    def __init__(self, data: bytes, what: str, at: int = 0) -> None:
        self.data, self.what, self.at = data, what, at

    def take(self, size: int) -> bytes:
        """The next bytes.

        Raises:
            FileFormatError: the structure is shorter.
        """
        end = self.at + size
        if size < 0 or end > len(self.data):
            raise FileFormatError(f"{self.what} in the HDF5 file is cut short or damaged")
        data = self.data[self.at : end]
        self.at = end
        return data

    def number(self, size: int) -> int:
        """The next unsigned number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "little")

    def address(self) -> int:
        """The next address or length: 8 bytes."""
        return int.from_bytes(self.take(8), "little")

    def expect(self, signature: bytes) -> None:
        """Check that the next bytes are this signature.

        Raises:
            FileFormatError: they are not.
        """
        if self.take(len(signature)) != signature:
            raise FileFormatError(f"{self.what} in the HDF5 file is damaged: it does not begin as it should")

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self.data) - self.at


def text_of(data: bytes, what: str) -> str:
    """A name in a file.

    Raises:
        FileFormatError: it is not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise FileFormatError(f"{what} in the HDF5 file is not UTF-8 text: {data[:40]!r}") from None
