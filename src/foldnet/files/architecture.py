"""Configurations of networks: ``get_config``, ``from_config`` and JSON, alone or with weights in another file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import Any

from foldnet.disk.opening import name_of, read_file
from foldnet.errors import FileFormatError, SettingTypeError
from foldnet.files import strict_json
from foldnet.files.fill_weights import Leniency
from foldnet.files.hdf5 import Hdf5File
from foldnet.files.keras_objects import Dialect
from foldnet.files.legacy import release_of, weights_group, weights_origin
from foldnet.files.load import FileKind, kind_of, load_weights_into, named
from foldnet.files.old_kernels import Origin
from foldnet.files.read_config import Reader
from foldnet.files.reading import Reading
from foldnet.files.registration import known_objects
from foldnet.files.releases import Release
from foldnet.files.write_config import network_config, network_record
from foldnet.network import Model, Network
from foldnet.sequential import Sequential

KINDS: dict[FileKind, str] = {
    "archive": "a .keras archive or another zip",
    "hdf5": "an HDF5 file",
    "directory": "a directory",
    "json": "JSON",
}
"""Kinds of files in words."""


def config_of(network: Network) -> dict[str, Any]:
    """The configuration of a network in Keras 3's form; see ``Network.get_config``."""
    return network_config(network)


def network_of_config(
    cls: type[Network], config: object, custom_objects: Mapping[str, Any] | None
) -> Network:
    """A network from ``config_of``; see ``Network.from_config``."""
    if cls not in (Model, Sequential, Network) and isinstance(config, Mapping) and "layers" not in config:
        return cls(**config)  # a user's class that makes its layers itself
    kind = "Sequential" if issubclass(cls, Sequential) else "Functional"
    stored = {"class_name": kind, "config": config}
    known = known_objects(custom_objects)
    if cls not in (Model, Sequential, Network):
        known[cls.__name__] = cls
        stored = {"class_name": cls.__name__, "module": cls.__module__, "config": config}
    return Reader(supplied=known, unbuilt=issubclass(cls, Sequential)).network(stored)


def to_json(network: Network, **kwargs: Any) -> str:
    """The configuration as JSON; see ``Network.to_json``."""
    return json.dumps(network_record(network, Dialect.KERAS_3, unbuilt=True), **kwargs)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Network:
    """Create a network, with new random weights, from the JSON that ``to_json`` of foldnet or of any Keras writes.

    Args:
        json_string: the JSON, such as ``Path("model.json").read_text()``.
        custom_objects: your own classes and functions, by name; see ``load_model``.

    Raises:
        FileFormatError: it is not the JSON of a network.
        UnsupportedError: it has something foldnet cannot represent.

    >>> from foldnet import Input, Sequential
    >>> from foldnet.layers import Dense
    >>> model_from_json(Sequential([Input((4,)), Dense(3)]).to_json()).count_params()
    15
    """
    if not isinstance(json_string, str | bytes):
        raise SettingTypeError(
            f"model_from_json takes the text of a JSON file, not {type(json_string).__name__}"
        )
    with named("the JSON"):
        stored = parse(json_string)
        theano = stored.get("backend") == "theano"
        reader = Reader.of(release_of(stored), Reading.of(custom_objects, None), theano)
        reader.unbuilt = True
        return reader.network(stored)


def load_parts(architecture: str | PathLike[str], weights: str | PathLike[str], reading: Reading) -> Network:
    """The network of a JSON file, with the weights of another file; see ``foldnet.load_model``."""
    with named(architecture):
        if (kind := kind_of(architecture)) != "json":
            raise FileFormatError(
                f"it is not the JSON of an architecture but {KINDS[kind]}. A file with the whole network is opened "
                "without weights="
            )
        stored = parse(read_file(architecture, strict_json.MAX_JSON))
    release = release_of(stored)
    with named(weights):
        origin = _origin(weights, release)
        theano = stored.get("backend") == "theano" or origin.theano
    if release.version is None and origin.release.keras == release.keras:
        release = origin.release  # the weights say what the architecture does not
    with named(architecture):
        reader = Reader.of(release, reading, theano)
        network = reader.network(stored)
    load_weights_into(network, weights, Leniency(in_order=True), reader)
    version = stored.get("keras_version")
    network.keras_version = version if isinstance(version, str) else None
    return network


def parse(text: str | bytes) -> dict[str, Any]:
    """The JSON of a network; also JSON that was written as a text into JSON.

    Raises:
        FileFormatError: it is not the JSON of a network.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise FileFormatError(f"it is not text in UTF-8: {error}") from None
    what = "the architecture"
    if text.lstrip()[:1] == '"' and len(text) <= strict_json.MAX_JSON:  # json.dump(model.to_json(), file)
        try:
            inner = json.loads(text)
        except ValueError as error:
            raise FileFormatError(f"{what} is not valid JSON: {error}") from None
        text = inner if isinstance(inner, str) else text
    stored = strict_json.parse(text, what)
    if "class_name" not in stored or "config" not in stored:
        keys = ", ".join(list(stored)[:10]) or "nothing"
        raise FileFormatError(
            f"it is JSON, but not the architecture of a network, which has class_name and config; it has {keys}"
        )
    return stored


def architecture_alone(data: bytes, name: str) -> FileFormatError:
    """The error for a JSON file that was given as a whole network.

    Args:
        data: the file's bytes.
        name: of the file.
    """
    try:
        parse(data)
    except FileFormatError as error:
        if b'"weight_map"' in data[:1000]:
            return FileFormatError("it lists the files of a network's weights; give it to load_weights")
        return error
    return FileFormatError(
        "it is the architecture of a network, as JSON, and holds no weights. Open it together with the file of its "
        f"weights: foldnet.load_model(architecture={name!r}, weights=...). foldnet.models.model_from_json makes the "
        "network with new weights"
    )


def _origin(weights: str | PathLike[str], release: Release) -> Origin:
    """Where the weights for an architecture come from."""
    if not name_of(weights).endswith(".weights.json") and kind_of(weights) == "hdf5":
        with Hdf5File(weights) as file:
            if (group := weights_group(file)) is not None:
                return weights_origin(file, group, release)
    return Origin(release)
