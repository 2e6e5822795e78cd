"""What a folder of results was made with: the record ``_foldnet.json`` in it, and a stamp in every part."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foldnet.disk.atomic import write_text
from foldnet.disk.opening import read_file
from foldnet.errors import FileFormatError, InputError
from foldnet.files.strict_json import MAX_JSON, parse
from foldnet.setting_types import shown
from foldnet.tables.read import load_pyarrow

if TYPE_CHECKING:
    from foldnet.predictor import Predictor

RECORD = "_foldnet.json"
"""Its name begins with ``_``, so that readers of data sets leave it out."""

FORMAT = 1
"""Of the record; a later version of foldnet may write another."""

STAMP = b"foldnet"
"""The key of the stamp in the metadata of a part."""

AGAIN = "Write to another folder, or start again with --force (overwrite=True)."


@dataclass(frozen=True)
class Recipe:
    """What decides about the results; parts of different recipes may not be in one folder.

    Attributes:
        foldnet: version of the software.
        model: digest of the predictor.
        data: the folder or pattern of the rows, as a whole path.
        columns: for each input, the names of its columns.
        chosen: how the columns were chosen, before they were known by name.
        keep: names of columns that are kept; None for all.
    """

    foldnet: str
    model: str
    data: str
    columns: tuple[tuple[str, ...], ...]
    chosen: str
    keep: tuple[str, ...] | None

    def digest(self) -> str:
        """A name for it, which parts carry."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass
class Record:
    """The record of a folder.

    Attributes:
        recipe: what its parts were made with.
        complete: whether every part of the data has its part here.
        parts: how many parts the data has.
        rows: in the parts that are there; None as long as it is not complete.
        broken: why parts are missing, by name.
    """

    recipe: Recipe
    complete: bool = False
    parts: int = 0
    rows: int | None = None
    broken: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write it to a folder, in one step."""
        write_text(folder / RECORD, json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n")


def read_record(folder: Path) -> Record | None:
    """The record of a folder; None if it has none.

    Raises:
        FileFormatError: there is one that cannot be read.
    """
    path = folder / RECORD
    if not path.exists():
        return None
    said = parse(read_file(path, MAX_JSON), str(path))
    if said.get("format") != FORMAT:
        raise FileFormatError(f"{path} has format {shown(said.get('format'))}, not {FORMAT}. {AGAIN}")
    try:
        recipe = said["recipe"]
        columns = tuple(tuple(map(str, names)) for names in recipe["columns"])
        keep = None if recipe["keep"] is None else tuple(map(str, recipe["keep"]))
        texts = {f.name: str(recipe[f.name]) for f in fields(Recipe) if f.name not in ("columns", "keep")}
        return Record(Recipe(**texts, columns=columns, keep=keep), complete=said["complete"] is True)
    except (KeyError, TypeError) as error:
        raise FileFormatError(
            f"{path} is not a record of foldnet ({type(error).__name__}: {error}). {AGAIN}"
        ) from None


def check_same(old: Recipe, model: str, data: str, chosen: str, version: str, folder: Path) -> None:
    """Refuse to add parts to those of another recipe.

    Raises:
        InputError: it differs; the message says in what.
    """
    wanted = {"model": model, "data": data, "chosen": chosen, "foldnet": version}
    words = {
        "model": "another model",
        "data": "other data",
        "chosen": "other columns",
        "foldnet": "another version",
    }
    for name, value in wanted.items():
        was = getattr(old, name)
        if was != value:
            shown = "" if name == "model" else f" ({was}, now {value})"
            raise InputError(f"{folder} has parts that were made with {words[name]}{shown}. {AGAIN}")


def model_digest(predictor: Predictor) -> str:
    """A digest of what a predictor computes. Functions of the caller's own count by their names."""
    from foldnet.predictor.file import to_bytes

    return hashlib.sha256(to_bytes(predictor.unfolded, predictor.options)).hexdigest()


def stamp(recipe: str, size: int, changed: int) -> dict[bytes, bytes]:
    """The metadata of a part: which recipe it was made with, and from which state of its source."""
    said = json.dumps({"recipe": recipe, "size": size, "changed": changed})
    return {STAMP: said.encode()}


def read_stamp(path: Path) -> dict[str, Any] | None:
    """The stamp of a part, and its rows; None for a file that is no part of ours."""
    arrow = load_pyarrow()
    try:
        metadata = arrow.parquet.read_metadata(path)
        said = json.loads((metadata.metadata or {})[STAMP])
        return {"rows": int(metadata.num_rows), **said}
    except (arrow.ArrowException, OSError, KeyError, ValueError, TypeError):
        return None
