"""Run exported files without foldnet: with a bare Python, and with a C compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FoldnetError

TIMEOUT = 120.0

BARE = """\
import runpy, sys
sys.path.append(sys.argv[1])
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Run a program with one folder of packages; -I -S exclude all others."""


def run_python(program: Path, rows: Array) -> Array:
    """The output of an exported Python file for rows, in an interpreter that can import only NumPy.

    Raises:
        FoldnetError: it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        packages = Path(np.__file__).parent.parent
        for name in ("numpy", "numpy.libs"):
            if (packages / name).exists():
                (Path(folder) / name).symlink_to(packages / name)
        return _numbers([sys.executable, "-I", "-S", "-c", BARE, folder, str(program)], rows)


def find_compiler() -> str | None:
    """``$CC``, else the first of cc, gcc and clang that exists."""
    return next(
        (c for c in (os.environ.get("CC"), "cc", "gcc", "clang") if c and shutil.which(c.split()[0])), None
    )


def run_c(folder: Path, compiler: str, rows: Array) -> tuple[Array, str]:
    """Compile the exported C, run it on rows, and return its output and the command that compiled it.

    Raises:
        FoldnetError: it does not compile, or fails.
    """
    command = [*compiler.split(), "-std=c99", "-O2", "main.c", "-o", "predict", "-lm"]
    _run(command, cwd=folder)
    return _numbers([str(folder.resolve() / "predict")], rows), " ".join(command)


def _numbers(command: Sequence[str], rows: Array) -> Array:
    text = "\n".join(",".join(row) for row in rows.astype(str).tolist()) + "\n"
    printed = _run(command, stdin=text)
    values = [
        [float(cell) for cell in line.replace(",", " ").split()] for line in printed.splitlines() if line
    ]
    return np.array(values, dtype=np.float32)


def _run(command: Sequence[str], *, stdin: str = "", cwd: Path | None = None) -> str:
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, cwd=cwd, timeout=TIMEOUT, check=False
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        said = next((line for line in lines if "error" in line.lower()), lines[-1])
        raise FoldnetError(f"{Path(command[0]).name} ended with code {done.returncode}: {said}")
    return done.stdout
