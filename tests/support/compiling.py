"""How the suite compiles what foldnet generates: as shipped, or at once, where a test asks what numbers come out."""

import contextlib
import functools
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from foldnet import user_cache
from foldnet.engines.native import cache, compiler, scratch
from foldnet.errors import CompileError
from tests.support import compile_once, compilers, kept

as_shipped = cache.load
QUICK = ("-O0", "-Dalways_inline=unused", "-DQUICK_TO_COMPILE")
"""What is written out for speed, and what is always inlined, would make most of the code."""
OF_THE_SYSTEM = (
    "#define _GNU_SOURCE 1",
    *(
        f"#include <{name}.h>"
        for name in ("math", "pthread", "sched", "signal", "stdint", "stdlib", "string", "time")
    ),
)
"""What programs begin with. Reading it takes gcc a third of the time."""
READ_BEFORE = "FOLDNET_TESTS_HEADERS"
"""The variable with the folder of what gcc has read before, for all processes of a run."""


def unoptimized(code, symbol, *options, units=1):
    """``cache.load`` for code that runs a few times, as one unit; it has the same bits, but takes its time."""
    options = (*options, *QUICK)
    with contextlib.suppress(CompileError):  # there is no compiler
        command = compiler.find().command
        options += quick_linker(command)
        if OF_THE_SYSTEM[0] in code:
            options += read_before(command, options)
    return as_shipped(code, symbol, *options)


@functools.cache
def quick_linker(command):
    """The linker gold, where gcc has it: it takes two thirds of the usual one's time."""
    if not _is_gcc(command) or shutil.which("ld.gold") is None:
        return ()
    return ("-fuse-ld=gold",)


def _is_gcc(command):
    return "gcc" in Path(command[0]).resolve().name


@functools.cache
def read_before(command, options):
    """What lets gcc take the headers of the system as it has read them; nothing for other compilers."""
    if READ_BEFORE not in os.environ or not _is_gcc(command):
        return ()
    folder = Path(os.environ[READ_BEFORE], kept.digest(repr((command, options)).encode()).hex()[:16])
    header, made, digest = folder / "system.h", folder / f"{os.getpid()}.h", folder / "digest"
    if not digest.exists() or digest.read_bytes() != _digest(header):
        folder.mkdir(parents=True, exist_ok=True)
        made.write_text("\n".join(OF_THE_SYSTEM) + "\n")
        flags = [*compiler.flags(compiler.machine()), *options, "-x", "c-header"]
        subprocess.run([*command, *flags, made, "-o", f"{made}.gch"], check=True)
        Path(f"{made}.gch").replace(f"{header}.gch")
        made.replace(header)
        made.write_bytes(_digest(header))
        made.replace(digest)
    return "-include", str(header)


def _digest(header):
    """Of a header as gcc has read it; nothing where there is none."""
    read = Path(f"{header}.gch")
    return kept.digest(header.read_bytes(), read.read_bytes()) if header.exists() and read.exists() else b""


def name_of_cache() -> str:
    """A name for foldnet's own cache that is another one after any change but that of the code to be compiled.

    What foldnet notes of a compiler is enough for its users, but not of the headers and of the modules that run it.
    """
    with contextlib.suppress(CompileError):
        found = [compile_once.state(compiler.find().command)]
        found += [compile_once.state(command) for command in compilers.COMPILERS.values()]
        modules = [Path(module.__file__).read_text() for module in (cache, compiler, scratch, user_cache)]
        everything = repr((found, modules, Path(__file__).read_text()))
        return f"foldnet-{kept.digest(everything.encode()).hex()[:16]}"
    return "foldnet"


def quick_compiler(folder: Path) -> str:
    """The same for programs that tests start: a command for ``CC`` that compiles without optimization."""
    text = f'#!/bin/sh\nexec {shlex.join(compiler.find().command)} "$@" {" ".join(QUICK)}\n'
    script, made = folder / "quick-cc", folder / f"quick-cc-{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    if not script.exists() or script.read_text() != text:  # foldnet knows a compiler by its file's time, too
        made.write_text(text)
        made.chmod(0o755)
        made.replace(script)
    return str(script)
