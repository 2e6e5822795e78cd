"""A folder for the time of a compilation.

``tempfile`` has a lock, and removes folders when a forked child ends, too; here a call may come from a signal handler
amid another, or in a child forked amid one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from foldnet import user_cache


def homes() -> list[str]:
    """Where such a folder may be made: the first temporary folder there is, and the user's cache, on another disk."""
    named = [os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")]
    there = [home for home in (*named, "/tmp", "/var/tmp") if home and os.access(home, os.W_OK | os.X_OK)]
    kept = user_cache.ready()
    return [*there[:1], *([kept] if kept else [])]


@contextmanager
def folder(home: str) -> Iterator[str]:
    """A new folder of the user's alone, gone at the end.

    Raises:
        OSError: it cannot be made.
    """
    made = os.path.join(home, f"foldnet-{os.urandom(8).hex()}")  # noqa: PTH118
    os.mkdir(made, 0o700)  # noqa: PTH102
    maker = os.getpid()
    try:
        yield made
    finally:
        if os.getpid() == maker:  # and not a child that was forked meanwhile
            import shutil

            shutil.rmtree(made, ignore_errors=True)
