"""Detect the kind of a file, and read it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Literal, assert_never

from foldnet.disk.opening import name_of, open_file, read_file
from foldnet.errors import ConfigError, FileFormatError, FoldnetError, MissingFileError
from foldnet.files import archive, hdf5, strict_json
from foldnet.files.archive import Archive
from foldnet.files.assets import read_assets
from foldnet.files.calls import BAD_SETTINGS
from foldnet.files.fill_weights import STRICT, Leniency
from foldnet.files.hdf5 import Hdf5File
from foldnet.files.hdf5.merged import GroupLike
from foldnet.files.read_config import Reader
from foldnet.files.reading import Reading
from foldnet.files.releases import Release
from foldnet.files.saved_training import read_state
from foldnet.files.weights_v3 import read_weights
from foldnet.network import Network

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
OWN = frozenset({CONFIG, METADATA, WEIGHTS})
"""The members of a ``.keras`` archive, by one of which it differs from another zip."""
MAX_WEIGHTS = 4 << 30

Members = Callable[[str, int], bytes]
FileKind = Literal["archive", "hdf5", "directory", "json"]


def load(path: str | PathLike[str], reading: Reading) -> Network:
    """The network in a file; see ``foldnet.load_model``."""
    with named(path):
        match kind := kind_of(path):
            case "hdf5":
                from foldnet.files.legacy import load_legacy

                with Hdf5File(path) as file:
                    return load_legacy(file, reading)
            case "directory":
                return _load_members(_directory_members(Path(path)), reading)
            case "archive":
                with open_file(path) as raw:
                    return _load_archive(Archive(raw), reading)
            case "json":
                from foldnet.files.architecture import architecture_alone

                raise architecture_alone(read_file(path, strict_json.MAX_JSON), name_of(path))
            case _:
                assert_never(kind)


def _load_archive(opened: Archive, reading: Reading) -> Network:
    if not OWN.isdisjoint(opened.members):
        return _load_members(opened.read, reading)
    from foldnet.files.packed import only_model

    name, data = only_model(opened)
    try:
        if data.startswith(hdf5.MAGIC):
            from foldnet.files.legacy import load_legacy

            with Hdf5File(data) as file:
                return load_legacy(file, reading)
        return _load_members(Archive(BytesIO(data)).read, reading)
    except FileFormatError as error:
        raise FileFormatError(f"{name!r} in it: {error}") from None


def load_weights_into(
    network: Network, path: str | PathLike[str], leniency: Leniency = STRICT, known: Reader | None = None
) -> None:
    """Fill a network from a file of weights; see ``foldnet.files.load_weights``.

    Args:
        network: whose weights are set.
        path: of the file.
        leniency: which weights may be missing.
        known: the reader of the network's architecture, if it was read from a file.
    """
    if not network.built:
        raise ConfigError(f"{network.name!r} is not built, so its weights have no shapes; call build first")
    with named(path):
        if name_of(path).endswith(".weights.json"):
            from foldnet.files.shards import open_shards

            with open_shards(path) as root:
                _fill(root, network, leniency, known)
            return
        match kind := kind_of(path):
            case "hdf5":
                _fill_from_hdf5(path, network, leniency, known)
                return
            case "directory":
                image = _directory_members(Path(path))(WEIGHTS, MAX_WEIGHTS)
            case "archive":
                with open_file(path) as raw:
                    image = _packed_weights(Archive(raw))
            case "json":
                from foldnet.files.architecture import architecture_alone

                raise architecture_alone(read_file(path, strict_json.MAX_JSON), name_of(path))
            case _:
                assert_never(kind)
        _fill_from_hdf5(image, network, leniency, known)


def _packed_weights(opened: Archive) -> bytes:
    if not OWN.isdisjoint(opened.members):
        return opened.read(WEIGHTS, MAX_WEIGHTS)
    from foldnet.files.packed import only_model

    name, data = only_model(opened)
    if data.startswith(hdf5.MAGIC):
        return data
    try:
        return Archive(BytesIO(data)).read(WEIGHTS, MAX_WEIGHTS)
    except FileFormatError as error:
        raise FileFormatError(f"{name!r} in it: {error}") from None


def _fill_from_hdf5(
    data: str | PathLike[str] | bytes, network: Network, leniency: Leniency, known: Reader | None
) -> None:
    from foldnet.files.legacy import read_legacy_weights, weights_group, weights_origin

    with Hdf5File(data) as file:
        group = weights_group(file)
        if group is None:
            _fill(file.root, network, leniency, known)
            return
        origin = weights_origin(file, group, known.release if known is not None else None)
        if origin.theano and known is None:
            from foldnet.files.theano import check

            check(network)
        values = read_legacy_weights(
            group, network, origin, leniency, known.given if known is not None else ()
        )
        if known is None:
            from foldnet.files.silent import check_weights

            check_weights(file, network, values, origin.release, leniency)
        values.fill()


def is_legacy(path: str | PathLike[str]) -> bool | None:
    """Whether a file of weights has the layout that names layers; None if there is no such file."""
    if name_of(path).endswith(".weights.json"):
        return False
    if not Path(name_of(path)).exists():
        return None
    from foldnet.files.legacy import weights_group

    with named(path):
        if kind_of(path) != "hdf5":
            return False
        with Hdf5File(path) as file:
            return weights_group(file) is not None


def _fill(root: GroupLike, network: Network, leniency: Leniency, known: Reader | None) -> None:
    """Set all weights, and the optimizer's state if the network has an optimizer that it fits."""
    classes, given = ({}, ()) if known is None else (known.classes, known.given)
    values = read_weights(root, network, classes, check_names=False, leniency=leniency, given=given)
    trainer, kept = network._trainer, network.saved_training
    if trainer is None and kept is None:
        values.fill()
        return
    saved = read_state(root, network, keras_3=True)
    values.fill()
    if saved.state is None and saved.problem is None:
        return
    if trainer is not None:
        if not leniency.skips(network.optimizer):
            from foldnet.files.resume import take_up

            take_up(saved, trainer)
    elif kept is not None:
        # A loaded network is compiled only when that is needed; until then the state is kept as data.
        network.saved_training = replace(kept, state=saved.state, layout=saved.layout, problem=saved.problem)


def kind_of(path: str | PathLike[str]) -> FileKind:
    """``"archive"``, ``"hdf5"``, ``"json"`` or ``"directory"``, detected by content, not by name.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is none of these.
    """
    if Path(name_of(path)).is_dir():
        if not (Path(path) / CONFIG).exists():
            raise FileFormatError(
                f"it is a directory without a {CONFIG}, so it holds no unzipped .keras model"
            )
        return "directory"
    with open_file(path) as file:
        head = file.read(len(hdf5.MAGIC))
    if head == hdf5.MAGIC:
        return "hdf5"
    if head.startswith(archive.MAGIC):
        return "archive"
    if not head:
        raise FileFormatError("it is empty")
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b'"'):
        return "json"
    if head.startswith(b"FOLDNET"):
        raise FileFormatError(
            "it is a frozen predictor, whose layers are folded; read it with foldnet.load_predictor"
        )
    raise FileFormatError(
        f"it begins with {head!r}, which is neither a .keras archive nor an HDF5 file (.h5, .hdf5, .weights.h5)"
    )


class named:  # noqa: N801 - used as a with-statement
    """Adds the file's name to the errors raised inside."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = name_of(path)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, FileNotFoundError) and not isinstance(error, MissingFileError):
            raise MissingFileError(errno.ENOENT, os.strerror(errno.ENOENT), self._path) from None
        if isinstance(error, FileFormatError) and not isinstance(error, MissingFileError):
            raise FileFormatError(f"{self._path}: {error}") from None
        if isinstance(error, RecursionError):
            raise FileFormatError(f"{self._path}: it is nested too deeply for a network") from None
        if isinstance(error, MemoryError):
            raise FileFormatError(f"{self._path}: it needs more memory than there is") from None
        if isinstance(error, BAD_SETTINGS) and not isinstance(error, FoldnetError):
            # Each part of a file is checked where it is read; this catches errors that no check found.
            raise FileFormatError(
                f"{self._path}: its content is not valid: {type(error).__name__}: {error}"
            ) from error
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            raise FileFormatError(f"{self._path} cannot be read: {error.strerror or error}") from None


def _directory_members(folder: Path) -> Members:
    def read(name: str, limit: int) -> bytes:
        path = folder / name
        if not path.exists():
            raise FileFormatError(f"the directory has no {name!r}")
        try:
            return read_file(path, limit)
        except FileFormatError as error:
            raise FileFormatError(f"{name!r}: {error}") from None

    return read


def _load_members(read: Members, reading: Reading) -> Network:
    metadata = strict_json.parse(read(METADATA, 1 << 20), METADATA)
    stored = strict_json.parse(read(CONFIG, strict_json.MAX_JSON), CONFIG)
    version = metadata.get("keras_version")
    version = version if isinstance(version, str) else None
    reader = Reader.of(Release(version, major_version(version, 3)), reading)
    network = reader.network(stored)
    compiled = stored.get("compile_config")
    network.compile_config = compiled if isinstance(compiled, dict) and compiled else None
    with Hdf5File(read(WEIGHTS, MAX_WEIGHTS)) as file:
        read_weights(file.root, network, reader.classes, check_names=True, given=reader.given).fill()
        read_assets(read, file.root, network)
        if reading.compile and network.compile_config is not None:
            saved = read_state(file.root, network, keras_3=major_version(version, 3) == 3)
            network.saved_training = replace(saved, supplied=reading.objects)
    network.keras_version = version
    return network


def major_version(version: str | None, default: int) -> int:
    """1, 2 or 3 from ``"2.15.0"``."""
    head = (version or "").split(".")[0]
    return int(head) if head in ("1", "2", "3") else default
