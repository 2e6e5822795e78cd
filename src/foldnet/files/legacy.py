"""Whole models and weights in the HDF5 layout that Keras has used since version 1.

There is one group per top-level layer; its datasets have the weights' names. The order in which the file lists
them depends on what was frozen when it was saved, so weights are found by name. Only if names are ambiguous
(Keras renamed scopes when a model was rebuilt) the order is used, and then the names must agree with it.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from foldnet.arrays import Array
from foldnet.errors import FileFormatError
from foldnet.files import strict_json
from foldnet.files.fill_weights import STRICT, Leniency, Values
from foldnet.files.hdf5 import Group, Hdf5File
from foldnet.files.old_kernels import MODERN, Origin, is_theano, read_weight
from foldnet.files.old_recurrent import by_weight, check_bias, cudnn_cells, from_cudnn, joined
from foldnet.files.read_config import Reader
from foldnet.files.reading import Reading
from foldnet.files.releases import Release
from foldnet.files.saved_training import read_legacy_state
from foldnet.files.substitutes import Leaf, in_order
from foldnet.layers.base import Layer
from foldnet.layers.weight import WeightSpec
from foldnet.network import Network

ALIASES = {
    "W": ("kernel", "embeddings"),
    "U": ("recurrent_kernel",),
    "b": ("bias",),
    "running_mean": ("moving_mean",),
    "running_std": ("moving_variance",),  # so called in Keras 1, but it is the variance
    "running_variance": ("moving_variance",),
    "alphas": ("alpha",),
    "depthwise_kernel": ("kernel",),
}


def load_legacy(file: Hdf5File, reading: Reading) -> Network:
    """The network in a legacy HDF5 file."""
    config = file.root.attribute("model_config")
    if config is None:
        if weights_group(file) is not None or "layers" in file.root:
            raise FileFormatError(
                "it holds weights only, not a network. If a .json beside it has the architecture, open both: "
                "load_model(architecture=..., weights=...); otherwise build the network and call its load_weights"
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
    release = Release(version, dialect_of(version, stored))
    origin = origin_of(group, release, file.root.attribute("backend"))
    reader = Reader.of(release, reading, origin.theano)
    network = reader.network(stored)
    read_legacy_weights(group, network, origin, given=reader.given).fill()
    network.keras_version = version
    training = file.root.attribute("training_config")
    if isinstance(training, str):
        network.compile_config = strict_json.parse(training, "training_config")
        if reading.compile:
            saved = read_legacy_state(file, network)
            if origin.theano and saved.state is not None:
                saved = replace(saved, state=None, problem="it is of Theano, whose kernels are turned here")
            network.saved_training = replace(saved, supplied=reading.objects)
    return network


def release_of(stored: Mapping[str, Any]) -> Release:
    """The release of Keras that stored a configuration as JSON."""
    version = stored.get("keras_version")
    version = version if isinstance(version, str) else None
    return Release(version, dialect_of(version, stored))


def dialect_of(version: str | None, stored: Mapping[str, Any]) -> int:
    """The major version of the Keras that stored a configuration."""
    head = (version or "").split(".")[0]
    if head in ("1", "2", "3"):
        return int(head)
    if "registered_name" in stored:
        return 3  # the JSON of Keras 3 has no version
    # Keras up to 1.0.x stored no version. Its Dense had an output_dim.
    return 1 if '"output_dim"' in repr(stored).replace("'", '"') else 2


def weights_group(file: Hdf5File) -> Group | None:
    """The group of a legacy file that contains the layers' groups; None if the file has another layout."""
    if file.root.is_group("model_weights"):
        return file.root.group("model_weights")
    names = file.root.attribute_names()
    return file.root if "layer_names" in names or "layer_names0" in names else None


def origin_of(group: Group, release: Release, backend: object = None) -> Origin:
    """Where the weights of a legacy file come from.

    Args:
        group: of the layers' groups.
        release: of Keras that wrote the file.
        backend: its name, if it is stored elsewhere.
    """
    stored = group.attribute("backend")
    names: list[str] = []
    if stored is None and backend is None and release.keras == 1:
        layers = names_in(group, "layer_names")
        names = [
            name for layer in layers for name in names_in(group.group(*layer.split("/")), "weight_names")
        ]
    return Origin(release, is_theano(release.keras, stored if stored is not None else backend, names))


def weights_origin(file: Hdf5File, group: Group, architecture: Release | None) -> Origin:
    """Where the weights of a legacy file come from, which may hold them alone.

    Args:
        file: open for reading.
        group: of the layers' groups in it.
        architecture: the release of Keras that wrote the architecture; None if that is not known.
    """
    stored = (file.root.attribute("keras_version"), group.attribute("keras_version"))
    version = next((v for v in stored if isinstance(v, str)), None)
    release = Release(version, dialect_of(version, {}))
    if version is None:
        release = architecture or Release(None, 1)  # the only release that stored none
    return origin_of(group, release, file.root.attribute("backend"))


def read_legacy_weights(
    group: Group,
    network: Network,
    origin: Origin = MODERN,
    leniency: Leniency = STRICT,
    given: Container[Layer] = (),
) -> Values:
    """Read the weights of every layer of the network, except those that may be missing.

    Args:
        group: of the layers' groups.
        network: with built layers.
        origin: where the weights come from.
        leniency: which weights may be missing, and whether order counts where names differ.
        given: layers and networks that the caller gave for single layers of the file.

    Raises:
        FileFormatError: the file does not hold this network's weights.
    """
    values = Values()
    homes = {name: group.group(*name.split("/")) for name in names_in(group, "layer_names")}
    stored = {name: names_in(home, "weight_names") for name, home in homes.items()}
    for layer, name in _homes(network, stored, leniency):
        leaves = list(leaves_of(layer))
        with leniency.layer(layer):
            if name is None:
                raise FileFormatError(
                    f"it has no weights for layer {layer.name!r}; it has {sorted(homes)[:20]}"
                )
            names = stored.pop(name)
            if len(set(names)) != len(names):
                raise FileFormatError(f"{homes[name].path} lists a weight twice: {names[:20]}")
            made = by_weight(names) if origin.release.keras == 1 else {title: (title,) for title in names}
            places = _places(homes[name], made, layer, leaves, layer in given)
            cudnn = cudnn_cells((_shape(homes[name], made[title]), *leaf) for title, leaf in places.items())
            values.with_sigmoid |= cudnn
            for one in _arrays(homes[name], made, places, origin, cudnn):
                values.add(*one)
    for name in sorted(stored) if not (leniency.by_name or leniency.skip_mismatch) else ():
        if stored[name]:
            raise FileFormatError(f"it holds weights for a layer {name!r}, which the network does not have")
    return values


def _arrays(
    home: Group,
    made: Mapping[str, tuple[str, ...]],
    places: Mapping[str, Leaf],
    origin: Origin,
    cudnn: Container[Layer],
) -> list[tuple[Layer, str, Array]]:
    """The weights of a layer: whose each is, its name, and its numbers."""
    found = []
    for title, (inner, spec) in places.items():
        folders = made[title][0].split("/")[:-1]
        folder, (last, *more) = home.group(*folders), [name.rpartition("/")[2] for name in made[title]]
        if more:
            array = joined(folder, [last, *more], spec)
        elif inner in cudnn:
            array = from_cudnn(folder, last, inner, spec)
        else:
            check_bias(folder, last, inner, spec)
            array = read_weight(folder, last, inner, spec, origin)
        found.append((inner, spec.name, array))
    return found


def _shape(home: Group, names: Sequence[str]) -> tuple[int, ...]:
    """The shape of a weight that is stored under one name, or gate by gate under several."""
    folder, _, last = names[0].rpartition("/")
    shape = home.group(*(folder.split("/") if folder else ())).shape(last)
    return shape if len(names) == 1 else (*shape[:-1], shape[-1] * len(names))


def _homes(
    network: Network, stored: Mapping[str, list[str]], leniency: Leniency
) -> list[tuple[Layer, str | None]]:
    """The group of each layer of the network: the one of its name, or the one at its place, where this may decide."""
    having = [
        layer for layer in network.layers if layer.name in stored or any(True for _ in leaves_of(layer))
    ]
    known = [(layer, layer.name if layer.name in stored else None) for layer in having]
    if leniency.by_name:
        return [(layer, name) for layer, name in known if name is not None]
    filled = [name for name, weights in stored.items() if weights]
    needing = [layer for layer in network.layers if any(True for _ in leaves_of(layer))]
    if leniency.in_order and any(name is None for _, name in known) and len(needing) == len(filled):
        return list(zip(needing, filled, strict=True))
    return known


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
    """Every weight in a layer or nested network once, in the order in which Keras lists ``layer.weights``."""
    found: dict[tuple[Layer, str], tuple[WeightSpec, bool]] = {}
    for inner, spec, trainable in _created(layer, True):
        found.setdefault((inner, spec.name), (spec, trainable))
    yield from ((inner, spec) for (inner, _), (spec, trainable) in found.items() if trainable)
    yield from ((inner, spec) for (inner, _), (spec, trainable) in found.items() if not trainable)


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


def _places(
    group: Group, made: Mapping[str, tuple[str, ...]], layer: Layer, leaves: list[Leaf], given: bool
) -> Mapping[str, Leaf]:
    """Which weight each name means."""
    names = list(made)
    if len(names) != len(leaves):
        raise FileFormatError(
            f"{group.path} holds {len(names)} weights for layer {layer.name!r}, which has {len(leaves)}: "
            f"{', '.join(spec.name for _, spec in leaves)}"
        )
    places = _by_name(names, leaves)
    if given and places is None:
        shapes = [(name, _shape(group, made[name])) for name in names]
        return dict(zip(names, in_order(layer, shapes, leaves), strict=True))
    places = places or _by_order(names, leaves)
    if places is None:
        raise FileFormatError(
            f"{group.path} names its weights {names[:20]}, which do not match the weights of layer "
            f"{layer.name!r}: {[f'{inner.name}/{spec.name}' for inner, spec in leaves][:20]}"
        )
    return places


def matched(names: list[str], leaves: list[Leaf]) -> list[Leaf] | None:
    """The weight that each name means, by the names of layers where these are unique, or else by the order."""
    places = _by_name(names, leaves) or _by_order(names, leaves)
    # Of weights with the same name, a dict by name would keep one.
    return (
        None if places is None else [places[name] for name in names] if len(places) == len(names) else leaves
    )


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


KERAS_NAMES = frozenset({
    "kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "embeddings", "alpha", "recurrent_kernel",
    "depthwise_kernel", "pointwise_kernel",
})  # fmt: skip
"""Names of weights of Keras's layers, which say what a weight is."""


def _by_order(names: list[str], leaves: list[Leaf]) -> dict[str, Leaf] | None:
    """Match weights by order; None if a name says that it is another weight than the one at its position."""
    known = {*KERAS_NAMES, *(spec.name for _, spec in leaves)}
    for name, (_, spec) in zip(names, leaves, strict=True):
        last = name.rsplit("/", 1)[-1]
        if not is_weight(last, spec.name, None) and any(is_weight(last, other, None) for other in known):
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
