"""An HDF5 file open for reading, and its groups."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable
from os import PathLike
from typing import Any, BinaryIO

import numpy as np

from foldnet.arrays import Array
from foldnet.disk.opening import open_file
from foldnet.errors import FileFormatError
from foldnet.files.hdf5 import datatypes, header, links, storage, texts
from foldnet.files.hdf5.links import Link, To
from foldnet.files.hdf5.source import Cursor, Source


class Hdf5File:
    """An HDF5 file open for reading; use it in ``with``.

    Args:
        data: a path, or the bytes of a file.
    """

    def __init__(self, data: str | PathLike[str] | bytes) -> None:
        self._file: BinaryIO | None = None
        if isinstance(data, bytes):
            self.source = Source(data, len(data))
        else:
            self._file = open_file(data)
            self.source = Source(self._file, self._file.seek(0, 2))
        self.texts = texts.Texts(self.source)
        self._nodes: dict[int, Node] = {}
        self._seen: dict[int, str] = {}
        self._ranges: list[tuple[int, int, str]] = []
        try:
            self.root = Group(self.node(header.root_address(self.source), ""), "", self)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Hdf5File:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def node(self, address: int, path: str) -> Node:
        """The object whose header is at this address."""
        if address not in self._nodes:
            self._nodes[address] = Node(self.source, address, path or "/")
        return self._nodes[address]

    def visit(self, node: Node, path: str) -> None:
        """Record that an object was reached; an object with two paths is an error."""
        other = self._seen.setdefault(node.address, path)
        if other != path:
            raise FileFormatError(
                f"{path or '/'} and {other or '/'} in the HDF5 file are links to the same object"
            )

    def claim(self, start: int, size: int, path: str) -> None:
        """Record which bytes of the file a dataset uses; overlapping datasets are an error."""
        if size == 0:
            return
        place = bisect(self._ranges, (start, size, path))
        before, after = self._ranges[max(0, place - 1) : place], self._ranges[place : place + 1]
        if (before and before[0][1] > start) or (after and after[0][0] < start + size):
            raise FileFormatError(
                f"{path} lies in the same bytes of the HDF5 file as {(before or after)[0][2]}"
            )
        self._ranges.insert(place, (start, start + size, path))


class Node:
    """A group or dataset, read from its header.

    Attributes:
        address: of the header.
        messages: of the header.
        links: by name if it is a group, else None.
    """

    def __init__(self, source: Source, address: int, path: str) -> None:
        self.address = address
        self.messages = header.messages(source, address, path)
        self.links: dict[str, Link] | None = links.links(source, self.messages, path)
        self._source, self._path = source, path
        self._attributes: dict[str, bytes] | None = None

    @property
    def attributes(self) -> dict[str, bytes]:
        """The bytes of its attributes by name."""
        if self._attributes is None:
            self._attributes = texts.attributes(self._source, self.messages, self._path)
        return self._attributes

    def part(self, kind: int, what: str) -> Cursor | None:
        """The message of a kind, or None."""
        body = header.only(self.messages, kind, what)
        return None if body is None else Cursor(body, what)


class Group:
    """A group; children are reached one name at a time, so a name in a file cannot be a path."""

    def __init__(self, node: Node, path: str, file: Hdf5File) -> None:
        if node.links is None:
            raise FileFormatError(f"{path or '/'} in the HDF5 file should be a group")
        self._node, self.path, self._file = node, path, file
        self._links = node.links
        file.visit(node, path)

    def __contains__(self, name: str) -> bool:
        return name in self._links

    def names(self) -> list[str]:
        """Names of the children, in the file's order."""
        return list(self._links)

    def _child(self, name: str) -> Node:
        path = f"{self.path}/{name}"
        if not name or "/" in name or name == "." or "\0" in name:
            raise FileFormatError(f"{path!r} is not a name in an HDF5 file")
        link = self._links.get(name)
        if link is None:
            raise FileFormatError(
                f"{path} is missing from the file; {self.path or '/'} holds {self.names()[:20]}"
            )
        if link.to is not To.OBJECT:
            raise FileFormatError(
                f"{path} is a link to {link.to.value}; Keras writes data itself, so this is not followed"
            )
        return self._file.node(link.address, path)

    def group(self, *names: str) -> Group:
        """The group at a path, given as names.

        Raises:
            FileFormatError: there is no such group.
        """
        here = self
        for name in names:
            here = Group(here._child(name), f"{here.path}/{name}", self._file)
        return here

    def is_group(self, name: str) -> bool:
        """Whether there is a group with this name."""
        return name in self and self._child(name).links is not None

    def attribute(self, name: str) -> Any:
        """An attribute as text, a list of texts, or a number; None if it does not exist.

        Raises:
            FileFormatError: it is of another kind, or too large.
        """
        return self._attribute(self._node, name, self.path)

    def _attribute(self, node: Node, name: str, path: str) -> Any:
        body = node.attributes.get(name)
        if body is None:
            return None
        return texts.value(body, self._file.texts, f"attribute {name!r} of {path or '/'}")

    def attribute_names(self) -> list[str]:
        """Names of the attributes."""
        return list(self._node.attributes)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a dataset, without reading its numbers.

        Raises:
            FileFormatError: there is no such dataset.
        """
        path = f"{self.path}/{name}"
        space = self._child(name).part(header.SPACE, path)
        shape = None if space is None else datatypes.read_shape(space)
        if shape is None:
            raise FileFormatError(f"{path} in the HDF5 file should be a dataset of numbers")
        return shape

    def array(self, name: str, shape: tuple[int, ...]) -> Array:
        """A dataset of numbers, which must have exactly this shape.

        Raises:
            FileFormatError: it is missing, has another shape, does not hold numbers, or its numbers
                are not in this file.
        """
        path = f"{self.path}/{name}"
        node = self._child(name)
        layout, kind_part = node.part(header.LAYOUT, path), node.part(header.DATATYPE, path)
        if node.links is not None or layout is None or kind_part is None:
            raise FileFormatError(f"{path} in the HDF5 file should be a dataset")
        self._file.visit(node, path)
        declared = self.shape(name)
        if declared != shape:
            raise FileFormatError(f"{path} has shape {declared}, and the configuration asks for {shape}")
        if node.part(header.EXTERNAL, path) is not None:
            raise FileFormatError(f"{path} stores its numbers in another file; foldnet reads this file only")
        filters = node.part(header.FILTERS, path)
        kind = datatypes.read_kind(kind_part)
        stored = storage.Stored(
            path,
            shape,
            kind.size,
            storage.read_layout(layout),
            [] if filters is None else storage.read_filters(filters),
        )
        data = storage.read_bytes(self._file.source, stored, self._file.claim)
        return _numbers(data, kind, lambda: self._attribute(node, "dtype", path), path).reshape(shape)


def _numbers(data: bytes, kind: datatypes.Kind, noted: Callable[[], object], path: str) -> Array:
    """The bytes of a dataset as numbers in native byte order."""
    if kind.dtype is not None:
        return np.frombuffer(data, kind.dtype).astype(kind.dtype.newbyteorder("="))
    if kind.kind == datatypes.BYTES and kind.size == 2 and noted() != "bfloat16":
        raise FileFormatError(f"{path} holds 2-byte values of an unnamed type")
    if kind.kind == datatypes.BFLOAT16 or (kind.kind == datatypes.BYTES and kind.size == 2):
        # bfloat16 is the upper half of float32.
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    raise FileFormatError(f"{path} holds {kind.name}, and weights are numbers")
