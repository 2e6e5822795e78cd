"""Atomic writing: a file is either completely new or completely old, even if writing fails."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from foldnet.disk.opening import kind_name, name_of
from foldnet.errors import ConfigError

Write = Callable[[Path], object]


def write_whole(path: str | PathLike[str], write: Write) -> None:
    """Let ``write`` fill a file beside ``path``, then put it in place of ``path`` in one step.

    A reader sees the old file or the new one, never a part. When ``write`` fails, the old file stays, and the
    new one is taken away; when the process is killed, a file ``.<name>.<random>.part`` may be left behind.

    Args:
        path: of the file to make or replace.
        write: is given the path of an empty file in the same directory.

    Raises:
        ConfigError: no file can have this path, or something that is not a regular file has it.
        OSError: the directory does not exist or cannot be written to.
    """
    write_all([(path, write)])


def write_all(jobs: Sequence[tuple[str | PathLike[str], Write]]) -> None:
    """Write several files that belong together: only when all are whole, each takes its place, in their order.

    Args:
        jobs: path and ``write`` of each, as for ``write_whole``.

    Raises:
        ConfigError: as ``write_whole``.
        OSError: as ``write_whole``; no file has changed, unless it was the last step of one that failed.
    """
    targets = [target_of(path) for path, _ in jobs]
    parts: list[Path] = []
    try:
        for target, (_, write) in zip(targets, jobs, strict=True):
            with _naming(target):
                parts.append(_part_beside(target, write))
        for target, part in zip(targets, parts, strict=True):
            with _naming(target):
                part.replace(target)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    for folder in {target.parent for target in targets}:
        _flush(folder)


@contextmanager
def _naming(target: Path) -> Iterator[None]:
    """Errors name the file that is written, not the part beside it, of which the caller knows nothing."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise OSError(error.errno, error.strerror, str(target)) from None


def target_of(path: str | PathLike[str]) -> Path:
    """The ordinary file, there or not, that a path leads to: a link stays a link, and what it points to is replaced.

    Raises:
        ConfigError: no file can have this path, or it is that of a pipe or a device.
        IsADirectoryError: it is that of a directory.
    """
    try:
        target = Path(name_of(path)).resolve()
        kind = kind_name(target.stat().st_mode)
    except FileNotFoundError:
        return target
    except (OSError, RuntimeError) as error:  # links in a circle: one or the other, by Python's release
        if isinstance(error, OSError) and error.errno != errno.ELOOP:
            return target
        raise ConfigError(
            f"{path} is a link that leads back to itself, so no file can be written there"
        ) from None
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if kind is not None:
        raise ConfigError(f"{path} is {kind}, not an ordinary file; choose another name")
    return target


def write_text(path: str | PathLike[str], text: str) -> None:
    """Write a text in UTF-8 as ``write_whole`` does."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def _part_beside(target: Path, write: Write) -> Path:
    """A whole file in the directory of the one whose place it is to take."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    part = Path(name)
    try:
        os.fchmod(handle, _mode(target))
        os.close(handle)
        write(part)
        _flush(part)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def _mode(target: Path) -> int:
    """Who may read the new file: those who could read the old one, or whom the process lets by default."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _flush(path: Path) -> None:
    """Wait until the file, or the directory's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
