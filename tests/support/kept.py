"""What compilers made for the tests, kept in the checkout from run to run.

A run takes from there what was made from the same by the same, and makes the rest. ``FOLDNET_TESTS_KEEP=0`` starts with
nothing and keeps nothing. Two runs at once may share the folder, and so may two machines: whatever is kept is named by
all that it depends on.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from pathlib import Path

KEEP = "FOLDNET_TESTS_KEEP"
HOME = "FOLDNET_TESTS_KEPT"
"""The variable with the folder, for all processes of a run; there is none where nothing is kept."""
FOLDER = Path(__file__).parents[2] / ".test-cache"
DAYS, LARGEST = 14, 1 << 30
"""What no run has used for so many days goes, and what was used least recently where there are more bytes."""
DIGEST = hashlib.sha256().digest_size


def digest(*parts: bytes) -> bytes:
    """SHA-256 of the parts one after the other. Not foldnet's own: a fault there is not to name what is kept."""
    return hashlib.sha256(b"".join(parts)).digest()


def begin(folder: Path = FOLDER) -> Path | None:
    """Tidy the folder and name it to this run's processes; None where nothing is to be kept."""
    os.environ.pop(HOME, None)
    if os.environ.get(KEEP) == "0":
        return None
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        tidy(folder)
    except OSError:
        return None  # a checkout that cannot be written
    os.environ[HOME] = str(folder)
    return folder


def tidy(folder: Path) -> None:
    """Remove what is old, and what is too much.

    The time of the last use is that of the last reading. Where a disk does not note that, what is kept is made again
    after its days.
    """
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            with contextlib.suppress(FileNotFoundError):  # another run tidies, too
                status = path.stat()
                found.append((max(status.st_atime, status.st_mtime), status.st_size, path))
    oldest, total = time.time() - DAYS * 86_400, 0
    for used, size, path in sorted(found, reverse=True):
        total += size
        # Files of networks that were read: they are named by times of modules, which is not enough from run to run.
        if used < oldest or total > LARGEST or path.suffix == ".foldnet":
            path.unlink(missing_ok=True)


class Store:
    """Bytes by name in one folder: whole or not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str) -> bytes | None:
        """What was put there under this name; None if nothing was, or if it is damaged."""
        try:
            whole = (self.folder / name).read_bytes()
        except OSError:
            return None
        data = whole[:-DIGEST]
        return data if digest(name.encode(), data) == whole[-DIGEST:] else None

    def put(self, name: str, data: bytes) -> None:
        """Write it beside and rename it, so that nobody reads a part. A full disk only costs time."""
        made = self.folder / f"{os.getpid()}-{os.urandom(8).hex()}.tmp"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            made.write_bytes(data + digest(name.encode(), data))
            made.replace(self.folder / name)
        except OSError:
            with contextlib.suppress(OSError):
                made.unlink(missing_ok=True)


def store(kind: str) -> Store | None:
    """The store of this kind of things; None where nothing is kept."""
    home = os.environ.get(HOME)
    return Store(Path(home, kind)) if home else None
