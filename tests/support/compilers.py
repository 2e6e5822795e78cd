"""gcc and clang for the tests that compile what foldnet writes.

clang is the machine's own where there is one, else the one inside the ziglang package, which the dev extra installs.
That one brings no AddressSanitizer, so it checks undefined behaviour alone; gcc checks both everywhere.
"""

from __future__ import annotations

import functools
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from foldnet.engines.native.compiler import machine
from tests.support import compile_once

# ziglang's driver adds arguments of its own, which it then warns of.
ZIG = [sys.executable, "-m", "ziglang", "cc", "-Wno-unused-command-line-argument"]

COMPILERS = {"gcc": ["gcc"], "clang": ["clang"] if shutil.which("clang") else ZIG}
"""Each compiler by name, as the beginning of a command."""

X86 = {4: "nehalem", 8: "haswell", 16: "skylake-avx512"}
PROCESSORS = X86 if platform.machine() == "x86_64" else {machine().simd: "native"}
"""By floats in a vector register a processor that has them: compilers warn of wider vectors than that."""


def march(compiler: str, processor: str) -> str:
    """The option that compiles for a processor. zig takes what follows a dash for a feature to be left out."""
    name = processor.replace("-", "_") if COMPILERS[compiler] is ZIG else processor
    return f"-march={name}"


# AddressSanitizer sees what checks of pointers would; without them, and with its own checks called instead of written
# out at every place, gcc takes a third of the time.
BOTH = ["-fsanitize=address,undefined", "-fno-sanitize=null,pointer-overflow", "-fno-sanitize-recover=all"]
CALLS = {
    "gcc": ["--param", "asan-instrumentation-with-call-threshold=0"],
    "clang": ["-mllvm", "-asan-instrumentation-with-call-threshold=0"],
}
UNDEFINED = ["-fsanitize=undefined", "-fsanitize-trap=undefined"]


def assert_no_warnings(compiler: str, code: str, folder: Path, processor: str = "native") -> None:
    """Compile C into an object file in the folder, with warnings as errors.

    A real file: ziglang's driver wants to rename what it has made, so it fails at ``-fsyntax-only``.
    """
    command = [*COMPILERS[compiler], "-std=gnu11", "-Wall", "-Wextra", "-Werror", march(compiler, processor)]
    made = folder / "checked.o"
    done = compile_once.run([*command, "-x", "c", "-c", "-", "-o", made], folder, code)
    assert done.returncode == 0, done.stderr[:3000]
    assert made.stat().st_size > 0


def build(compiler: str, arguments: Sequence[str], output: str, folder: Path) -> str:
    """Compile the C files among the arguments into a program in the folder; what the compiler said.

    What zig compiles is linked by gcc: zig would first build a C library of its own, which takes half a minute.
    """

    def run(*command: str) -> str:
        done = compile_once.run(command, folder)
        assert done.returncode == 0, done.stderr[:3000]
        return done.stderr

    if COMPILERS[compiler] is not ZIG:
        return run(*COMPILERS[compiler], *arguments, "-lm", "-o", output)
    files = [a for a in arguments if a.endswith(".c")]
    flags = [a for a in arguments if a not in files]
    said = "".join(run(*ZIG, *flags, "-c", file, "-o", f"{file}.o") for file in files)
    return said + run("gcc", *(f"{file}.o" for file in files), "-lm", "-o", output)


@functools.cache
def sanitizers(compiler: str) -> tuple[str, ...]:
    """The compiler's flags for finding bad memory accesses and undefined behaviour at run time."""
    if COMPILERS[compiler] is ZIG:
        return tuple(UNDEFINED)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program"
        both = [*BOTH, *CALLS[compiler]]
        command = [*COMPILERS[compiler], *both, "-x", "c", "-", "-o", program]
        built = compile_once.run(command, Path(folder), "int main(void) { return 0; }")
        works = built.returncode == 0 and subprocess.run([program], check=False).returncode == 0
    if compiler == "gcc" and not works:
        raise RuntimeError(f"gcc cannot build with its sanitizers: {built.stderr}")
    return tuple(both if works else UNDEFINED)
