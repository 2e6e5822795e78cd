"""A run's directory: ``run.json`` says what was recorded, ``part-00000.npz`` and the files after it hold the records.

Each part has one array per column: ``step``, ``epoch``, ``seconds``, ``log:NAME`` (NaN where a record has none), and
for each layer ``LAYER:moving_mean``, ``LAYER:moving_variance``, ``LAYER:batch_mean`` and ``LAYER:batch_variance`` of
shape (records, channels). Anything that reads JSON and NPZ can read a run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from foldnet.arrays import Array
from foldnet.disk.atomic import write_whole
from foldnet.disk.opening import open_file, read_file
from foldnet.errors import FileFormatError

FORMAT = "foldnet run 1"
HEADER = "run.json"


class RunWriter:
    """Writes a run, part by part.

    Args:
        directory: created if missing; an earlier run in it is removed.
        description: what ``run.json`` says.

    Raises:
        FileExistsError: the directory holds other files and no run.
    """

    def __init__(self, directory: Path, description: dict[str, Any]) -> None:
        self.directory, self._description = directory, description
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()) and not (directory / HEADER).exists():
            raise FileExistsError(
                f"{str(directory)!r} is not empty and holds no run; give the monitor its own directory"
            )
        for old in directory.glob("part-*.npz"):
            old.unlink()
        self._rows: list[dict[str, Any]] = []
        self._parts = 0
        self._head(finished=False)

    def __len__(self) -> int:
        """Records not yet written."""
        return len(self._rows)

    def add(self, row: dict[str, Any]) -> None:
        """Add one record."""
        self._rows.append(row)

    def flush(self) -> None:
        """Write the records so far as a new part."""
        if not self._rows:
            return
        columns: dict[str, Array] = {}
        for name in dict.fromkeys(key for row in self._rows for key in row):
            like = next(row[name] for row in self._rows if name in row)
            nothing = np.full_like(np.asarray(like, np.float64), np.nan)
            columns[name] = np.array([row.get(name, nothing) for row in self._rows], np.float64)
        image = BytesIO()
        np.savez(image, allow_pickle=False, **columns)
        path = self.directory / f"part-{self._parts:05d}.npz"
        write_whole(path, lambda part: _put(part, image.getvalue()))
        self._rows, self._parts = [], self._parts + 1

    def close(self) -> None:
        """Write the remaining records, and mark the run as finished."""
        self.flush()
        self._head(finished=True)

    def _head(self, *, finished: bool) -> None:
        document = {"format": FORMAT, "finished": finished, **self._description}
        text = json.dumps(document, indent=2).encode()
        write_whole(self.directory / HEADER, lambda part: _put(part, text))


def _put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


@dataclass(frozen=True)
class RunLayer:
    """The records of one BatchNormalization; arrays have shape (records, channels recorded).

    ``calls`` says how often a step updates the statistics: once for each call of a shared layer.
    """

    name: str
    channels: int
    recorded: tuple[int, ...]
    momentum: float
    epsilon: float
    calls: int
    moving_mean: Array
    moving_variance: Array
    batch_mean: Array
    batch_variance: Array


@dataclass(frozen=True)
class Run:
    """A recorded run.

    Attributes:
        network: name of the network.
        finished: whether training ended normally.
        first_step: number of optimizer steps before the run.
        steps, epochs, seconds: one number a record.
        logs: by name, one number a record; NaN if none was logged.
        layers: in computing order.
    """

    network: str
    finished: bool
    first_step: int
    steps: Array
    epochs: Array
    seconds: Array
    logs: dict[str, Array]
    layers: tuple[RunLayer, ...]


def read_run(directory: str | PathLike[str]) -> Run:
    """Read a run's directory, also while the run is going on.

    Raises:
        FileNotFoundError: there is no run.
        FileFormatError: its files are damaged, or of another format.
    """
    directory = Path(directory)
    header = directory / HEADER
    if not header.exists():
        raise FileNotFoundError(
            f"{str(directory)!r} holds no {HEADER}; give the directory that "
            "NormalizationMonitor or fit(monitor=...) wrote"
        )
    try:
        document = json.loads(read_file(header))
        if document.get("format") != FORMAT:
            raise FileFormatError(f"{header} is of format {document.get('format')!r}, expected {FORMAT!r}")
        return _assembled(document, _joined(directory))
    except (OSError, FileFormatError):
        raise
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile) as error:
        raise FileFormatError(f"{directory}: the run is damaged: {error}") from None


def _joined(directory: Path) -> dict[str, Array]:
    parts = []
    for path in sorted(directory.glob("part-*.npz")):
        with open_file(path) as opened, np.load(opened, allow_pickle=False) as file:
            parts.append({name: file[name] for name in file.files})
    if not parts:
        raise FileFormatError(f"{directory}: the run has no records yet")
    columns = {}
    for name in dict.fromkeys(key for part in parts for key in part):
        like = next(part[name] for part in parts if name in part)
        columns[name] = np.concatenate([
            part.get(name, np.full((len(part["step"]), *like.shape[1:]), np.nan)) for part in parts
        ])  # fmt: skip
    return columns


def _assembled(document: dict[str, Any], columns: dict[str, Array]) -> Run:
    layers = []
    for entry in document["layers"]:
        name = entry["layer"]
        kinds = ("moving_mean", "moving_variance", "batch_mean", "batch_variance")
        layers.append(
            RunLayer(
                name,
                int(entry["channels"]),
                tuple(entry["recorded"]),
                float(entry["momentum"]),
                float(entry["epsilon"]),
                int(entry["calls"]),
                *(columns[f"{name}:{kind}"] for kind in kinds),
            )
        )
    return Run(
        str(document["network"]),
        bool(document["finished"]),
        int(document["first_step"]),
        columns["step"],
        columns["epoch"],
        columns["seconds"],
        {name.removeprefix("log:"): values for name, values in columns.items() if name.startswith("log:")},
        tuple(layers),
    )
