"""Configurations of networks without weights: ``get_config``, ``from_config`` and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from foldnet.errors import FileFormatError
from foldnet.files.keras_objects import Dialect
from foldnet.files.read_config import Reader
from foldnet.files.registration import known_objects
from foldnet.files.write_config import network_config, network_record
from foldnet.network import Model, Network
from foldnet.sequential import Sequential


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
    """Create a network, with new random weights, from the JSON that ``to_json`` writes.

    Args:
        json_string: written by foldnet or Keras 3.
        custom_objects: your own classes and functions, by name.

    Raises:
        FileFormatError: it is not the JSON of a network.
        UnsupportedError: it has something foldnet cannot represent.
    """
    try:
        stored = json.loads(json_string)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"this is not the JSON of a network: {error}") from None
    return Reader(supplied=known_objects(custom_objects), unbuilt=True).network(stored)
