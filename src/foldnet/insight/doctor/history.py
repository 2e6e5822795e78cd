"""The history of a training, as the caller gives it."""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from foldnet.disk.opening import open_stream
from foldnet.errors import FileFormatError, InputError, MissingFileError

EXPECTED = "history is what fit returned, its dict of lists, or the path of a CSVLogger's file or of that dict as JSON"


ABSENT = frozenset(("NA", ""))
"""Cells of epochs without validation; CSVLogger has a column of them for a log that never came."""


def read_history(given: object) -> dict[str, list[float]]:
    """Each log's values by epoch; a log that is no single number in each epoch is left out.

    Args:
        given: a History (anything with a dict ``history``), a dict of lists, or the path of a CSV that CSVLogger
            wrote or of such a dict as JSON. A value that is missing, as in epochs without validation, becomes NaN. A
            CSV may have decimal commas, if another sign separates its cells.

    Raises:
        InputError: it is none of these, has no epoch, or a loss that is no number.
        MissingFileError: there is no such file.
        FileFormatError: it is a directory or a device.
        OSError: the file cannot be read.

    >>> read_history({"loss": [0.5, 0.25], "val_loss": [0.6, None]})
    {'loss': [0.5, 0.25], 'val_loss': [0.6, nan]}
    """
    logs = given if isinstance(given, Mapping) else getattr(given, "history", None)
    where = "the history"
    if isinstance(given, str | PathLike):
        path = Path(given)
        logs, where = _from_file(path), str(path)
    if not isinstance(logs, Mapping):
        raise InputError(f"{EXPECTED}; not a {type(given).__name__}")
    columns = {str(name): _numbers(values) for name, values in logs.items()}
    for name in ("loss", "val_loss"):
        if columns.get(name, ()) is None and isinstance(logs[name], list | tuple | np.ndarray):
            raise InputError(f"{name} of {where} is not one number for each epoch; {EXPECTED}")
    read = {name: values for name, values in columns.items() if values}
    if not read:
        raise InputError(f"{where} has no values by epoch; {EXPECTED}")
    return read


def own_history(model: object) -> dict[str, list[float]] | None:
    """The history that a network kept from its last ``fit``, if there is one."""
    try:
        return read_history(getattr(model, "history", None))
    except (InputError, OSError):
        return None


def _numbers(values: object) -> list[float] | None:
    """One number for each epoch; None if they are something else, such as one number for each class."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Sequence | np.ndarray):
        return None
    numbers = [_number(v) for v in values]
    return None if None in numbers else [n for n in numbers if n is not None]


def _number(value: object) -> float | None:
    if value is None:
        return np.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


# -- files --------------------------------------------------------------------------------------------------


def _from_file(path: Path) -> object:
    try:
        with open_stream(path) as file:
            text = file.read().decode("utf-8-sig")
    except FileNotFoundError:
        raise MissingFileError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}; {EXPECTED}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text; {EXPECTED}") from None
    if not text.lstrip().startswith("{"):
        return _from_csv(text, path)
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}; {EXPECTED}") from None


def _from_csv(text: str, path: Path) -> dict[str, list[object]]:
    """The columns of a CSVLogger's file but for the number of the epoch."""
    head = text.split("\n", 1)[0]
    # CSVLogger separates by any character that its user chose: by the first one that no name of a log has.
    separator = next((c for c in head.strip("\r") if not (c.isalnum() or c in '_"')), ",")
    names, *lines = [line for line in csv.reader(text.splitlines(), delimiter=separator) if line] or [[]]
    if "loss" not in names:
        raise InputError(
            f"the first line of {path} names no column loss, as a CSVLogger's file does; {EXPECTED}"
        )
    # Where cells are separated by something else, a comma in a number is its decimal sign, as spreadsheets write it.
    decimal_comma = separator != "," and not any("." in cell for line in lines for cell in line)
    if wrong := [i for i, line in enumerate(lines, 2) if len(line) != len(names)]:
        raise InputError(
            f"{path}: {len(names)} columns are named, and line {wrong[0]} has another number of cells"
            + (
                ". If its numbers have a decimal comma, save it with another separator, such as a semicolon"
                if separator == ","
                else ""
            )
        )
    columns = zip(names, zip(*lines, strict=True), strict=True) if lines else ()
    return {
        name: [
            None if cell in ABSENT else cell.replace(",", ".") if decimal_comma else cell for cell in cells
        ]
        for name, cells in columns
        if name not in ("", "epoch") and not ABSENT.issuperset(cells)
    }
