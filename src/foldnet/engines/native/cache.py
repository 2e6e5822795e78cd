"""Compiled networks: from this process, from the user's cache folder, or newly built.

An entry is named by what it was made from and for (the C, the options, the processor) and by its compiler. Where that
compiler is at hand its own entry serves; where none is, or it fails, any other's does: whatever compiled it, the bits
of its results are the same. So a cache that was filled in one place serves where there is no compiler.

Nothing waits here: two threads may compile the same at once, and the last to finish is kept.
"""

from __future__ import annotations

import ctypes
import os

from foldnet import system, user_cache
from foldnet.engines.native import compiler as cc
from foldnet.engines.native import scratch
from foldnet.errors import CompileError

_loaded: dict[str, ctypes.CDLL] = {}


def load(code: str, symbol: str, *options: str, units: int = 1) -> int:
    """The address of a function of the compiled code: from this process, from disk, or newly built.

    Args:
        code: C.
        symbol: the function's name.
        options: for the compiler, after its usual ones.
        units: of the code, which are compiled at once where there are as many processors.

    Raises:
        CompileError: it is not at hand and cannot be built: there is no compiler, it refuses the code, there is no
            place for what it makes, or that cannot be loaded.
    """
    target = cc.machine()
    options = (*cc.flags(target), *options)
    identity = "\0".join((code, *options, target.name, target.features))
    key = user_cache.digest(identity.encode()).hex()
    try:
        compiler = cc.find()
        name = _name(key, compiler)
        library = (
            _loaded.get(name)
            or _from_disk(name, symbol)
            or _build(name, code, symbol, compiler, options, units)
        )
    except CompileError:
        found = _of_another_compiler(key, symbol)
        if found is None:
            raise
        name, library = found
    _loaded[name] = library
    return _address(library, symbol)


def _name(key: str, compiler: cc.Compiler) -> str:
    return f"{key}-{user_cache.digest(compiler.identity.encode()).hex()[:16]}.so"


def _of_another_compiler(key: str, symbol: str) -> tuple[str, ctypes.CDLL] | None:
    try:
        kept = sorted(os.listdir(user_cache.folder()))  # noqa: PTH208
    except OSError:
        kept = []
    for name in (*list(_loaded), *kept):
        if name.startswith(key):
            library = _loaded.get(name) or _from_disk(name, symbol)
            if library is not None:
                return name, library
    return None


def _from_disk(name: str, symbol: str) -> ctypes.CDLL | None:
    if user_cache.read(name) is None:
        return None
    try:
        return _opened(user_cache.path_of(name), symbol)
    except (OSError, CompileError):
        return None


def _build(
    name: str, code: str, symbol: str, compiler: cc.Compiler, options: tuple[str, ...], units: int
) -> ctypes.CDLL:
    # One after the other they would take longer than as one.
    units = units if system.processors() >= units else 1
    problem: Exception | None = None
    for home in scratch.homes():
        # A full disk shows as a compiler that fails, so the next place is tried then, too.
        try:
            with scratch.folder(home) as folder:
                made = os.path.join(folder, "foldnet.so")  # noqa: PTH118
                cc.compile_library(code, made, compiler, options, units=units)
                return _kept_and_opened(made, name, symbol, compiler)
        except cc.HangingCompilerError:
            raise
        except (OSError, CompileError) as error:
            problem = problem or error
    if isinstance(problem, cc.RefusedError):
        raise CompileError(f"{problem}{cc.keep(code)}")
    if isinstance(problem, CompileError):
        raise problem
    raise CompileError(
        "there is no folder to compile in: neither a temporary one ($TMPDIR, /tmp) nor the cache "
        f"({user_cache.folder()}) can be written{f': {problem}' if problem else ''}. Set FOLDNET_CACHE to one that can."
    )


def _kept_and_opened(made: str, name: str, symbol: str, compiler: cc.Compiler) -> ctypes.CDLL:
    """The new library, loaded from the cache, or from where it was made if it cannot be kept or run there."""
    try:
        with open(made, "rb") as file:  # noqa: PTH123
            data = file.read()
        kept = user_cache.write(name, lambda path: path.write_bytes(data))
    except OSError:
        kept = False  # a full disk, or something in the entry's place
    places = [*([user_cache.path_of(name)] if kept else []), made]
    problem: OSError | None = None
    for place in places:
        try:
            return _opened(place, symbol)
        except OSError as error:
            problem = error
        except CompileError as error:
            if kept:
                user_cache.remove(name)
            raise CompileError(
                f"{compiler.words} made a library that is not what foldnet wrote: {error}"
            ) from None
    folders = [os.path.dirname(os.path.dirname(made)), *([user_cache.folder()] if kept else [])]  # noqa: PTH120
    why = str(problem).partition(": ")[2] or problem  # without the path, which is gone by now
    raise CompileError(
        f"what {compiler.words} made cannot be loaded: {why}. If {' and '.join(folders)} may not hold "
        "programs (noexec), set FOLDNET_CACHE or TMPDIR to a folder that may."
    )


def _opened(path: str, symbol: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    _address(library, symbol)
    return library


def _address(library: ctypes.CDLL, symbol: str) -> int:
    try:
        function = getattr(library, symbol)
    except AttributeError:
        raise CompileError(f"it has no function {symbol}") from None
    return ctypes.cast(function, ctypes.c_void_p).value or 0
