"""Find the parts of a data set: the Parquet files of a folder, with its partitions, or those that a pattern names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from foldnet.errors import InputError
from foldnet.scale.record import RECORD
from foldnet.warn import warn

ENDINGS = (".parquet", ".pq")


@dataclass(frozen=True)
class Source:
    """One file of a data set.

    Attributes:
        name: its path below the data set's folder, with ``/``: ``year=2024/part-0.parquet``.
        path: of the file.
        size: in bytes, when the data set was read.
        changed: time of its last change in nanoseconds.
    """

    name: str
    path: Path
    size: int
    changed: int

    def is_as_it_was(self) -> bool:
        """Whether the file has not changed since it was found."""
        now = self.path.stat()
        return (now.st_size, now.st_mtime_ns) == (self.size, self.changed)


def is_data_set(data: str | os.PathLike[str]) -> bool:
    """Whether a name is that of a folder, or a pattern such as ``lake/*.parquet``."""
    return Path(data).is_dir() or (has_magic(os.fspath(data)) and not Path(data).exists())


def find_sources(data: str | os.PathLike[str], out: Path) -> list[Source]:
    """The parts of a data set, sorted by name.

    As other programs do, it leaves out names that begin with ``.``, and with ``_`` unless they are those of a partition
    (``_day=1``). The folder of the results is left out, and so are folders with results of ``predict_parts``, since
    they are no parts of the data that they were made from.

    Args:
        data: a folder, a pattern, or one Parquet file.
        out: the folder of the results, which may be inside of ``data``.

    Raises:
        InputError: there is no part, or a part would be written over.
        OSError: a folder cannot be read.
    """
    base, paths, others = _listed(os.fspath(data), out)
    if others:
        warn(
            f"{data}: {len(others)} {'files are' if len(others) > 1 else 'file is'} left out, such as {min(others)}; "
            "only files that end in .parquet or .pq are read"
        )
    if not paths:
        raise InputError(f"{data}: there is no .parquet file; give a folder or a pattern with such files")
    found = [_source(base, path) for path in paths]
    for source in found:
        target = out / source.name
        if target.exists() and target.samefile(source.path):
            raise InputError(
                f"the results of {source.path} would be written over it; choose another folder than {out}"
            )
    return sorted(found, key=lambda source: source.name)


def _source(base: Path, path: Path) -> Source:
    name = path.relative_to(base).as_posix()
    try:
        now = path.stat()
    except OSError:  # a link to nothing, or a file that has just been removed: reading it will say so
        return Source(name, path, -1, -1)
    return Source(name, path, now.st_size, now.st_mtime_ns)


def _listed(data: str, out: Path) -> tuple[Path, list[Path], list[Path]]:
    """The data set's folder, its Parquet files, and other files in it."""
    whole = Path(data)
    if whole.is_file():
        return whole.parent, [whole], []
    if whole.is_dir():
        roots, base = [whole], whole
    else:
        base = _fixed(whole)
        found = glob(data, recursive=True)  # noqa: PTH207 - a whole pattern, which Path.glob does not take
        roots = [path for path in map(Path, sorted(found)) if _is_data(path, base)]
        if not roots:
            raise InputError(f"{data}: there is no such folder, and no file fits this pattern")
    if out.exists() and any(place.samefile(out) for place in (base, *roots)):
        raise InputError(f"{data} is the folder of the results, too; choose another one with -o")
    files = {path for root in roots for path in _files(root, out, set())}
    results = {
        folder for folder in {f for path in files for f in _between(path, base)} if (folder / RECORD).exists()
    }
    files = {path for path in files if results.isdisjoint(_between(path, base)) and not _is_inside(path, out)}
    parts = {path for path in files if path.suffix.lower() in ENDINGS}
    return base, sorted(parts), sorted(files - parts)


def _fixed(pattern: Path) -> Path:
    """The folders of a pattern before its first sign: ``lake`` of ``lake/year=*/part.parquet``."""
    fixed: list[str] = []
    for name in pattern.parts[:-1]:
        if has_magic(name):
            break
        fixed.append(name)
    return Path(*fixed)


def _files(path: Path, out: Path, above: set[tuple[int, int]]) -> Iterator[Path]:
    """The files of a folder and of those in it, also through links; or the file itself."""
    if not path.is_dir():
        yield path
        return
    state = path.stat()
    here = (state.st_dev, state.st_ino)
    if here in above:
        raise InputError(f"{path} is a link to a folder that it is in; remove the link")
    if out.exists() and path.samefile(out):
        return
    for child in sorted(path.iterdir()):
        if _is_data(child, path):
            yield from _files(child, out, above | {here})


def _is_data(path: Path, base: Path) -> bool:
    """Whether neither the file nor a folder between it and the base has a name that means: no data."""
    names = path.relative_to(base).parts
    return not any(name.startswith(".") or (name.startswith("_") and "=" not in name) for name in names)


def _between(path: Path, base: Path) -> list[Path]:
    """The folders below the base in which a file is."""
    return [base / folder for folder in path.relative_to(base).parents[:-1]]


def _is_inside(path: Path, folder: Path) -> bool:
    return folder.resolve() in path.resolve().parents
