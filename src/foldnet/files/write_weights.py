"""Weights into HDF5: in the layout of ``.keras`` and ``.weights.h5``, and in the older one of ``.h5`` models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from foldnet.errors import UnsupportedError
from foldnet.files.legacy import leaves_of
from foldnet.files.weights_v3 import group_names, ordered_specs
from foldnet.files.write_config import kept_in_settings
from foldnet.layers.base import Layer
from foldnet.layers.wrapping import Wrapper
from foldnet.network import Network

Array = np.ndarray[Any, Any]
State = Sequence[Array]
"""The variables of an optimizer in Keras's order."""

TOP_LEVEL = "top_level_model_weights"
"""A group that every ``.h5`` file has beside those of the layers."""

HEADER_LIMIT = 64512
"""Bytes that HDF5 lets an attribute take up; longer lists of names are split over several, as in Keras."""


def write_weights(group: Any, network: Network, optimizer: tuple[str, State] | None = None) -> None:
    """Write the weights of a network, and the state of its optimizer, as Keras 3 does.

    Args:
        group: the root of an HDF5 file open for writing.
        network: with built layers.
        optimizer: its name and variables, if they are to be written.
    """
    _network(group, network, set())
    if optimizer is not None:
        write_optimizer(group, *optimizer)


def write_optimizer(group: Any, name: str, state: State) -> None:
    """Write the variables of an optimizer as Keras 3 does, numbered, into ``optimizer/vars``."""
    stored = group.create_group("optimizer/vars")
    stored.attrs["name"] = name
    for index, value in enumerate(state):
        stored[str(index)] = value


def write_optimizer_weights(group: Any, variables: Mapping[str, Array]) -> None:
    """Write the variables of an optimizer as tf_keras does, by name, into ``optimizer_weights``."""
    stored = group.create_group("optimizer_weights")
    _names(stored, "weight_names", variables)
    for name, value in variables.items():
        stored[name] = value


def _network(group: Any, network: Network, done: set[Layer]) -> None:
    group.create_group("vars").attrs["name"] = network.name
    layers = group.create_group("layers")
    for layer, name in group_names(network).items():
        if layer in done:
            continue
        done.add(layer)
        inner = layers.create_group(name)
        if isinstance(layer, Network):
            _network(inner, layer, done)
            continue
        _layer(inner, layer)


def _layer(group: Any, layer: Layer) -> None:
    stored = group.create_group("vars")
    stored.attrs["name"] = layer.name
    for index, spec in enumerate(ordered_specs(layer)):
        stored[str(index)] = _value(layer, spec.name)
    if isinstance(layer, Wrapper):
        _layer(group.create_group("layer"), layer.layer)


def _value(layer: Layer, name: str) -> Array:
    value = layer.named_weights[name]
    return value.astype(np.int32) if name == "count" else value


def write_legacy_weights(group: Any, network: Network, whole: bool) -> None:
    """Write the weights of a network as Keras 2 does: one group a layer of the network, datasets by name.

    Args:
        group: empty.
        network: with built layers.
        whole: whether the network's configuration is in the file, too.
    """
    _names(group, "layer_names", [layer.name for layer in network.layers])
    _check_places([layer.name for layer in network.layers])
    for layer in sorted(network.layers, key=lambda layer: layer.name):
        _check_name(layer.name)
        home = group.create_group(layer.name)
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
            home[name] = _value(inner, spec.name)
    _names(group.create_group(TOP_LEVEL), "weight_names", [])


def _check_places(names: list[str]) -> None:
    """Refuse names whose groups would lie in each other: one is the beginning of another's path."""
    for name in names:
        parts = name.split("/")
        inside = next((p for i in range(1, len(parts)) if (p := "/".join(parts[:i])) in names), None)
        if inside is not None:
            raise UnsupportedError(
                f"layers {inside!r} and {name!r} would lie in one place of a .h5 file; rename one of them"
            )
    if len(set(names)) != len(names):
        raise UnsupportedError("two layers have one name, by which a .h5 file knows them; rename one of them")


def _check_name(name: str) -> None:
    if name == TOP_LEVEL or "\0" in name or {"", "."} & set(name.split("/")):
        raise UnsupportedError(
            f"no layer of a .h5 file can be called {name!r}; rename it, or save as .keras or .weights.h5"
        )


def _path(layer: Layer, inner: Layer, weight: str) -> str:
    scopes = [inner.name] if inner is layer else [layer.name, inner.name]
    return "/".join([*scopes, f"{weight}:0"])


def _names(group: Any, attribute: str, names: Iterable[str]) -> None:
    """A list of names as an attribute, split over several where it is long."""
    data = np.array([name.encode() for name in names])
    parts = 1
    while any(part.nbytes > HEADER_LIMIT for part in np.array_split(data, parts)):
        parts += 1
    if parts == 1:
        group.attrs[attribute] = data
        return
    for index, part in enumerate(np.array_split(data, parts)):
        group.attrs[f"{attribute}{index}"] = part


def hdf5_image(network: Network, optimizer: tuple[str, State] | None) -> bytes:
    """A weights file as bytes, for the inside of an archive."""
    from io import BytesIO

    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        write_weights(file, network, optimizer)
    return buffer.getvalue()
