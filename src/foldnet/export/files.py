"""Write exported files atomically, and never over files that foldnet did not write."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from foldnet.disk.atomic import target_of
from foldnet.files.overwrite import refuse_foreign


def write_files(files: Mapping[Path, bytes], *, overwrite: bool = False) -> None:
    """Write all files, each first under a temporary name; after an error the old files remain.

    Args:
        files: content by path.
        overwrite: whether to overwrite files that foldnet did not write.

    Raises:
        ConfigError: one of the paths is a pipe or a device.
        FileExistsError: a file of one of the names exists and no export wrote it.
        FileNotFoundError: the directory does not exist.
    """
    for path in files:
        refuse_foreign(path, overwrite=overwrite)
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
