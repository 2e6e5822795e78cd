"""Which files foldnet may overwrite: those that it wrote itself, which contain its mark."""

from __future__ import annotations

from pathlib import Path

MARK = "Written by foldnet"
"""In every file that foldnet writes for its user. Other files are not overwritten."""

_OURS = (MARK.encode(), b'"name": "foldnet doctor"')
_FROZEN = b"FOLDNET"
_LOOK = 8192


def refuse_foreign(path: Path, *, overwrite: bool = False, how: str = "") -> None:
    """Refuse to overwrite a file that foldnet did not write.

    Args:
        path: of the file to write.
        overwrite: whether any file may be overwritten.
        how: text that says how to overwrite it anyway.

    Raises:
        IsADirectoryError: it is a directory.
        FileExistsError: it is a file that foldnet did not write.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a directory; give the name of a file to write")
    if overwrite or not path.is_file() or is_ours(path):
        return
    raise FileExistsError(
        f"{str(path)!r} exists and was not written by foldnet, so foldnet does not overwrite it. "
        f"Remove it, or write to another place{how}."
    )


def is_ours(path: Path) -> bool:
    """Whether a file contains foldnet's mark near its start or end; tables cannot contain it."""
    with path.open("rb") as file:
        head = file.read(_LOOK)
        file.seek(max(0, path.stat().st_size - _LOOK))
        tail = file.read(_LOOK)
    return head.startswith(_FROZEN) or any(mark in part for mark in _OURS for part in (head, tail))
