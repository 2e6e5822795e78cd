"""Write weights in the older layout of ``.h5`` models; ``weight_tree.py`` has the current layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import UnsupportedError
from foldnet.files.legacy import leaves_of
from foldnet.files.weight_tree import stored_value
from foldnet.files.write_config import kept_in_settings
from foldnet.layers.base import Layer
from foldnet.network import Network

TOP_LEVEL = "top_level_model_weights"
"""A group that every ``.h5`` file has in addition to those of the layers."""

HEADER_LIMIT = 64512
"""Largest size of an HDF5 attribute in bytes; longer lists of names are split over several, as in Keras."""


def write_optimizer_weights(group: Any, variables: Mapping[str, Array]) -> None:
    """Write the variables of an optimizer as tf_keras does, by name, into ``optimizer_weights``."""
    stored = group.create_group("optimizer_weights")
    _names(stored, "weight_names", variables)
    for name, value in variables.items():
        stored[name] = value


def write_legacy_weights(group: Any, network: Network, whole: bool) -> None:
    """Write the weights of a network as Keras 2 does: one group per layer of the network, datasets by name.

    Args:
        group: empty.
        network: with built layers.
        whole: whether the file also contains the network's configuration.
    """
    _names(group, "layer_names", [layer.name for layer in network.layers])
    for layer in sorted(network.layers, key=lambda layer: layer.name):
        _check_name(layer.name)
        home = _home(group, layer.name)
        leaves = [
            (inner, spec)
            for inner, spec in leaves_of(layer)
            if not (whole and kept_in_settings(inner, network))
        ]
        for inner, _ in leaves:
            _check_name(inner.name)
        names = [_path(layer, inner, spec.name) for inner, spec in leaves]
        if len(set(names)) != len(names):
            raise UnsupportedError(
                f"{layer.name!r} holds two layers of one name, and the weights in a .h5 file are known by their "
                "layers' names; give them different names, or save as .keras"
            )
        _names(home, "weight_names", names)
        for name, (inner, spec) in zip(names, leaves, strict=True):
            home[name] = stored_value(inner, spec.name)
    _names(group.create_group(TOP_LEVEL), "weight_names", [])


def _home(group: Any, name: str) -> Any:
    """A new group for a layer, whose name may be a path."""
    try:
        return group.create_group(name)
    except (ValueError, OSError):
        raise UnsupportedError(
            f"layer {name!r} would be stored among the weights of another layer, as 'a/a' among those of 'a'; rename "
            "one of them, or save as .weights.h5"
        ) from None


def _check_name(name: str) -> None:
    if name == TOP_LEVEL or "\0" in name or {"", "."} & set(name.split("/")):
        raise UnsupportedError(
            f"no layer of a .h5 file can be called {name!r}; rename it, or save as .keras or .weights.h5"
        )


def _path(layer: Layer, inner: Layer, weight: str) -> str:
    scopes, whole = [inner.name], inner.part_of
    while inner is not layer and whole is not None and whole is not layer:
        scopes, whole = [whole.name, *scopes], whole.part_of
    if inner is not layer:
        scopes = [layer.name, *scopes]
    return "/".join([*scopes, f"{weight}:0"])


def _names(group: Any, attribute: str, names: Iterable[str]) -> None:
    """Write a list of names as an attribute, or as several if it is long."""
    data = np.array([name.encode() for name in names])
    parts = 1
    while any(part.nbytes > HEADER_LIMIT for part in np.array_split(data, parts)):
        parts += 1
    if parts == 1:
        group.attrs[attribute] = data
        return
    for index, part in enumerate(np.array_split(data, parts)):
        group.attrs[f"{attribute}{index}"] = part
