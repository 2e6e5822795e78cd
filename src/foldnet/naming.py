"""Default names of layers, made as in Keras."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

from foldnet.errors import ConfigError

if TYPE_CHECKING:
    from foldnet.layers.base import Layer
    from foldnet.network import Network

_names_given: dict[str, int] = {}

_networks: WeakKeyDictionary[Layer, WeakSet[Network]] = WeakKeyDictionary()
"""The networks that each layer is in; not stored in the layer, so that copies of it do not refer to them."""


def snake_case(name: str) -> str:
    """Keras's rule from class name to group and default layer name: ``ReLU`` gives ``re_lu``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def unique_name(prefix: str) -> str:
    """``prefix``, then ``prefix_1``, ``prefix_2``, and so on at each call in this process, as in Keras."""
    count = _names_given.get(prefix, 0)
    _names_given[prefix] = count + 1
    return prefix if count == 0 else f"{prefix}_{count}"


def join_names(network: Network, layers: Iterable[Layer]) -> None:
    """Record that these are a network's layers.

    Raises:
        ConfigError: two of them have the same name, so files and ``get_layer`` could not distinguish them.
    """
    layers = list(dict.fromkeys(layers))
    for name, count in Counter(layer.name for layer in layers).items():
        if count > 1:
            raise ConfigError(
                f"{network.name!r} has {count} layers named {name!r}; names must be unique in a network: give them "
                "other ones with name=..."
            )
    for layer in layers:
        _networks.setdefault(layer, WeakSet()).add(network)


def check_rename(layer: Layer, name: str) -> None:
    """Refuse a new name for a layer if another layer of one of its networks has it.

    Raises:
        ConfigError: naming the network.
    """
    for network in _networks.get(layer, ()):
        if any(other is not layer and other.name == name for other in network.joined_layers()):
            raise ConfigError(
                f"layer {layer.name!r} cannot be named {name!r}: {network.name!r} has a layer of that name, and names "
                "must be unique in a network"
            )


def clear_session() -> None:
    """Forget the automatic names given so far, as ``keras.backend.clear_session`` does."""
    _names_given.clear()
