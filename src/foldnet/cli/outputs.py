"""Which files a command may overwrite: never its inputs, and files not written by foldnet only with ``--force``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

C_FILES = ("predict.h", "predict.c", "main.c", "self_test.c", "Makefile", "README.md")
"""The files that ``--to-c`` writes into its folder."""

LIBRARY_FILES = ("__init__.py", "_runtime.py", "_numpy.py", "_numpy.npz", "example.c")
"""Files that ``--to-library`` writes into its folder, whatever network and targets."""

Paths = str | Path | None | Iterable[str | Path]


def writing(function: F) -> F:
    """The option ``--force`` of a command that writes files."""
    return click.option(
        "--force",
        is_flag=True,
        help="Write over files that foldnet did not write, and over tables; never over an input.",
    )(function)


def check_outputs(outputs: Mapping[str, Paths], inputs: Iterable[str | Path | None], *, force: bool) -> None:
    """Refuse, before any computation, to overwrite files that would be lost.

    Args:
        outputs: by option, the files that it writes; None for an option not given, and ``-`` is no file.
        inputs: the files that the command reads.
        force: whether files not written by foldnet may be replaced.

    Raises:
        InputError: an output is also an input (under any name or link), or two outputs are the same file.
        FileExistsError: an output exists that foldnet did not write, and ``--force`` was not given.
        IsADirectoryError: an output is a directory.
    """
    from foldnet.errors import InputError
    from foldnet.files.overwrite import refuse_foreign

    read = [Path(path) for path in inputs if path not in (None, "-")]
    taken: dict[Path, str] = {}
    for option, paths in outputs.items():
        for path in _each(paths):
            if path.exists() and not path.is_file() and not path.is_dir():
                continue  # writing to a pipe or a terminal overwrites nothing
            for source in read:
                if same_file(path, source):
                    raise InputError(
                        f"{option} {path} would write over {source}, which this command reads; choose another file"
                    )
            other = taken.setdefault(path.resolve(), option)
            if other != option:
                raise InputError(f"{other} and {option} both write to {path}; choose two files")
            how = f", or give --force to write over it with {option}"
            refuse_foreign(path, overwrite=force, how=how)


def _each(paths: Paths) -> list[Path]:
    given = [paths] if isinstance(paths, str | Path | None) else list(paths)
    return [Path(path) for path in given if path not in (None, "-")]


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths are the same file, also through links."""
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist yet
        return one.resolve() == other.resolve()
