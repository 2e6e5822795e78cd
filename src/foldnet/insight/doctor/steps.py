"""How many training steps a file's optimizer has made."""

from __future__ import annotations

from pathlib import Path

from foldnet.errors import FoldnetError
from foldnet.files.archive import Archive
from foldnet.files.hdf5 import Group, Hdf5File
from foldnet.files.load import MAX_WEIGHTS, WEIGHTS, kind_of

COUNTERS = ("iter", "iteration", "iteration:0", "iter:0")


def steps_in_file(path: str) -> int | None:
    """The optimizer's step counter in a ``.keras`` or legacy ``.h5`` file; None where it is not kept."""
    try:
        kind = kind_of(path)
        if kind == "hdf5":
            with Hdf5File(path) as file:
                return _legacy(file.root)
        if kind == "directory":
            image = (Path(path) / WEIGHTS).read_bytes()
        else:
            with Path(path).open("rb") as raw:
                image = Archive(raw).read(WEIGHTS, MAX_WEIGHTS)
        with Hdf5File(image) as file:
            return _keras3(file.root)
    except (FoldnetError, OSError):
        return None  # a file of weights that can be read without its optimizer is still worth an examination


def _keras3(root: Group) -> int | None:
    if "optimizer" not in root:
        return None
    group = root.group("optimizer")
    if "vars" not in group:
        return None
    stored = group.group("vars")
    return int(stored.array("0", ())) if "0" in stored else None


def _legacy(root: Group) -> int | None:
    """Keras 2 keeps the counter in a group of the optimizer's name, as ``iteration:0`` or ``Adam/iter:0``."""
    if "optimizer_weights" not in root:
        return None
    waiting = [root.group("optimizer_weights")]
    for _ in range(8):
        deeper = []
        for group in waiting:
            for name in group.names()[:50]:
                if name in COUNTERS and not group.is_group(name):
                    return int(group.array(name, ()))
                if group.is_group(name):
                    deeper.append(group.group(name))
        waiting = deeper
    return None
