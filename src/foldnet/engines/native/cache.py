"""Compiled networks on disk: one file each, checked before it is loaded, rebuilt when anything is amiss.

An entry is a shared library followed by a digest over its key and its bytes, so that a damaged file, and one
that belongs elsewhere, is seen. It is written under a temporary name and renamed, so that processes that build the
same entry at once do not meet half a file. Whoever can write into the folder can run code, so the folder and
its files must belong to the user and be writable by nobody else; otherwise a private temporary folder serves.
"""

from __future__ import annotations

import ctypes
import os
import stat
from pathlib import Path

from foldnet.engines.native import compiler as cc
from foldnet.errors import CompileError

DIGEST = 32
_loaded: dict[str, ctypes.CDLL] = {}


def folder() -> Path:
    """Where entries are kept: ``$FOLDNET_CACHE``, else ``foldnet`` in the user's cache folder."""
    chosen = os.environ.get("FOLDNET_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")  # noqa: PTH111, PTH118
    return Path(base) / "foldnet"


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
    key = _digest("\0".join((code, compiler.identity, *options, target.name, target.features)).encode()).hex()
    library = _loaded.get(key)
    if library is None:
        library = _loaded[key] = _from_disk(key) or _build(key, code, compiler, options)
    return library


def _digest(*parts: bytes) -> bytes:
    import hashlib

    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return state.digest()


def _private(path: Path, kind: int) -> bool:
    """Whether the path itself (no link) is of this kind, is ours, and nobody else may write to it."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_IFMT(found.st_mode) == kind and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _from_disk(key: str) -> ctypes.CDLL | None:
    home = folder()
    path = home / f"{key}.so"
    if not _private(home, stat.S_IFDIR) or not _private(path, stat.S_IFREG):
        return None
    try:
        data = path.read_bytes()
        if len(data) <= DIGEST or _digest(key.encode(), data[:-DIGEST]) != data[-DIGEST:]:
            return None
        return ctypes.CDLL(str(path))
    except OSError:
        return None


def _build(key: str, code: str, compiler: cc.Compiler, options: tuple[str, ...]) -> ctypes.CDLL:
    home = folder()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _private(home, stat.S_IFDIR):
            return _build_in(home, key, code, compiler, options)
    except OSError:
        pass  # read-only, full, or no home: the library is then built for this process alone
    import tempfile

    with tempfile.TemporaryDirectory(prefix="foldnet-") as private:
        return _build_in(Path(private), key, code, compiler, options)


def _build_in(
    home: Path, key: str, code: str, compiler: cc.Compiler, options: tuple[str, ...]
) -> ctypes.CDLL:
    import tempfile

    handle, name = tempfile.mkstemp(prefix=f"{key[:16]}-", suffix=".tmp", dir=home)
    os.close(handle)
    made, path = Path(name), home / f"{key}.so"
    try:
        cc.compile_library(code, made, compiler, options)
        made.chmod(0o700)
        with made.open("r+b") as file:
            data = file.read()
            file.write(_digest(key.encode(), data))
            file.flush()
            os.fsync(file.fileno())
        if path.is_dir() and not path.is_symlink():
            raise CompileError(f"{path} is a folder, where foldnet keeps a compiled network; remove it")
        made.replace(path)
        return ctypes.CDLL(str(path))
    finally:
        made.unlink(missing_ok=True)
