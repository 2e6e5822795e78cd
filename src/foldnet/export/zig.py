"""zig, the compiler for other systems than this one: the package ``ziglang``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from foldnet.engines.native import compiler as cc
from foldnet.engines.native import scratch
from foldnet.errors import CompileError

CACHES = ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")
"""Where zig keeps what it compiles of each system's libraries: by default in a folder that is gone afterwards."""


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
def workshop() -> Iterator[Path]:
    """A folder for compilations, gone at the end.

    Raises:
        CompileError: there is no place for one.
    """
    homes = scratch.homes()
    if not homes:
        raise CompileError("there is no folder for temporary files; set TMPDIR to one that can be written to")
    with scratch.folder(homes[0]) as folder:
        yield Path(folder)


def caches(shop: Path) -> dict[str, str]:
    """The variables that name zig's caches: the caller's, or a folder in the workshop."""
    return {name: os.environ.get(name) or str(shop / "zig") for name in CACHES}
