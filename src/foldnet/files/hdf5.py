"""HDF5 groups, attributes and datasets, read as plain numbers and text and nothing else.

HDF5 can point anywhere: to other files, to raw bytes on disk, to itself. Only what Keras writes is followed: hard
links to groups and to ordinary datasets of numbers. A dataset is read once its declared shape, type, filters and
stored size have all been checked against what the network's configuration asks for.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from foldnet.errors import FileFormatError
from foldnet.files.hdf5_heaps import check_heaps
from foldnet.files.hdf5_texts import Read, check_texts

Array = np.ndarray[Any, Any]

MAGIC = b"\x89HDF\r\n\x1a\n"
SMALL = 16 << 20
MAX_RATIO = 100
MAX_ATTRIBUTE = 64 << 20
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """h5py reports damage as whatever its C library stumbled over; give all of it one name."""
    try:
        yield
    except FileFormatError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError, OverflowError) as error:
        reason = str(error).strip("'\"") or type(error).__name__
        raise FileFormatError(
            f"{path or '/'} in the HDF5 file is damaged or not as Keras writes it: {reason}"
        ) from None
    except MemoryError:
        raise FileFormatError(
            f"{path or '/'} in the HDF5 file declares more data than memory can hold"
        ) from None


class Hdf5File:
    """An HDF5 file open for reading; use it in ``with``.

    Args:
        source: a path, or the bytes of a file.
    """

    def __init__(self, source: str | PathLike[str] | bytes) -> None:
        with _translated(""):
            check_heaps(source)
            if isinstance(source, bytes):
                self._raw: BinaryIO = BytesIO(source)
                self._file = h5py.File(h5py.h5f.open_file_image(source))
            else:
                self._file = h5py.File(source, "r")
                self._raw = Path(source).open("rb")  # noqa: SIM115 - closed with the file
        self._seen: dict[Any, str] = {}
        self._ranges: list[tuple[int, int, str]] = []
        self.root = Group(self._file, "", self)

    def __enter__(self) -> Hdf5File:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()
        with _translated(""):
            self._file.close()

    def read(self, at: int, size: int) -> bytes:
        """So many bytes from a place in the file; fewer at its end."""
        self._raw.seek(at)
        return self._raw.read(size)

    def visit(self, node: Any, path: str) -> None:
        """Note that an object was reached; the same object under two paths is a trick, not a network."""
        with _translated(path):
            info = h5py.h5o.get_info(node.id)
        key = (info.fileno, info.addr)
        other = self._seen.setdefault(key, path)
        if other != path:
            raise FileFormatError(f"{path} and {other or '/'} in the HDF5 file are links to the same object")

    def claim(self, start: int | None, size: int, path: str) -> None:
        """Note which bytes of the file a dataset lies in; two weights in the same bytes are damage or a trick."""
        if start is None or size == 0:
            return
        place = bisect(self._ranges, (start, size, path))
        before, after = self._ranges[max(0, place - 1) : place], self._ranges[place : place + 1]
        if (before and before[0][1] > start) or (after and after[0][0] < start + size):
            raise FileFormatError(
                f"{path} lies in the same bytes of the HDF5 file as {(before or after)[0][2]}"
            )
        self._ranges.insert(place, (start, start + size, path))


class Group:
    """A group; children are reached one name at a time, so no text in a file can spell a path."""

    def __init__(self, group: Any, path: str, file: Hdf5File) -> None:
        self._group, self.path, self._file = group, path, file
        file.visit(group, path)

    def __contains__(self, name: str) -> bool:
        with _translated(self.path):
            return bool(self._group.id.links.exists(name.encode()))

    def names(self) -> list[str]:
        """Names of the children, in no useful order."""
        with _translated(self.path):
            if len(self._group) > 1_000_000:
                raise FileFormatError(
                    f"{self.path or '/'} in the HDF5 file has {len(self._group):,} children"
                )
            return list(self._group)

    def _child(self, name: str) -> Any:
        path = f"{self.path}/{name}"
        if not name or "/" in name or name == "." or "\0" in name:
            raise FileFormatError(f"{path!r} is not a name in an HDF5 file")
        if name not in self:
            raise FileFormatError(
                f"{path} is missing from the file; {self.path or '/'} holds {self.names()[:20]}"
            )
        link = self._group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            kind = "another file" if isinstance(link, h5py.ExternalLink) else "another place in the file"
            raise FileFormatError(
                f"{path} is a link to {kind}; Keras writes data itself, so this is not followed"
            )
        return self._group[name]

    def group(self, *names: str) -> Group:
        """The group at the end of these names.

        Raises:
            FileFormatError: there is none.
        """
        here = self
        for name in names:
            path = f"{here.path}/{name}"
            with _translated(path):
                child = here._child(name)
                if not isinstance(child, h5py.Group):
                    raise FileFormatError(f"{path} in the HDF5 file should be a group")
                here = Group(child, path, self._file)
        return here

    def is_group(self, name: str) -> bool:
        """Whether there is a group of this name."""
        if name not in self:
            return False
        with _translated(f"{self.path}/{name}"):
            return isinstance(self._child(name), h5py.Group)

    def attribute(self, name: str) -> Any:
        """An attribute as text, a list of text, or a number; None if there is none.

        Raises:
            FileFormatError: it is of another kind, or too large.
        """
        where = f"attribute {name!r} of {self.path or '/'}"
        with _translated(where):
            return _attribute(self._group, name, where, self._file.read)

    def attribute_names(self) -> list[str]:
        """Names of the attributes."""
        with _translated(self.path):
            return list(self._group.attrs)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape that a dataset declares; nothing of it is read.

        Raises:
            FileFormatError: there is no such dataset.
        """
        path = f"{self.path}/{name}"
        with _translated(path):
            dataset = self._child(name)
            if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
                raise FileFormatError(f"{path} in the HDF5 file should be a dataset of numbers")
            return tuple(dataset.shape)

    def array(self, name: str, shape: tuple[int, ...]) -> Array:
        """A dataset of numbers, which must have exactly this shape.

        Raises:
            FileFormatError: it is missing, has another shape, holds something else than numbers, or its numbers
                do not lie in this file.
        """
        path = f"{self.path}/{name}"
        with _translated(path):
            dataset = self._child(name)
            if not isinstance(dataset, h5py.Dataset):
                raise FileFormatError(f"{path} in the HDF5 file should be a dataset")
            self._file.visit(dataset, path)
            _check_dataset(dataset, path, shape)
            if dataset.chunks is None:
                self._file.claim(dataset.id.get_offset(), dataset.id.get_storage_size(), path)
            return _numbers(dataset, path, self._file.read)


def _attribute(node: Any, name: str, where: str, read: Read) -> Any:
    if name not in node.attrs:
        return None
    handle = node.attrs.get_id(name)
    if prod(handle.shape or ()) * max(handle.dtype.itemsize, 8) > MAX_ATTRIBUTE:
        raise FileFormatError(f"{where} is too large")
    if handle.dtype.kind not in "SOUiuf":
        raise FileFormatError(f"{where} has type {handle.dtype}, expected text or a number")
    if handle.dtype.kind == "O" and h5py.check_string_dtype(handle.dtype) is None:
        raise FileFormatError(f"{where} holds references, expected text")
    if handle.dtype.kind == "O":
        check_texts(read, h5py.h5o.get_info(node.id).addr, name, MAX_ATTRIBUTE)
    value = node.attrs[name]
    if isinstance(value, h5py.Empty):
        return None
    if isinstance(value, np.ndarray):
        return [_text(v, where) for v in value.ravel().tolist()]
    return _text(value.item() if isinstance(value, np.generic) else value, where)


def _text(value: Any, where: str) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise FileFormatError(f"{where} is not UTF-8 text") from None
    return value


def _check_dataset(dataset: Any, path: str, shape: tuple[int, ...]) -> None:
    declared = dataset.shape
    if declared != shape:
        raise FileFormatError(f"{path} has shape {declared}, and the configuration asks for {shape}")
    settings = dataset.id.get_create_plist()
    if settings.get_external_count() or dataset.is_virtual:
        raise FileFormatError(f"{path} takes its numbers from another file; foldnet reads none but this one")
    size = prod(shape) * dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    if settings.get_layout() != h5py.h5d.CHUNKED:
        if stored != size:
            raise FileFormatError(f"{path} declares {size:,} bytes and holds {stored:,}")
        return
    for index in range(settings.get_nfilters()):
        if settings.get_filter(index)[0] not in _FILTERS:
            raise FileFormatError(
                f"{path} is packed by a filter foldnet does not run; save it with gzip or none"
            )
    chunk = prod(dataset.chunks) * dataset.dtype.itemsize
    if (size and not stored) or chunk > max(4 * size, 1 << 20):
        raise FileFormatError(f"{path} declares {size:,} bytes in chunks of {chunk:,}, and holds {stored:,}")
    if size > SMALL and size > MAX_RATIO * stored:
        raise FileFormatError(
            f"{path} would unpack {stored:,} bytes to {size:,}; no network is so compressible"
        )


def _numbers(dataset: Any, path: str, read: Read) -> Array:
    dtype = dataset.dtype
    if dtype.kind == "V" and dtype.itemsize == 2 and dtype.names is None:
        name = _attribute(dataset, "dtype", f"attribute 'dtype' of {path}", read)
        if name != "bfloat16":
            raise FileFormatError(f"{path} holds 2-byte values of an unnamed type")
        # bfloat16 is the upper half of float32.
        upper = np.asarray(dataset[()]).view("<u2").astype(np.uint32) << 16
        return upper.view(np.float32)
    if dtype.kind not in "fiub" or dtype.names is not None or dtype.itemsize > 8:
        raise FileFormatError(f"{path} holds {dtype}, and weights are numbers")
    return np.asarray(dataset[()])
