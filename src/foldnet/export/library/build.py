"""Compiling a library: the C of each level into an object file, then all of it into one library."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foldnet.engines.native import compiler as cc
from foldnet.engines.native import scratch
from foldnet.engines.native.prediction.program import OPTIONS
from foldnet.errors import CompileError
from foldnet.export.library.c_code import LibraryCode
from foldnet.export.library.targets import Level, Target

ZIG_CACHES = ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")
"""Where zig keeps what it compiles of each system's libraries: by default in a folder that is gone afterwards."""

UNCHECKED = "-fno-sanitize=undefined"
"""What zig compiles without optimization would otherwise call its checks at run time."""

LINKING = ("-shared", UNCHECKED, "-Wno-unused-command-line-argument")
"""No optimization: with it, zig would compile all of a system's C library again, which takes more than a minute."""

NOTHING = "/* The objects are linked. */\n"


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


def compiler_for(target: Target) -> cc.Compiler:
    """The compiler for a target.

    Raises:
        CompileError: there is none.
    """
    if target.zig is None:
        return cc.find()
    zig = cc.find_zig()
    if zig is None:
        raise CompileError(
            f"a library for {target.name} needs a compiler for other systems: pip install 'foldnet[compiler]'; "
            "targets=['host'] needs only the compiler of this machine"
        )
    return zig


def build(code: LibraryCode, target: Target, shop: Path) -> bytes:
    """The library's bytes.

    Args:
        code: of the network, for the target.
        target: to compile for.
        shop: a folder to work in.

    Raises:
        CompileError: there is no compiler, it refused the code, or gave no answer in time.
        OSError: the disk is full.
    """
    compiler = compiler_for(target)
    caches = {name: os.environ.get(name) or str(shop / "zig") for name in ZIG_CACHES}
    threads = ("-pthread",) if target.has_threads else ()
    position = ("-fPIC",) if target.ending != ".dll" else ()
    common = (*cc.CODE_FLAGS, *OPTIONS, *position, *threads, *target.options, UNCHECKED, "-c")
    objects = []
    units = [(level.name, text, level) for level, text in zip(target.levels, code.levels, strict=True)]
    for name, text, level in [*units, ("dispatch", code.dispatch, Level("", 4))]:
        made = str(shop / f"{target.name}-{name}.o")
        options = (*common, *level.options, *cc.wide_flags(level.simd))
        cc.compile_library(text, made, compiler, options, caches)
        objects.append(made)
    library = shop / f"{target.name}{target.ending}"
    # Symbols that nobody outside calls are left out (-s); macOS signs what it strips, so there it stays.
    strip = () if target.ending == ".dylib" else ("-s",)
    options = (*LINKING, *threads, *target.options, *strip, *objects, *target.linking)
    cc.compile_library(NOTHING, str(library), compiler, options, caches)
    return library.read_bytes()
