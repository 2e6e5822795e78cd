"""Whole models and weights in the HDF5 layout that Keras has used since version 1.

There is one group per top-level layer; its datasets have the weights' names. The order in which the file lists
them depends on what was frozen when it was saved, so weights are found by name. Only if names are ambiguous
(Keras renamed scopes when a model was rebuilt) the order is used, and then the names must agree with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from foldnet.errors import FileFormatError
from foldnet.files import strict_json
from foldnet.files.fill_weights import STRICT, Leniency, Values
from foldnet.files.hdf5 import Group, Hdf5File
from foldnet.files.read_config import Reader
from foldnet.files.saved_training import read_legacy_state
from foldnet.layers.base import Layer
from foldnet.layers.weight import WeightSpec
from foldnet.network import Network

ALIASES = {
    "W": ("kernel", "embeddings"),
    "b": ("bias",),
    "running_mean": ("moving_mean",),
    "running_std": ("moving_variance",),  # so called in Keras 1, but it is the variance
    "running_variance": ("moving_variance",),
    "alphas": ("alpha",),
}

Leaf = tuple[Layer, WeightSpec]


def load_legacy(
    file: Hdf5File, activations: Mapping[str, Callable[..., Any]] | None, dtype: str | None, compile: bool
) -> Network:
    """The network in a legacy HDF5 file."""
    config = file.root.attribute("model_config")
    if config is None:
        if "layer_names" in file.root.attribute_names() or "layers" in file.root:
            raise FileFormatError(
                "it holds weights only, not a network; build the network and call its load_weights with this file"
            )
        raise FileFormatError("it is an HDF5 file, and not one that Keras saved: it has no model_config")
    if not isinstance(config, str):
        raise FileFormatError("its model_config should be text")
    stored = strict_json.parse(config, "model_config")
    version = file.root.attribute("keras_version")
    group = file.root.group("model_weights")
    if version is None:
        version = group.attribute("keras_version")
    version = version if isinstance(version, str) else None
    reader = Reader(_dialect(version, stored), activations or {}, dtype)
    network = reader.network(stored)
    read_legacy_weights(group, network).fill()
    network.keras_version = version
    training = file.root.attribute("training_config")
    if isinstance(training, str):
        network.compile_config = strict_json.parse(training, "training_config")
        if compile:
            saved = read_legacy_state(file, network)
            network.saved_training = replace(saved, supplied=activations or {})
    return network


def _dialect(version: str | None, stored: Mapping[str, Any]) -> int:
    head = (version or "").split(".")[0]
    if head in ("1", "2", "3"):
        return int(head)
    # Keras up to 1.0.x stored no version. Its Dense had an output_dim.
    return 1 if '"output_dim"' in repr(stored).replace("'", '"') else 2


def weights_group(file: Hdf5File) -> Group | None:
    """The group of a legacy file that contains the layers' groups; None if the file has another layout."""
    if file.root.is_group("model_weights"):
        return file.root.group("model_weights")
    names = file.root.attribute_names()
    return file.root if "layer_names" in names or "layer_names0" in names else None


def read_legacy_weights(group: Group, network: Network, leniency: Leniency = STRICT) -> Values:
    """Read the weights of every layer of the network, except those that may be missing.

    Raises:
        FileFormatError: the file does not hold this network's weights.
    """
    values = Values()
    stored = set(names_in(group, "layer_names"))
    for layer in network.layers:
        leaves = list(leaves_of(layer))
        if layer.name not in stored:
            if leaves and not leniency.by_name:
                with leniency.layer(layer):
                    raise FileFormatError(
                        f"it has no weights for layer {layer.name!r}; it has {sorted(stored)[:20]}"
                    )
            continue
        stored.discard(layer.name)
        home = group.group(*layer.name.split("/"))
        with leniency.layer(layer):
            _read_layer(home, layer, leaves, values)
    for name in sorted(stored) if not (leniency.by_name or leniency.skip_mismatch) else ():
        if names_in(group.group(*name.split("/")), "weight_names"):
            raise FileFormatError(f"it holds weights for a layer {name!r}, which the network does not have")
    return values


def names_in(group: Group, attribute: str) -> list[str]:
    """A list of names; Keras splits a long one over several attributes."""
    value = group.attribute(attribute)
    if value is None:
        value, index = [], 0
        while (part := group.attribute(f"{attribute}{index}")) is not None:
            value += strict_json.listing(part, attribute)
            index += 1
    names = strict_json.listing(value, f"attribute {attribute!r} of {group.path or '/'}")
    return [strict_json.text(name, attribute) for name in names]


def leaves_of(layer: Layer) -> Iterator[Leaf]:
    """Every weight in a layer or nested network, in the order in which Keras lists ``layer.weights``."""
    both = list(_created(layer, True))
    yield from ((inner, spec) for inner, spec, trainable in both if trainable)
    yield from ((inner, spec) for inner, spec, trainable in both if not trainable)


def _created(layer: Layer, trainable: bool) -> Iterator[tuple[Layer, WeightSpec, bool]]:
    trainable = trainable and layer.trainable
    if isinstance(layer, Network):
        seen = set()
        for inner in layer.layers:
            if inner not in seen:
                seen.add(inner)
                yield from _created(inner, trainable)
        return
    for inner in layer.inner_layers.values():
        yield from _created(inner, trainable)
    for spec in layer.own_specs:
        yield layer, spec, trainable and spec.trainable


def _read_layer(group: Group, layer: Layer, leaves: list[Leaf], values: Values) -> None:
    names = names_in(group, "weight_names")
    if len(set(names)) != len(names):
        raise FileFormatError(f"{group.path} lists a weight twice: {names[:20]}")
    if len(names) != len(leaves):
        raise FileFormatError(
            f"{group.path} holds {len(names)} weights for layer {layer.name!r}, which has {len(leaves)}: "
            f"{', '.join(spec.name for _, spec in leaves)}"
        )
    places = _by_name(names, leaves) or _by_order(names, leaves)
    if places is None:
        raise FileFormatError(
            f"{group.path} names its weights {names[:20]}, which do not match the weights of layer "
            f"{layer.name!r}: {[f'{inner.name}/{spec.name}' for inner, spec in leaves][:20]}"
        )
    found = []
    for name, (inner, spec) in places.items():
        *folders, last = name.split("/")
        found.append((inner, spec.name, group.group(*folders).array(last, spec.shape)))
    for inner, title, array in found:
        values.add(inner, title, array)


def _by_name(names: list[str], leaves: list[Leaf]) -> dict[str, Leaf] | None:
    """Match weights by layer name and weight name; None unless every name matches exactly one weight."""
    only = len({layer for layer, _ in leaves}) == 1
    places: dict[str, Leaf] = {}
    for name in names:
        fits = [leaf for leaf in leaves if _fits(name, leaf, only)]
        if len(fits) != 1:
            return None
        places[name] = fits[0]
    return places if len(set(map(id, places.values()))) == len(leaves) else None


def _fits(name: str, leaf: Leaf, only: bool) -> bool:
    layer, spec = leaf
    *scopes, last = name.split("/")
    if not is_weight(last, spec.name, layer.name):
        return False
    parts = layer.name.split("/")
    flat = not scopes and last.startswith(f"{layer.name}_")
    return only or flat or scopes[-len(parts) :] == parts


def _by_order(names: list[str], leaves: list[Leaf]) -> dict[str, Leaf] | None:
    """Match weights by order; None unless every name ends like the weight at its position."""
    for name, (_, spec) in zip(names, leaves, strict=True):
        last = name.rsplit("/", 1)[-1]
        if not is_weight(last, spec.name, None) and not re.fullmatch(r"param_\d+(:0)?", last):
            return None
    return dict(zip(names, leaves, strict=True))


def is_weight(stored: str, name: str, layer: str | None) -> bool:
    """Whether ``kernel:0``, ``kernel_1:0``, ``dense_1_W`` or the like is the weight called ``name``."""
    stored = re.sub(r":\d+$", "", stored)
    candidates = {stored, re.sub(r"_\d+$", "", stored)}
    if layer is not None:
        candidates |= {c.removeprefix(f"{layer}_") for c in candidates}
    else:
        candidates |= {stored.endswith(f"_{old}") and old for old in (*ALIASES, name)} - {False}  # type: ignore[arg-type]
    return any(c == name or name in ALIASES.get(c, ()) for c in candidates)
