"""Finding a C compiler, knowing the machine it compiles for, and running it."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from foldnet import system
from foldnet.errors import CompileError

SECONDS = 300
"""What a compiler may take; usual networks take less than one, the largest many on a busy machine."""

HINT = 'Install gcc or clang, set CC, or pip install foldnet[compiler]; engine="reference" needs none.'


@dataclass(frozen=True)
class Compiler:
    """A command that compiles C.

    Attributes:
        command: its words.
        identity: what tells it from any other: its file's path, size and time of change.
        hint: what to do if it fails, for errors.
    """

    command: tuple[str, ...]
    identity: str
    hint: str = HINT

    @property
    def is_gcc(self) -> bool:
        """Whether its file is named as gcc is. On macOS, gcc is a name of clang; there the answer is no."""
        name = os.path.basename(self.identity.partition("|")[0])  # noqa: PTH119
        return sys.platform == "linux" and re.search(r"(?:^|-)gcc(?:-[\d.]+)?$", name) is not None

    @property
    def words(self) -> str:
        """The command as one would type it."""
        return " ".join(self.command)


class RefusedError(CompileError):
    """The compiler ran and failed."""


class HangingCompilerError(CompileError):
    """The compiler gave no answer within the time it has; it is not asked again in this process."""


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
    return Machine(system.architecture(), system.processor_features())


def find() -> Compiler:
    """The compiler to use: ``$CC``, else ``cc``, ``gcc`` or ``clang``, else the ziglang wheel.

    Raises:
        CompileError: there is none, ``$CC`` names none, or foldnet compiles nothing on this system.
    """
    if not system.CAN_COMPILE:
        raise CompileError(
            "foldnet compiles its code on Linux and macOS only, and computes with NumPy elsewhere"
        )
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
    zig = find_zig()
    if zig is None:
        raise CompileError(f"no C compiler was found. {HINT}")
    return zig


def find_zig() -> Compiler | None:
    """The compiler of the ziglang wheel, which compiles for other systems, too; None if it is not installed."""
    from importlib.util import find_spec

    zig = find_spec("ziglang")
    if zig is None or not zig.origin:
        return None
    return Compiler((sys.executable, "-m", "ziglang", "cc"), _identity(zig.origin, "zig"))


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
    try:
        found = os.stat(real)  # noqa: PTH116
    except OSError as error:
        raise CompileError(f"the compiler {path} cannot be looked at: {error}. {HINT}") from None
    return "|".join((real, str(found.st_size), str(found.st_mtime_ns), *arguments))


def flags(target: Machine) -> tuple[str, ...]:
    """Options for a shared library for this machine. None of them lets the compiler change a result."""
    native = "-march=native" if target.name in ("x86_64", "amd64", "i686") else "-mcpu=native"
    return (*CODE_FLAGS, native, *wide_flags(target.simd), "-fPIC", "-shared", "-pthread")


CODE_FLAGS = (
    "-std=gnu11",
    "-O3",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
)
"""Options for code of any processor. None of them lets the compiler change a result."""


def wide_flags(simd: int) -> tuple[str, ...]:
    """Options for vectors of so many floats: compilers do not use the widest ones unless told to."""
    return ("-mprefer-vector-width=512",) if simd == 16 else ()


def time_limit() -> float:
    """Seconds that a compilation may take: ``$FOLDNET_COMPILE_SECONDS``, else 300.

    Raises:
        CompileError: the variable is not a positive number.
    """
    chosen = os.environ.get("FOLDNET_COMPILE_SECONDS", "").strip()
    try:
        seconds = float(chosen or SECONDS)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise CompileError(f"FOLDNET_COMPILE_SECONDS is {chosen!r}; it must be a number of seconds above 0")
    return seconds


def compile_library(
    code: str,
    target: str,
    compiler: Compiler,
    options: tuple[str, ...],
    environment: Mapping[str, str] | None = None,
    libraries: tuple[str, ...] = ("-lm",),
    units: int = 1,
) -> None:
    """Compile C into a shared library, the file ``target``; what the compiler needs meanwhile goes beside it.

    Args:
        code: C.
        target: the file to make.
        compiler: to run.
        options: for it; with ``-c``, it makes an object file.
        environment: variables for it, beside those of this process.
        libraries: options that name the libraries to link.
        units: of the code (see ``codegen/units.py``), which so many compilers work on at once.

    Raises:
        RefusedError: the compiler refused.
        CompileError: it made nothing, or could not be run.
        HangingCompilerError: it gave no answer in time.
    """
    if compiler.identity in _hanging:
        raise HangingCompilerError(_hanging[compiler.identity])
    folder, words, more = os.path.dirname(target), [*compiler.command, *options], environment or {}  # noqa: PTH120
    if units == 1:
        _made([[*words, *_READ, target, *libraries]], code, folder, compiler, more)
    else:
        parts = [os.path.join(folder, f"unit{k}.o") for k in range(1, units + 1)]  # noqa: PTH118
        _compile_units(words, code, parts, compiler, more)
        # The plugin is for optimization at link time, and loading it takes as long as linking.
        plain = ["-fno-use-linker-plugin"] if compiler.is_gcc else []
        _made([[*words, *plain, *parts, "-o", target, *libraries]], "", folder, compiler, more)
    if not _is_file(target):
        raise CompileError(f"{compiler.words} ended without an error and made no library. {compiler.hint}")


_READ = ("-x", "c", "-", "-o")
_hanging: dict[str, str] = {}


def _compile_units(
    words: Sequence[str], code: str, parts: Sequence[str], compiler: Compiler, more: Mapping[str, str]
) -> None:
    """An object file of each unit of the code; raises as ``_made`` does."""
    from foldnet.codegen.units import gcc_options

    def compile_with(*own: str) -> None:
        folder = os.path.dirname(parts[0])  # noqa: PTH120
        commands = [[*words, *own, "-c", f"-DUNIT={k}", *_READ, part] for k, part in enumerate(parts, 1)]
        _made(commands, code, folder, compiler, more)

    if not compiler.is_gcc:
        compile_with()
        return
    try:
        compile_with(*gcc_options())
    except RefusedError:  # another compiler may have gcc's name; it gets the text alone
        compile_with()


def _made(
    commands: Sequence[list[str]], given: str, folder: str, compiler: Compiler, more: Mapping[str, str]
) -> None:
    """Commands at once that read C and may take so long and no longer; none of their processes outlives that.

    Raises:
        RefusedError: one failed.
        CompileError: one could not be run.
        HangingCompilerError: they gave no answer in time.
        OSError: the files cannot be written.
    """
    seconds = time_limit()
    code = os.path.join(folder, "foldnet.c")  # noqa: PTH118
    with open(code, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(given)
    errors = [os.path.join(folder, f"errors{k}") for k in range(len(commands))]  # noqa: PTH118
    started = [(words, code, said) for words, said in zip(commands, errors, strict=True)]
    try:
        status = system.run(started, folder, seconds, more)
    except OSError as error:
        raise CompileError(f"{compiler.command[0]} could not be run: {error}. {compiler.hint}") from None
    if status is None:
        _hanging[compiler.identity] = (
            f"{compiler.words} gave no answer within {seconds:g} s and was ended; "
            f"FOLDNET_COMPILE_SECONDS sets another limit. {compiler.hint}"
        )
        raise HangingCompilerError(_hanging[compiler.identity])
    if status:
        message = "".join(map(_text, errors)).strip()[:2000] or f"exit code {status}"
        raise RefusedError(f"{compiler.words} refused the C that foldnet wrote:\n{message}\n{compiler.hint}")


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        return file.read(10_000)


def keep(code: str) -> str:
    """Put refused C where it can be looked at, and say where; nothing where there is no place."""
    from foldnet import user_cache
    from foldnet.engines.native import scratch

    # Named by what is in it, so that trying again fills no folder.
    name = f"foldnet-{user_cache.digest(code.encode()).hex()[:16]}.c"
    for home in scratch.homes():
        path = os.path.join(home, name)  # noqa: PTH118
        try:
            with open(path, "x", encoding="utf-8") as file:  # noqa: PTH123
                file.write(code)
        except FileExistsError:
            if not user_cache.is_private(path, stat.S_IFREG):
                continue
        except OSError:
            continue
        return f" The C is kept in {path}."
    return ""


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
