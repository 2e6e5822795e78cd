"""Writing exported files: whole or not at all, and never over someone else's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from foldnet.files.atomic import target_of
from foldnet.files.opening import open_file

MARK = "Written by foldnet"
"""In the head of every text file that an export writes; a file without it is not ours to overwrite."""


def write_files(files: Mapping[Path, bytes]) -> None:
    """Write all files, each first under a temporary name beside its own; an error leaves the old ones.

    Raises:
        ConfigError: one of the names is that of a pipe or a device.
        FileExistsError: a file of one of the names exists and no export wrote it.
        FileNotFoundError: the directory does not exist.
    """
    for path in files:
        _refuse_foreign(path)
    files = {target_of(path): content for path, content in files.items()}
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in files}
    try:
        for path, content in files.items():
            with temporary[path].open("xb") as file:
                file.write(content)
        for path in files:
            temporary[path].replace(path)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)


def _refuse_foreign(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a directory; give the name of a file to write")
    if not target_of(path).exists():
        return
    with open_file(path) as file:
        head = file.read(8192)
    if MARK.encode() not in head:
        raise FileExistsError(
            f"{str(path)!r} exists and was not written by foldnet, so it is left alone. "
            "Remove it, or write to another place."
        )
