"""The user's cache folder: files that are checked before they are used, and written again if they are damaged.

An entry is its data followed by a digest over its name and the data, so that a damaged or misplaced file is
detected. It is written under a temporary name and renamed, so that processes that write the same entry at the
same time never see a partial file. Anyone who can write into the folder can run code as the user, so the folder and
its files must belong to the user (or to root, as in a container image) and must not be writable by others; any other
folder is not used.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from foldnet import system

if TYPE_CHECKING:
    from pathlib import Path

# Paths are strings, and other modules are imported on use, because this code runs before the first
# prediction and must be fast.
DIGEST = 32


def folder() -> str:
    """Where entries are kept: ``$FOLDNET_CACHE``, else ``foldnet`` in the user's cache folder."""
    chosen = os.environ.get("FOLDNET_CACHE")
    if chosen:
        return chosen
    base = os.environ.get("XDG_CACHE_HOME")
    if not base:
        home = os.path.expanduser("~")  # noqa: PTH111
        # For a user without a name or a home folder nothing is cached: no folder can be created below a device.
        base = os.path.join(os.devnull if home == "~" else home, ".cache")  # noqa: PTH118
    return os.path.join(base, "foldnet")  # noqa: PTH118


def path_of(name: str) -> str:
    """The path of an entry, which may not exist."""
    return os.path.join(folder(), name)  # noqa: PTH118


def digest(*parts: bytes | memoryview) -> bytes:
    """SHA-256 of the parts one after the other."""
    import hashlib

    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return state.digest()


def read(name: str) -> memoryview | None:
    """The data of an entry; None if it does not exist or cannot be trusted."""
    path = path_of(name)
    if not is_private(folder(), stat.S_IFDIR) or not is_private(path, stat.S_IFREG):
        return None
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            whole = memoryview(file.read())
    except OSError:
        return None
    data = whole[:-DIGEST]
    return data if len(data) and digest(name.encode(), data) == whole[-DIGEST:] else None


def ready() -> str | None:
    """The folder, created if needed; None if it cannot be created or written, or if others can write to it."""
    home = folder()
    try:
        os.makedirs(home, mode=0o700, exist_ok=True)  # noqa: PTH103
    except OSError:
        return None
    return home if is_private(home, stat.S_IFDIR) and os.access(home, os.W_OK) else None


def remove(name: str) -> None:
    """Remove an entry, if it exists and can be removed."""
    import contextlib

    with contextlib.suppress(OSError):
        os.unlink(path_of(name))  # noqa: PTH108


def write(name: str, fill: Callable[[Path], object]) -> bool:
    """Write an entry; ``fill`` writes the data into the file whose path it is given.

    Returns:
        Whether it is stored: False if others can write to the folder, or if it cannot be created.

    Raises:
        OSError: the disk is full, or a folder is in the entry's place.
    """
    home = ready()
    if home is None:
        return False
    from pathlib import Path

    # Without tempfile: a signal handler during another call would wait for its lock.
    made = Path(home, f"{name[:16]}-{os.urandom(8).hex()}.tmp")
    os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        fill(made)
        made.chmod(0o700)
        with made.open("r+b") as file:
            data = file.read()
            file.write(digest(name.encode(), data))
            file.flush()
            os.fsync(file.fileno())
        made.replace(path_of(name))
    finally:
        made.unlink(missing_ok=True)
    return True


def is_private(path: str, kind: int) -> bool:
    """Whether the path itself (no link) is of this kind, belongs to us or root, and cannot be written by others."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_IFMT(found.st_mode) == kind and system.is_ours(found)
