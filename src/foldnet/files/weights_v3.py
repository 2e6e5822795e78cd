"""The weights of a ``.keras`` archive or a ``.weights.h5`` file.

Groups are named after classes, not layers: inside a network the third Dense is ``dense_2``, whatever its name is.
So groups are found by counting classes in the network's order. Newer files also store the layers' names,
which are used as a check.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FileFormatError
from foldnet.files.fill_weights import STRICT, Leniency, Values
from foldnet.files.hdf5.merged import GroupLike
from foldnet.files.substitutes import matched
from foldnet.files.tf.layers import FUNCTION_CLASSES
from foldnet.layers.base import Layer
from foldnet.layers.weight import WeightSpec
from foldnet.naming import snake_case
from foldnet.network import Network

FUNCTION_GROUPS = frozenset(map(snake_case, FUNCTION_CLASSES))
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")


def read_weights(
    root: GroupLike,
    network: Network,
    classes: Mapping[Layer, str],
    check_names: bool,
    leniency: Leniency = STRICT,
    given: Container[Layer] = (),
) -> Values:
    """Read the weights of every layer of the network.

    Args:
        root: of one or several files in the layout that Keras uses since 2.12.
        network: with built layers.
        classes: the layers' class names in the file's configuration.
        check_names: whether the layer names in the file must be those of the network.
        leniency: which weights may be missing.
        given: layers and networks that the caller gave for single layers of the file.

    Raises:
        FileFormatError: the file does not hold this network's weights.
    """
    reader = _Reader(classes, check_names, leniency, given)
    reader.network(root, network)
    return reader.values


class _Reader:
    def __init__(
        self, classes: Mapping[Layer, str], check_names: bool, leniency: Leniency, given: Container[Layer]
    ) -> None:
        self._classes, self._check_names, self._leniency = classes, check_names, leniency
        self._given = given
        self._done: set[Layer] = set()
        self.values = Values()

    def _class_name(self, layer: Layer) -> str:
        if layer in self._classes:
            name = self._classes[layer]
            if name == type(layer).__name__ and not isinstance(layer, Network):
                return class_name(layer)
            return "Functional" if name == "Model" else name
        return class_name(layer)

    def network(self, group: GroupLike, network: Network) -> None:
        """Read every layer of a network from its group."""
        container = next((name for name in CONTAINERS if name in group), None)
        if container is None:
            if _has_weights(network):
                raise FileFormatError(
                    f"{group.path or 'the file'} has no group 'layers' for the network {network.name!r}; it holds "
                    f"{group.names()[:10]}"
                )
            return
        layers = group.group(container)
        twice = container == "_layer_checkpoint_dependencies"
        names = group_names(network, self._class_name, twice)
        extra = sorted(
            n for n in set(layers.names()) - set(names.values()) if not _is_empty_function(layers, n)
        )
        if extra and not self._leniency.skip_mismatch:
            raise FileFormatError(
                f"{layers.path} holds {extra[:10]}, which the network {network.name!r} has no layers for"
            )
        for layer, name in names.items():
            if layer in self._done:
                continue
            self._done.add(layer)
            if self._leniency.skips(layer):
                continue
            if not _has_weights(layer):
                self._no_weights(layers, layer, name)
            elif layer in self._given:
                with self._leniency.layer(layer):
                    self._parts(layers.group(name), layer)
            elif isinstance(layer, Network):
                with self._leniency.layer(layer):
                    self.network(layers.group(name), layer)
            else:
                with self._leniency.layer(layer):
                    self._layer(layers.group(name), layer)

    def _parts(self, group: GroupLike, given: Layer) -> None:
        for stored, layer in matched(group, given, ordered_specs):
            for number, spec in enumerate(ordered_specs(layer)):
                self.values.add(layer, spec.name, stored.group.array(str(number), spec.shape))

    def _no_weights(self, layers: GroupLike, layer: Layer, name: str) -> None:
        if name in layers and layers.is_group(name):
            group = layers.group(name)
            found = set(group.group("vars").names()) if group.is_group("vars") else set()
            if found - set(layer.stored_beside()):
                raise FileFormatError(
                    f"{group.path} holds weights for layer {layer.name!r} ({self._class_name(layer)}), which has none"
                )

    def _layer(self, group: GroupLike, layer: Layer) -> dict[str, Array]:
        stored = group.group("vars")
        name = stored.attribute("name")
        # Layers that a user's model makes itself are not in the configuration, so their names are not checked.
        checked = self._check_names and layer in self._classes
        if checked and name is not None and name != layer.name:
            raise FileFormatError(
                f"{group.path} holds the weights of layer {name!r}, where the configuration has {layer.name!r}"
            )
        specs = ordered_specs(layer)
        expected = [str(i) for i in range(len(specs))]
        if sorted(stored.names()) != sorted(expected):
            raise FileFormatError(
                f"{stored.path} holds {len(stored.names())} weights for layer {layer.name!r}, which has "
                f"{len(specs)}: {', '.join(s.name for s in specs)}"
            )
        arrays = {s.name: stored.array(k, s.shape) for k, s in zip(expected, specs, strict=True)}
        own = {spec.name for spec in layer.own_specs}
        for name, array in arrays.items():
            if name in own:
                self.values.add(layer, name, array)
        for key, part in layer.inner_layers.items():
            if part in self._done or self._leniency.skips(part):
                continue  # Keras stores a layer that is used in several places at the first
            self._done.add(part)
            if isinstance(part, Network):
                self.network(group.group(key), part)
                continue
            inner = self._layer(group.group(*_stored_name(group, key).split("/")), part)
            # SpectralNormalization: Keras stores the wrapped layer's kernel twice.
            if twice := [n for n in arrays if n not in own and not np.array_equal(arrays[n], inner[n])]:
                raise FileFormatError(f"{group.path} holds two different values of {twice[0]}")
        return arrays


def _is_empty_function(layers: GroupLike, name: str) -> bool:
    """Whether a group belongs to a TensorFlow function, which tf.keras counts as a layer, and has no weights."""
    if re.sub(r"_\d+$", "", name) not in FUNCTION_GROUPS or not layers.is_group(name):
        return False
    group = layers.group(name)
    return not group.is_group("vars") or not group.group("vars").names()


def _stored_name(group: GroupLike, key: str) -> str:
    """The group of an inner layer: releases of Keras differ in whether its name starts with an underscore."""
    other = key.removeprefix("_") if key.startswith("_") else f"_{key}"
    return other if key not in group and other in group else key


def class_name(layer: Layer) -> str:
    """The name of a layer's class in Keras; a user's class keeps its name."""
    return layer._keras_name()


def ordered_specs(layer: Layer) -> list[WeightSpec]:
    """A layer's weights in the order of files: trainable ones first (also if the layer is frozen)."""
    specs = layer.stored_specs
    return [s for s in specs if s.trainable] + [s for s in specs if not s.trainable]


def group_names(
    network: Network, name_of: Callable[[Layer], str] = class_name, twice: bool = False
) -> dict[Layer, str]:
    """The group of each of a network's layers: its class, numbered in the network's order.

    Args:
        network: whose layers are named.
        name_of: a layer's class name.
        twice: whether a layer with weights counts twice, as in files of Keras 2.12.
    """
    counts: dict[str, int] = {}
    names: dict[Layer, str] = {}
    for layer in network.layers:
        base = snake_case(name_of(layer))
        count = counts.get(base, 0)
        names[layer] = base if count == 0 else f"{base}_{count}"
        # Keras 2.12 lists a layer with weights twice, and counts both.
        counts[base] = count + (2 if twice and _has_weights(layer) else 1)
    return names


def _has_weights(layer: Layer) -> bool:
    if isinstance(layer, Network):
        return any(_has_weights(inner) for inner in layer.layers)
    return bool(layer.specs) or (layer.inner_network is not None and _has_weights(layer.inner_network))
