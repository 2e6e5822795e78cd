"""A model inside a zip that is not a ``.keras`` archive itself."""

from __future__ import annotations

from foldnet.errors import FileFormatError
from foldnet.files.archive import Archive

MODELS = (".keras", ".h5", ".hdf5")
MAX_MODEL = 4 << 30


def only_model(archive: Archive) -> tuple[str, bytes]:
    """The name and the bytes of the only model in a zip.

    Raises:
        FileFormatError: it holds none, or several.
    """
    names = [
        name
        for name in archive.members
        if name.endswith(MODELS) and not name.startswith("__MACOSX/")  # which macOS adds to the zips it makes
    ]
    if len(names) == 1:
        return names[0], archive.read(names[0], MAX_MODEL)
    if names:
        raise FileFormatError(
            f"it is a zip that holds several models, {names[:10]}. Unpack the one that you mean and open it: "
            f"zipfile.ZipFile(path).extract({names[0]!r})"
        )
    folder = next((n for n in archive.members if n.endswith("/config.json")), None)
    if folder is not None:
        raise FileFormatError(
            f"it is a zip with the unzipped .keras model {folder.rpartition('/')[0]!r} in it; unpack it and open that "
            "folder"
        )
    raise FileFormatError(
        f"it is a zip, and neither a .keras archive, which has a config.json, nor one that holds a model; it holds "
        f"{sorted(archive.members)[:10]}"
    )
