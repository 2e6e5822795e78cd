"""The bytes of an HDF5 file, handed out within bounds and against a budget."""

from __future__ import annotations

from typing import BinaryIO

from foldnet.errors import FileFormatError

NOWHERE = 0xFFFF_FFFF_FFFF_FFFF
"""The address that HDF5 gives what is not there."""

FREE_STEPS = 50_000
FREE_BYTES = 4 << 20


class Source:
    """The bytes of a file, or of a member of an archive.

    Args:
        data: the bytes, or a seekable file open for reading.
        length: how many there are.

    Every structure of an honest file is read about once, so that the number of reads, and the bytes read by them,
    stay below what the file's length allows; a file that asks for more goes round in circles.
    """

    def __init__(self, data: bytes | BinaryIO, length: int) -> None:
        self._data, self.length = data, length
        self._steps = FREE_STEPS + length // 8
        self._bytes = FREE_BYTES + 2 * length

    def read(self, at: int, size: int, what: str) -> bytes:
        """Exactly so many bytes of a structure from this place.

        Raises:
            FileFormatError: they do not lie in the file, or the file has cost too much already.
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
            FileFormatError: the file has cost more steps than one of its size can.
        """
        self._steps -= 1
        if self._steps < 0:
            raise FileFormatError(f"{what} in the HDF5 file refers back to itself; it is damaged")

    def content(self, at: int, size: int, what: str) -> bytes:
        """So many bytes from this place, outside the budget: numbers of a dataset, which is read once.

        Raises:
            FileFormatError: they do not lie in the file.
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
    """Fields of a structure, taken one after the other."""

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
        """The next unsigned number of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def address(self) -> int:
        """The next place in the file, or a length: 8 bytes."""
        return int.from_bytes(self.take(8), "little")

    def expect(self, signature: bytes) -> None:
        """The next bytes, which must be these.

        Raises:
            FileFormatError: they are others.
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
