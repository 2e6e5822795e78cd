"""Finding a C compiler, knowing the machine it compiles for, and running it."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from foldnet.errors import CompileError

if TYPE_CHECKING:
    from pathlib import Path

HINT = 'Install gcc or clang, set CC, or pip install foldnet[compiler]; engine="reference" needs none.'


@dataclass(frozen=True)
class Compiler:
    """A command that compiles C, and what tells it from any other: its file's path, size and time of change."""

    command: tuple[str, ...]
    identity: str


@dataclass(frozen=True)
class Machine:
    """What the code is compiled for."""

    name: str
    features: str

    @property
    def simd(self) -> int:
        """Floats in a vector register."""
        if self.name in ("x86_64", "amd64", "i686"):
            known = set(self.features.split())
            return 16 if "avx512f" in known else 8 if "avx" in known else 4
        return 4


@cache
def machine() -> Machine:
    """This machine: its architecture and the features that its first processor lists."""
    name = os.uname().machine if hasattr(os, "uname") else sys.platform
    features = ""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:  # noqa: PTH123 - pathlib is slow
            for line in lines:
                key, _, value = line.partition(":")
                if key.strip() in ("flags", "Features"):
                    features = value.strip()
                    break
    except OSError:
        pass  # no such file on this system: the architecture alone is the key
    return Machine(name, features)


def find() -> Compiler:
    """The compiler to use: ``$CC``, else ``cc``, ``gcc`` or ``clang``, else the ziglang wheel.

    Raises:
        CompileError: there is none, or ``$CC`` names none.
    """
    chosen = os.environ.get("CC", "").strip()
    if chosen:
        import shlex

        try:
            command = shlex.split(chosen)
        except ValueError as error:
            raise CompileError(f"CC is {chosen!r}, which is no command: {error}. {HINT}") from None
        path = _which(command[0])
        if path is None:
            raise CompileError(f"CC is {chosen!r}, and there is no such program. {HINT}")
        return Compiler((path, *command[1:]), _identity(path, *command[1:]))
    for name in ("cc", "gcc", "clang"):
        path = _which(name)
        if path is not None:
            return Compiler((path,), _identity(path))
    from importlib.util import find_spec

    zig = find_spec("ziglang")
    if zig is not None and zig.origin:
        return Compiler((sys.executable, "-m", "ziglang", "cc"), _identity(zig.origin, "zig"))
    raise CompileError(f"no C compiler was found. {HINT}")


def _which(name: str) -> str | None:
    folders = [""] if os.sep in name else os.environ.get("PATH", os.defpath).split(os.pathsep)
    for folder in folders:
        path = os.path.join(folder, name)  # noqa: PTH118 - on the way to the first prediction
        if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
            return path
    return None


def _identity(path: str, *arguments: str) -> str:
    # The file that a chain of links ends in changes with the compiler; asking for its version takes a process.
    real = os.path.realpath(path)
    found = os.stat(real)  # noqa: PTH116
    return "|".join((real, str(found.st_size), str(found.st_mtime_ns), *arguments))


def flags(target: Machine) -> tuple[str, ...]:
    """Options for a shared library for this machine. None of them lets the compiler change a result."""
    native = "-march=native" if target.name in ("x86_64", "amd64", "i686") else "-mcpu=native"
    wide = ("-mprefer-vector-width=512",) if target.simd == 16 else ()
    return (
        "-std=gnu11",
        "-O3",
        native,
        *wide,
        "-ffp-contract=off",
        "-fno-math-errno",
        "-fno-trapping-math",
        "-fvisibility=hidden",
        "-fPIC",
        "-shared",
        "-pthread",
    )


def compile_library(code: str, target: Path, compiler: Compiler, options: tuple[str, ...]) -> None:
    """Compile C into a shared library.

    Raises:
        CompileError: the compiler refused, or could not be run; the C is kept for a look.
    """
    import subprocess

    command = [*compiler.command, *options, "-x", "c", "-", "-o", str(target), "-lm"]
    try:
        done = subprocess.run(command, input=code.encode(), capture_output=True, check=False)
    except OSError as error:
        raise CompileError(f"{compiler.command[0]} could not be run: {error}. {HINT}") from None
    if done.returncode or not _is_file(target):
        import tempfile
        from pathlib import Path

        handle, kept = tempfile.mkstemp(prefix="foldnet-", suffix=".c")
        os.close(handle)
        Path(kept).write_text(code, encoding="utf-8")
        message = done.stderr.decode(errors="replace").strip()[:2000]
        raise CompileError(
            f"{' '.join(compiler.command)} refused the C that foldnet wrote (kept in {kept}):\n{message}\n{HINT}"
        )


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
