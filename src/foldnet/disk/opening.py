"""Open files for reading: regular files only, not pipes or devices.

Reading a pipe could wait forever, and a device such as ``/dev/zero`` has no end.
"""

from __future__ import annotations

import os
import stat
from os import PathLike
from typing import BinaryIO

from foldnet.errors import ConfigError, FileFormatError

# Paths are strings and pathlib is not imported, because reading a file is part of the time to a first prediction.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def name_of(path: str | PathLike[str]) -> str:
    """The path as text that the system can take.

    Raises:
        ConfigError: it is not a path, or has characters that a path cannot have.
    """
    try:
        name = os.fsdecode(path)
        os.fsencode(name)
    except (TypeError, UnicodeError):
        raise ConfigError(f"{path!r} is not the path of a file") from None
    if not name or "\0" in name:
        raise ConfigError(f"{path!r} is not the path of a file")
    return name


def kind_name(mode: int) -> str | None:
    """The kind of a path that is not a regular file, in words; None for a regular file."""
    if stat.S_ISREG(mode):
        return None
    return next((name for test, name in _KINDS if test(mode)), "no ordinary file")


def open_file(path: str | PathLike[str]) -> BinaryIO:
    """An ordinary file open for reading bytes.

    Args:
        path: of the file.

    Raises:
        ConfigError: no file can have this path.
        FileFormatError: it is a directory, a pipe or a device.
        OSError: it is not there, or cannot be read.
    """
    name = name_of(path)
    _check(os.stat(name).st_mode)  # noqa: PTH116
    # What is there may have changed since; without waiting, even a pipe is opened at once and then refused.
    handle = os.open(name, os.O_RDONLY | _AT_ONCE)
    try:
        _check(os.fstat(handle).st_mode)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def open_stream(path: str | PathLike[str]) -> BinaryIO:
    """A file, a pipe or a terminal open for reading bytes in their order, as tables are read.

    Opening a pipe waits for who writes into it, as every command does.

    Args:
        path: of the file.

    Raises:
        ConfigError: no file can have this path.
        FileFormatError: it is a directory, or a device without an end.
        OSError: it is not there, or cannot be read.
    """
    name = name_of(path)
    if not stat.S_ISFIFO(os.stat(name).st_mode) and not _is_terminal(name):  # noqa: PTH116
        return open_file(name)
    return open(name, "rb")  # noqa: PTH123 - closed by the caller


def _is_terminal(name: str) -> bool:
    if not stat.S_ISCHR(os.stat(name).st_mode):  # noqa: PTH116
        return False
    handle = os.open(name, os.O_RDONLY | _AT_ONCE | getattr(os, "O_NOCTTY", 0))
    try:
        return os.isatty(handle)
    finally:
        os.close(handle)


def _check(mode: int) -> None:
    kind = kind_name(mode)
    if kind is not None:
        raise FileFormatError(f"it is {kind}, not an ordinary file")


def read_file(path: str | PathLike[str], limit: int | None = None) -> bytes:
    """All bytes of an ordinary file.

    Args:
        path: of the file.
        limit: the most bytes it may have.

    Raises:
        ConfigError: no file can have this path.
        FileFormatError: it is a directory, a pipe or a device, or too large.
        OSError: it is not there, or cannot be read.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if limit is not None and size > limit:
            raise FileFormatError(f"it is {size:,} bytes; at most {limit:,} are read")
        return file.read(-1 if limit is None else limit)
