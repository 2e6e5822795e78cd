"""Compilers that are run once for the same: from run to run the tests compile much that has not changed.

What a compiler makes is kept (kept.py) under a digest of all that it depends on: the command, the text after
preprocessing, every file that this text comes from, the variables that compilers read, and the compiler with its
parts, libraries and processor. Commands with options that are not known here are run each time, and so are those that
fail: why they failed may lie outside.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support import kept

KNOWN = re.compile(
    r"-(std=\w+|O\d|W(?![alp],)[\w+-]+(=\w+)?|w|D\w+(=.*)?|I.+|lm|g0|c|pthread|shared|fPIC|fsyntax-only"
    r"|m(arch|prefer-vector-width)=[\w-]+|ffp-contract=\w+"
    r"|f(no-)?sanitize(-recover|-trap|-undefined-trap-on-error)?(=[\w,-]+)?)|-|[^-].*\.[co]",
    re.DOTALL,
)
"""Options and files that make one file out of what is named, and nothing else."""
PAIRS = ("-o", "-x", "-include", "--param", "-mllvm")
"""Options whose value is an argument of its own."""
FOR_LATER = ("-c", "-shared", "-fsyntax-only", "-lm")
"""What means nothing to the preprocessor; clang says so."""
VARIABLES = (
    "PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "TERM", "NO_COLOR", "GCC_COLORS", "CPATH",
    "C_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX", "GCC_COMPARE_DEBUG", "CCC_OVERRIDE_OPTIONS",
    "DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES", "LD_LIBRARY_PATH", "LD_PRELOAD", "LD_RUN_PATH", "LDEMULATION",
    "GNUTARGET", "SOURCE_DATE_EPOCH",
)  # fmt: skip
"""What compilers and linkers read of their environment."""
SYSTEM = "".join(
    f"#include <{name}.h>\n"
    for name in ("math", "pthread", "sched", "stddef", "stdint", "stdio", "stdlib", "string", "time")
)
"""The headers that generated code includes."""


def run(
    command: Sequence[str | os.PathLike[str]], cwd: Path, given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """``subprocess.run`` of a compiler: what it made from the same before, and said of it, else what it does now.

    Args:
        command: of gcc or clang, which makes one file.
        cwd: the folder to run it in.
        given: what it reads as its input.
    """
    words = [os.fspath(word) for word in command]
    store, made = kept.store("compiled"), _output(words, cwd)
    name = _name(words, cwd, given, made) if store else None
    if store is None or name is None:
        return _run(words, cwd, given)
    entry = store.get(name)
    if entry is not None:
        return _taken(words, entry, made)
    done = _run(words, cwd, given)
    if done.returncode == 0:
        head = json.dumps([made.stat().st_mode & 0o777 if made else None, done.stdout, done.stderr])
        store.put(name, head.encode() + b"\n" + (made.read_bytes() if made else b""))
    return done


def state(command: Sequence[str]) -> str:
    """What a compiler makes depends on this besides what it is given: its files, libraries, headers and processor."""
    program = shutil.which(command[0])
    if program is None:
        return "none"
    return _state(tuple(command), _file(program), tuple(os.environ.get(name) for name in VARIABLES))


@functools.cache
def _state(command: tuple[str, ...], program: str, variables: tuple[str | None, ...]) -> str:
    # -v shows what -march=native means here, where headers are looked for, and the version. zig shows a new name at
    # every time, but is one file with all that it needs.
    zig = "ziglang" in command
    native = [*command, "-march=native", "-E", *(["-P"] if zig else ["-v"]), "-x", "c", "-"]
    read = _run(native, Path("/"), SYSTEM)
    found = [read.stdout, *([] if zig else [read.stderr])]
    if zig:
        import ziglang

        found.append(_file(os.path.join(os.path.dirname(ziglang.__file__), "zig")))  # noqa: PTH118, PTH120
    for part in () if zig else ("cc1", "collect2", "as", "ld"):
        place = _run([*command, f"-print-prog-name={part}"], Path("/")).stdout.strip()
        found.append(_file(shutil.which(place) or place))
    for checked in () if zig else ([], ["-fsanitize=address,undefined"]):
        link = ["-pthread", "-x", "c", "-", "-lm", "-Wl,--trace", "-o", os.devnull]
        linked = _run([*command, *checked, *link], Path("/"), "int main(void) { return 0; }\n")
        found += map(_file, linked.stdout.split())
    return _digest(command, program, variables, *found)


def _file(path: str) -> str:
    """What tells a file from any other, as far as it exists: its path, size and time of change."""
    real = os.path.realpath(path)
    try:
        status = os.stat(real)  # noqa: PTH116
    except OSError:
        return ""
    return f"{path}|{real}|{status.st_size}|{status.st_mtime_ns}"


def _name(words: list[str], cwd: Path, given: str | None, made: Path | None) -> str | None:
    """The digest; None where it cannot be told what is made or what it depends on."""
    arguments = _without(words[1:], ("-o",))
    if not all(KNOWN.fullmatch(word) for word in _without(arguments, PAIRS)):
        return None
    if ("-c" in words and "-o" not in words) or (made and made.exists() and not made.is_file()):
        return None
    objects = [word for word in _without(arguments, PAIRS) if re.fullmatch(r"[^-].*\.o", word)]
    sources = [word for word in arguments if word not in objects and word not in FOR_LATER]
    said, files = "", objects
    if len(objects) < len(_files(arguments)):
        read = _run([words[0], *sources, "-E"], cwd, given)
        if read.returncode:
            return None
        said = read.stdout + read.stderr
        named = set(re.findall(r'^# \d+ "(.*?)"', read.stdout, re.MULTILINE))
        files = [*objects, *sorted(file for file in named if not re.fullmatch(r"<[\w -]+>", file))]
        if not all((cwd / file).is_file() for file in files):
            return None
    contents = [(file, kept.digest((cwd / file).read_bytes())) for file in files]
    return _digest(state(words[:1]), arguments, given, said, contents, Path(__file__).read_bytes())


def _taken(words: list[str], entry: bytes, made: Path | None) -> subprocess.CompletedProcess[str]:
    head, _, data = entry.partition(b"\n")
    mode, out, errors = json.loads(head)
    if made:
        made.unlink(missing_ok=True)
        made.write_bytes(data)
        made.chmod(mode)
    return subprocess.CompletedProcess(words, 0, out, errors)


def _output(words: list[str], cwd: Path) -> Path | None:
    """The file that the command makes."""
    if "-fsyntax-only" in words:
        return None
    return cwd / (words[words.index("-o") + 1] if "-o" in words else "a.out")


def _files(arguments: list[str]) -> list[str]:
    return [word for word in _without(arguments, PAIRS) if word == "-" or not word.startswith("-")]


def _without(words: list[str], options: tuple[str, ...]) -> list[str]:
    """The words without these options and their values."""
    return [w for i, w in enumerate(words) if w not in options and (i == 0 or words[i - 1] not in options)]


def _run(words: Sequence[str], cwd: Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=cwd, input=given, capture_output=True, text=True, check=False)


def _digest(*parts: object) -> str:
    return kept.digest(repr(parts).encode()).hex()
