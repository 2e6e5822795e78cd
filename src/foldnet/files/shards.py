"""Weights in several HDF5 files of limited size, as in Keras 3; a ``.weights.json`` maps weights to files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import Any

from foldnet.disk.atomic import Write, write_all
from foldnet.disk.opening import name_of, read_file
from foldnet.errors import ConfigError, FileFormatError, SettingTypeError
from foldnet.files import strict_json
from foldnet.files.hdf5 import Hdf5File
from foldnet.files.hdf5.merged import Merged
from foldnet.files.weight_tree import Tree, write_tree
from foldnet.warn import warn

ENDING = ".json"
MAX_SHARDS = 10_000
GB = 1024**3


def map_path(path: str | PathLike[str]) -> Path:
    """The path of the map; ``x.weights.h5`` becomes ``x.weights.json``, with a warning.

    Raises:
        ConfigError: the name has another ending.
    """
    named = Path(name_of(path))
    if not named.name.endswith(("weights.h5", "weights.json")):
        raise ConfigError(
            f"weights in several files (max_shard_size) are saved as .weights.json, unlike {named.name!r}"
        )
    if named.suffix == ENDING:
        return named
    warn(f"weights in several files are listed in a .weights.json: {named.with_suffix(ENDING)} is written")
    return named.with_suffix(ENDING)


def save_shards(tree: Tree, path: str | PathLike[str], max_shard_size: float) -> None:
    """Write weights to several files and a map of them; an old map is replaced last.

    Args:
        tree: the weights.
        path: of the map.
        max_shard_size: largest size of one file's numbers, in GiB.

    Raises:
        ConfigError: the size is not a positive number, a single weight is larger, or the name has another ending.
    """
    home = map_path(path)
    shards, places, total = _split(tree, _bytes(max_shard_size))
    base = home.stem.replace(".weights", "")
    names = [f"{base}_{index:05}.weights.h5" for index in range(len(shards))]
    weight_map = {
        # Keras writes a list for groups with several weights, even if all are in one file.
        key: names[at[0]] if len(at) == 1 else [names[i] for i in dict.fromkeys(at)]
        for key, at in places.items()
    }
    text = json.dumps({"metadata": {"total_size": float(total)}, "weight_map": weight_map}, indent=4)
    jobs: list[tuple[Path, Write]] = [
        (home.with_name(name), _writer(shard)) for name, shard in zip(names, shards, strict=True)
    ]
    write_all([*jobs, (home, lambda part: part.write_text(text, encoding="utf-8"))])


def _bytes(max_shard_size: object) -> float:
    if isinstance(max_shard_size, bool) or not isinstance(max_shard_size, int | float):
        raise SettingTypeError(f"max_shard_size is a number of GiB, such as 0.5, not {max_shard_size!r}")
    if not (isfinite(max_shard_size) and max_shard_size > 0):
        raise ConfigError(f"max_shard_size is a positive number of GiB, not {max_shard_size!r}")
    return max_shard_size * GB


def _writer(shard: Tree) -> Write:
    def write(part: Path) -> None:
        import h5py

        with h5py.File(part, "w") as file:
            write_tree(file, shard)

    return write


def _split(tree: Tree, limit: float) -> tuple[list[Tree], dict[str, list[int]], int]:
    """The shards in the order of the weights; for each group the shards of its weights; the total size in bytes."""
    shards, places = [Tree()], dict[str, list[int]]()
    held = total = 0
    for path, owner in tree.walk():
        for name, value in owner.values.items():
            if value.nbytes > limit:
                raise ConfigError(
                    f"weight {path}/{name} has {value.nbytes:,} bytes, more than max_shard_size lets a file hold "
                    f"({limit:,.0f}); raise it to {value.nbytes / GB:.3g} or more"
                )
            if held + value.nbytes > limit:
                shards.append(Tree())
                held = 0
            held, total = held + value.nbytes, total + value.nbytes
            home = _at(shards[-1], path)
            home.name, home.values[name] = owner.name, value
            places.setdefault(f"{path}/vars", []).append(len(shards) - 1)
    return shards, places, total


def _at(tree: Tree, path: str) -> Tree:
    for name in path.split("/")[1:]:
        tree = tree.children.setdefault(name, Tree())
    return tree


@contextmanager
def open_shards(path: str | PathLike[str]) -> Iterator[Merged]:
    """The root of all files that a map lists, read as one file.

    Args:
        path: of the map.

    Raises:
        FileFormatError: the map is damaged, a file is missing or in another folder, or lacks a group.
    """
    stored = strict_json.mapping(
        strict_json.parse(read_file(path, strict_json.MAX_JSON), "the list of weights").get("weight_map"),
        "weight_map",
    )
    listed = {key: _listed(value, key) for key, value in stored.items()}
    names = list(dict.fromkeys(name for files in listed.values() for name in files))
    if len(names) > MAX_SHARDS:
        raise FileFormatError(f"it lists {len(names):,} files; at most {MAX_SHARDS:,} are read")
    with ExitStack() as stack:
        files = {name: stack.enter_context(_opened(Path(name_of(path)).with_name(name))) for name in names}
        for key, places in listed.items():
            for name in places:
                _check_held(files[name], key, name)
        if not files:
            raise FileFormatError("it lists no weights")
        yield Merged([file.root for file in files.values()])


def _listed(value: Any, key: str) -> list[str]:
    names = value if isinstance(value, list) else [value]
    for name in names:
        strict_json.text(name, f"a file of {key}")
        if name in (".", "..") or "/" in name or "\\" in name or not name.endswith(".h5"):
            raise FileFormatError(
                f"it lists {name!r} for {key}; the files must be in the list's folder and end in .h5"
            )
    return names


def _opened(path: Path) -> Hdf5File:
    try:
        return Hdf5File(path)
    except FileNotFoundError:
        raise FileFormatError(
            f"it lists {path.name!r}, which is not in its folder; keep all files of the weights together"
        ) from None
    except FileFormatError as error:
        raise FileFormatError(f"{path.name}: {error}") from None


def _check_held(file: Hdf5File, key: str, name: str) -> None:
    group = file.root
    for part in key.strip("/").split("/"):
        if not group.is_group(part):
            raise FileFormatError(f"it lists {name!r} for {key}, and that file has no such group")
        group = group.group(part)
