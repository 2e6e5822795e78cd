"""A folder that one process at a time may write to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foldnet.errors import InputError
from foldnet.system import lock_folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder; the system ends the lock with the process, however it ends.

    Where folders cannot be locked, it does nothing.

    Raises:
        InputError: another process has it.
        OSError: the folder cannot be opened.
    """
    try:
        handle = lock_folder(folder)
    except BlockingIOError:
        raise InputError(
            f"another process is writing to {folder}; wait for its end, or choose another folder"
        ) from None
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)
