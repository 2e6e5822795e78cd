"""Atomic writing: a file is either completely new or completely old, even if writing fails."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from foldnet import system
from foldnet.disk.opening import kind_name, name_of
from foldnet.errors import ConfigError

Write = Callable[[Path], object]
_PART = ".part"


def write_whole(path: str | PathLike[str], write: Write) -> None:
    """Let ``write`` fill a temporary file in the same directory, then replace ``path`` by it in one step.

    A reader sees the old file or the new one, never a part. If ``write`` fails, the old file stays and the
    new one is removed. If the process is killed, a file ``.<name>.<random>.part`` may remain.

    Args:
        path: of the file to create or replace.
        write: called with the path of an empty file in the same directory.

    Raises:
        ConfigError: it is not a valid path, or not that of a regular file.
        OSError: the directory does not exist or cannot be written to.
    """
    write_all([(path, write)])


def write_all(jobs: Sequence[tuple[str | PathLike[str], Write]]) -> None:
    """Write several files that belong together: they replace the old ones, in order, after all are complete.

    Args:
        jobs: path and ``write`` of each, as for ``write_whole``.

    Raises:
        ConfigError: as for ``write_whole``.
        OSError: as for ``write_whole``; no file has changed, unless replacing one of them failed.
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
        system.flush(folder)


@contextmanager
def _naming(target: Path) -> Iterator[None]:
    """Makes errors name the file that is written instead of the temporary one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise OSError(error.errno, error.strerror, str(target)) from None


def target_of(path: str | PathLike[str]) -> Path:
    """The regular file (existing or not) of a path. Links are followed, so a link stays and its target is replaced.

    Raises:
        ConfigError: it is not a valid path, or that of a pipe or a device.
        IsADirectoryError: it is a directory.
    """
    try:
        target = Path(name_of(path)).resolve()
        kind = kind_name(target.stat().st_mode)
    except FileNotFoundError:
        return target
    except (OSError, RuntimeError) as error:  # a cycle of links raises one or the other, by Python version
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
    """Write a text as UTF-8; see ``write_whole``."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def leftover_of(path: Path) -> Path | None:
    """The file that a killed process was writing, if this is what it left of it.

    >>> leftover_of(Path("out/.a.parquet.k3_x9.part"))
    PosixPath('out/a.parquet')
    """
    name = path.name
    if not (name.startswith(".") and name.endswith(_PART)):
        return None
    target, dot, _ = name[1 : -len(_PART)].rpartition(".")
    return path.with_name(target) if dot and target else None


def _part_beside(target: Path, write: Write) -> Path:
    """Write a complete temporary file in the directory of the target."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=_PART, dir=target.parent)
    part = Path(name)
    try:
        system.set_mode(handle, _mode(target))
        os.close(handle)
        write(part)
        system.flush(part)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def _mode(target: Path) -> int:
    """The mode of the new file: that of the old one, or the process's default."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
