"""Windows, on which foldnet has not run yet: it uses only what Python has on every system.

The C that foldnet writes for itself has threads of POSIX, so nothing is compiled here and NumPy computes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

CAN_COMPILE = False


def architecture() -> str:
    """The processor's architecture, as ``AMD64``."""
    return os.environ.get("PROCESSOR_ARCHITECTURE", "")


def processor_features() -> str:
    """Nothing: only compiled code depends on them."""
    return ""


def processors() -> int:
    """How many processors there are."""
    return os.cpu_count() or 1


def is_ours(found: os.stat_result) -> bool:
    """False: whether others can write to a file is not in its mode here. Nothing compiled is kept."""
    return False


def set_mode(handle: int, mode: int) -> None:
    """Nothing: files take their permissions from their folder."""


def flush(path: str | os.PathLike[str]) -> None:
    """Flush a file to disk; a folder cannot be opened here, and its entries are the system's matter."""
    if os.path.isdir(path):  # noqa: PTH112
        return
    with open(path, "r+b") as file:  # noqa: PTH123 - flushing needs the right to write
        os.fsync(file.fileno())


def lock_folder(folder: str | os.PathLike[str]) -> int | None:
    """None: a folder cannot be locked here."""
    return None


def run(
    commands: Sequence[tuple[list[str], str, str]], folder: str, seconds: float, more: Mapping[str, str]
) -> int | None:
    """Not for this system.

    Raises:
        OSError: always.
    """
    raise OSError("foldnet starts no programs on this system")
