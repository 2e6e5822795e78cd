"""Compiling a library: the C of each level into an object file, then all of it into one library."""

from __future__ import annotations

from foldnet.engines.native import compiler as cc
from foldnet.engines.native.prediction.program import OPTIONS
from foldnet.export.library.c_code import LibraryCode
from foldnet.export.library.targets import Level, Target
from foldnet.export.zig import Workshop, find_zig

UNCHECKED = "-fno-sanitize=undefined"
"""What zig compiles without optimization would otherwise call its checks at run time."""

LINKING = ("-shared", UNCHECKED, "-Wno-unused-command-line-argument")
"""No optimization: with it, zig would compile all of a system's C library again, which takes more than a minute."""

NOTHING = "/* The objects are linked. */\n"


def compiler_for(target: Target) -> cc.Compiler:
    """The compiler for a target.

    Raises:
        CompileError: there is none.
    """
    if target.zig is None:
        return cc.find()
    return find_zig(f"a library for {target.name}")


def build(code: LibraryCode, target: Target, shop: Workshop) -> bytes:
    """The library's bytes.

    Args:
        code: of the network, for the target.
        target: to compile for.
        shop: a place to work in.

    Raises:
        CompileError: there is no compiler, it refused the code, or gave no answer in time.
        OSError: the disk is full.
    """
    compiler = compiler_for(target)
    threads = ("-pthread",) if target.has_threads else ()
    position = ("-fPIC",) if target.ending != ".dll" else ()
    common = (*cc.CODE_FLAGS, *OPTIONS, *position, *threads, *target.options, UNCHECKED, "-c")
    objects = []
    units = [(level.name, text, level) for level, text in zip(target.levels, code.levels, strict=True)]
    for name, text, level in [*units, ("dispatch", code.dispatch, Level("", 4))]:
        made = str(shop.folder / f"{target.name}-{name}.o")
        options = (*common, *level.options, *cc.wide_flags(level.simd))
        cc.compile_library(text, made, compiler, options, shop.caches)
        objects.append(made)
    library = shop.folder / f"{target.name}{target.ending}"
    # Symbols that nobody outside calls are left out (-s); macOS signs what it strips, so there it stays.
    strip = () if target.ending == ".dylib" else ("-s",)
    options = (*LINKING, *threads, *target.options, *strip, *objects, *target.linking)
    cc.compile_library(NOTHING, str(library), compiler, options, shop.caches)
    return library.read_bytes()
