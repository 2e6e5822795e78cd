"""Run an exported file as its user would: in a separate process, without foldnet."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from foldnet.arrays import Array
from foldnet.engines.native import compiler
from foldnet.errors import CompileError, FoldnetError, InputError

SECONDS = 300
C_SOURCES = ("main.c", "predict.c")

_DRIVER = """
import importlib.util, sys
import numpy as np
path, given, wanted = sys.argv[1:]
spec = importlib.util.spec_from_file_location("candidate", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
if not hasattr(module, "predict"):
    sys.exit("it defines no function predict")
with np.load(given, allow_pickle=False) as file:
    results = module.predict(*(file[f"arr_{i}"] for i in range(len(file))))
if results is None:
    sys.exit("predict returned nothing: end it with return and the result")
results = results if isinstance(results, (list, tuple)) else [results]
np.savez(wanted, *(np.asarray(result) for result in results))
"""


def run_python(path: Path, inputs: Sequence[Array]) -> list[Array]:
    """Predictions of a Python file that defines ``predict``, run by another Python process.

    It is the user's own file, so running it is safe for the user; a separate process protects this one from its
    imports, settings and crashes.

    Raises:
        FoldnetError: the file fails; the message has the last line that it printed.
        InputError: a text ends in NUL.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, wanted = Path(folder, "in.npz"), Path(folder, "out.npz")
        if any(x.dtype.kind == "O" for x in inputs):
            raise InputError("a text ends in NUL, which the file that hands the rows over cannot hold")
        np.savez(given, *inputs)
        _run([sys.executable, "-c", _DRIVER, str(path.resolve()), str(given), str(wanted)], path.name, b"")
        with np.load(wanted, allow_pickle=False) as file:
            return [file[f"arr_{i}"] for i in range(len(file))]


def check_c(directory: Path) -> None:
    """Check that a directory can be run, before its network is analyzed.

    Raises:
        InputError: it is not a C export.
        CompileError: there is no compiler.
    """
    if missing := [name for name in C_SOURCES if not (directory / name).is_file()]:
        raise InputError(f"{str(directory)!r} is not a C export: it has no {' and no '.join(missing)}")
    compiler.find()


def run_c(directory: Path, inputs: Sequence[Array]) -> list[Array]:
    """Predictions of an exported C directory: compiled in a temporary folder, and run on rows of CSV.

    A line holds the inputs of a row side by side, each flattened; so does a line of results. All results of a
    row come back as one flat array.

    Raises:
        CompileError: the compiler refuses the files.
        FoldnetError: the program fails.
    """
    sources = [str(directory.resolve() / name) for name in C_SOURCES]
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder, "program"))
        command = [
            *compiler.find().command,
            "-std=c99",
            "-O2",
            "-ffp-contract=off",
            *sources,
            "-o",
            program,
            "-lm",
        ]
        try:
            _run(command, "the C compiler", b"")
        except FoldnetError as error:
            raise CompileError(f"the C export in {str(directory)!r} does not compile: {error}") from None
        said = _run([program], directory.name, _csv(inputs))
    lines = [line for line in said.decode().splitlines() if line.strip()]
    return [np.array([[float(cell) for cell in line.split(",")] for line in lines])]


def _csv(inputs: Sequence[Array]) -> bytes:
    flat = [x.reshape(len(x), -1) for x in inputs]
    lines = (",".join(repr(v.item()) for x in flat for v in x[row]) for row in range(len(flat[0])))
    return ("\n".join(lines) + "\n").encode()


def _run(command: Sequence[str], what: str, text: bytes) -> bytes:
    try:
        done = subprocess.run(command, input=text, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise FoldnetError(f"{what} took longer than {SECONDS} s") from None
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it printed nothing"]
        raise FoldnetError(f"{what} ended with exit code {done.returncode}: {last[0]}")
    return done.stdout
