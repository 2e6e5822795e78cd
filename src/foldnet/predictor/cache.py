"""Programs of files, kept in the user's cache folder: a file that was frozen once is not parsed again.

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
"""Larger files are read again each time: most of the time goes to their arrays, not to parsing."""
ENTRIES = 64
"""The most entries that stay; those used longest ago go first."""
_ENDING = ".foldnet"


def program_of(
    path: str | os.PathLike[str], make: Callable[[], tuple[Graph, Options]]
) -> tuple[Graph, Options]:
    """The program of a file: the one kept, if it was made of the same bytes by the same foldnet, else a new one.

    Args:
        path: of the file; if it is none, or too large, this is ``make()``.
        make: reads the file.
    """
    name = _entry(path)
    if name is None:
        return make()
    kept = _read(name)
    if kept is not None:
        return kept
    made = make()
    if _entry(path) == name:  # the file did not change while it was read
        _write(name, *made)
    return made


def _entry(path: str | os.PathLike[str]) -> str | None:
    from foldnet.disk.opening import read_file

    try:
        data = read_file(path, LARGEST)
    except (OSError, FoldnetError):
        return None  # the reader of the file says what is wrong
    return user_cache.digest(_makers(), data).hex() + _ENDING


@cache
def _makers() -> bytes:
    """A digest over names, sizes and times of foldnet's modules: which of them make a program changes with time."""
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
    with suppress(OSError):  # in an image that may not be written, no entry is older than another
        os.utime(user_cache.path_of(name))
    return program


def _write(name: str, graph: Graph, options: Options) -> None:
    from foldnet.predictor.file import to_bytes

    try:
        data = to_bytes(graph, options)
        if len(data) <= LARGEST and user_cache.write(name, lambda path: path.write_bytes(data)):
            _forget_oldest()
    except (FoldnetError, OSError):
        pass  # it is only kept to save time


def _forget_oldest() -> None:
    with os.scandir(user_cache.folder()) as entries:
        kept = sorted((e.stat().st_mtime_ns, e.path) for e in entries if e.name.endswith(_ENDING))
    for _, path in kept[:-ENTRIES]:
        os.unlink(path)  # noqa: PTH108
