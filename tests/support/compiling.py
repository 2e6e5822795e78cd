"""How the suite compiles what foldnet generates: as shipped, or at once, where a test asks what numbers come out."""

import shlex
from pathlib import Path

from foldnet.engines.native import cache, compiler

as_shipped = cache.load
QUICK = ("-O0", "-Dalways_inline=unused", "-DQUICK_TO_COMPILE")
"""What is written out for speed, and what is always inlined, would make most of the code."""


def unoptimized(code, symbol, *options):
    """``cache.load`` for code that runs a few times; it has the same bits, but takes its time."""
    return as_shipped(code, symbol, *options, *QUICK)


def quick_compiler(folder: Path) -> str:
    """The same for programs that tests start: a command for ``CC`` that compiles without optimization."""
    script = folder / "quick-cc"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(compiler.find().command)} "$@" {" ".join(QUICK)}\n')
    script.chmod(0o755)
    return str(script)
