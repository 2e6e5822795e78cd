"""A cache of programs in the user's cache folder: a file that was frozen once is not parsed again.

An entry is named by a digest over the file's bytes and over the modules of foldnet that made the program, and is
checked as every predictor file is. It holds the unfolded program, so it serves every way to freeze the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from foldnet import user_cache
from foldnet.errors import FoldnetError

if TYPE_CHECKING:
    from foldnet.graph.graph import Graph
    from foldnet.predictor.options import Options

LARGEST = 16 << 20
"""Larger files are not cached: most of the time is spent on their arrays, not on parsing."""
ENTRIES = 64
"""The largest number of entries; the least recently used ones are removed first."""
_ENDING = ".foldnet"


def program_of(
    path: str | os.PathLike[str], make: Callable[[], tuple[Graph, Options]]
) -> tuple[Graph, Options]:
    """The program of a file: from the cache, if made from the same bytes by the same foldnet, else a new one.

    Args:
        path: of the file; if it is not a file, or too large, the result is ``make()``.
        make: reads the file.
    """
    name = _entry(path)
    if name is None:
        return make()
    kept = _read(name)
    if kept is not None:
        return kept
    made = make()
    if _entry(path) == name:  # only if the file did not change while it was read
        _write(name, *made)
    return made


def _entry(path: str | os.PathLike[str]) -> str | None:
    from foldnet.disk.opening import read_file

    try:
        data = read_file(path, LARGEST)
    except (OSError, FoldnetError):
        return None  # the reader of the file reports the error
    return user_cache.digest(_makers(), data).hex() + _ENDING


@cache
def _makers() -> bytes:
    """A digest over names, sizes and times of all foldnet modules, because any of them may affect a program."""
    package = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120
    found: list[str] = []
    _list_modules(package, "", found)
    return user_cache.digest("\n".join(sorted(found)).encode())


def _list_modules(home: str, folder: str, found: list[str]) -> None:
    with os.scandir(os.path.join(home, folder)) as entries:  # noqa: PTH118
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.endswith(".py"):
                status = entry.stat()
                found.append(f"{path} {status.st_size} {status.st_mtime_ns}")
            elif entry.is_dir() and entry.name != "__pycache__":
                _list_modules(home, path, found)


def _read(name: str) -> tuple[Graph, Options] | None:
    data = user_cache.read(name)
    if data is None:
        return None
    from foldnet.predictor.file import from_bytes

    try:
        program = from_bytes(data, {})
    except FoldnetError:
        return None
    with suppress(OSError):  # in a read-only image the time of use cannot be updated
        os.utime(user_cache.path_of(name))
    return program


def _write(name: str, graph: Graph, options: Options) -> None:
    from foldnet.predictor.file import to_bytes

    try:
        data = to_bytes(graph, options)
        if len(data) <= LARGEST and user_cache.write(name, lambda path: path.write_bytes(data)):
            _forget_oldest()
    except (FoldnetError, OSError):
        pass  # the cache only saves time


def _forget_oldest() -> None:
    with os.scandir(user_cache.folder()) as entries:
        kept = sorted((e.stat().st_mtime_ns, e.path) for e in entries if e.name.endswith(_ENDING))
    for _, path in kept[:-ENTRIES]:
        os.unlink(path)  # noqa: PTH108
