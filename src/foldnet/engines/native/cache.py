"""Compiled networks: from this process, from the user's cache folder, or newly built."""

from __future__ import annotations

import ctypes

from foldnet import user_cache
from foldnet.engines.native import compiler as cc

_loaded: dict[str, ctypes.CDLL] = {}


def load(code: str, *options: str) -> ctypes.CDLL:
    """The compiled form of the code: from this process, from disk, or newly built.

    Args:
        code: C.
        options: for the compiler, after its usual ones.

    Raises:
        CompileError: there is no compiler, or it refuses the code.
    """
    compiler, target = cc.find(), cc.machine()
    options = (*cc.flags(target), *options)
    identity = "\0".join((code, compiler.identity, *options, target.name, target.features))
    key = user_cache.digest(identity.encode()).hex()
    library = _loaded.get(key)
    if library is None:
        library = _loaded[key] = _from_disk(f"{key}.so") or _build(f"{key}.so", code, compiler, options)
    return library


def _from_disk(name: str) -> ctypes.CDLL | None:
    if user_cache.read(name) is None:
        return None
    try:
        return ctypes.CDLL(user_cache.path_of(name))
    except OSError:
        return None


def _build(name: str, code: str, compiler: cc.Compiler, options: tuple[str, ...]) -> ctypes.CDLL:
    try:
        if user_cache.write(name, lambda path: cc.compile_library(code, path, compiler, options)):
            return ctypes.CDLL(user_cache.path_of(name))
    except OSError:
        pass  # full, or something is in the way: the library is then built for this process alone
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory(prefix="foldnet-") as private:
        path = Path(private) / name
        cc.compile_library(code, path, compiler, options)
        return ctypes.CDLL(str(path))
