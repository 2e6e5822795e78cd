"""zig, the compiler for other systems than this one: the package ``ziglang``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from foldnet import system, user_cache
from foldnet.engines.native import compiler as cc
from foldnet.engines.native import scratch
from foldnet.errors import CompileError

LIBRARIES, CODE = "ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"
"""Variables that say where zig keeps what it compiles of each system's libraries, and of the code that it is given."""


@dataclass(frozen=True)
class Workshop:
    """A place for compilations.

    Attributes:
        folder: gone at the end.
        caches: the variables for zig.
    """

    folder: Path
    caches: Mapping[str, str]


def find_zig(purpose: str) -> cc.Compiler:
    """The command of zig's compiler for C.

    Args:
        purpose: what needs it, for errors.

    Raises:
        CompileError: it is not installed.
    """
    hint = f"{purpose} needs a compiler for other systems: pip install 'foldnet[compiler]'"
    found = cc.find_zig()
    if found is None:
        raise CompileError(f"zig is not installed. {hint}")
    return replace(found, hint=hint)


@contextmanager
def workshop() -> Iterator[Workshop]:
    """A place for compilations, whose folder is gone at the end.

    What zig compiles of a system's libraries, which takes up to a minute, stays in the user's cache folder for the next
    time. The variables of zig name other places.

    Raises:
        CompileError: there is no place for one.
    """
    homes = scratch.homes()
    if not homes:
        raise CompileError("there is no folder for temporary files; set TMPDIR to one that can be written to")
    with scratch.folder(homes[0]) as folder, _kept(folder) as kept:
        places = {LIBRARIES: kept, CODE: os.path.join(folder, "zig")}  # noqa: PTH118
        yield Workshop(Path(folder), {name: os.environ.get(name) or place for name, place in places.items()})


@contextmanager
def _kept(folder: str) -> Iterator[str]:
    """Where zig keeps its libraries: in the user's cache if nobody else is there, for zig fails where two write."""
    home = user_cache.ready()
    handle = None
    kept = os.path.join(home or folder, "zig")  # noqa: PTH118
    try:
        os.makedirs(kept, mode=0o700, exist_ok=True)  # noqa: PTH103
        handle = system.lock_folder(kept)
    except OSError:
        kept = os.path.join(folder, "zig")  # noqa: PTH118
    try:
        yield kept
    finally:
        if handle is not None:
            os.close(handle)
