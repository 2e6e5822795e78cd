"""The weights of a network as a tree of objects with numbered values, as Keras 3 stores them.

``.keras`` archives and ``.weights.h5`` files (sharded or not) have this structure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.files.weights_v3 import group_names, ordered_specs
from foldnet.layers.base import Layer
from foldnet.network import Network

State = Sequence[Array]
"""The variables of an optimizer in Keras's order."""


@dataclass
class Tree:
    """An object with weights.

    Attributes:
        name: of the object, if it has one; ``layers`` has none.
        values: by number.
        children: objects in it, by name.
    """

    name: str | None = None
    values: dict[str, Array] = field(default_factory=dict)
    children: dict[str, Tree] = field(default_factory=dict)

    @staticmethod
    def of(nested: Mapping[str, Any]) -> Tree:
        """A tree from nested dicts (see ``nested``), without empty objects."""
        tree = Tree()
        for name, value in nested.items():
            if not isinstance(value, Mapping):
                tree.values[name] = value
            elif value:
                tree.children[name] = Tree.of(value)
        return tree

    def nested(self) -> dict[str, Any]:
        """Values and children as nested dicts, without empty objects."""
        inner = {name: child.nested() for name, child in self.children.items()}
        return {**self.values, **{name: child for name, child in inner.items() if child}}

    def walk(self, path: str = "") -> Iterator[tuple[str, Tree]]:
        """This object and all objects inside it, with their paths."""
        yield path, self
        for name, child in self.children.items():
            yield from child.walk(f"{path}/{name}")


def tree_of(network: Network, optimizer: tuple[str, State] | None = None, skip: Sequence[Any] = ()) -> Tree:
    """The weights of a network, and the state of its optimizer.

    Args:
        network: with built layers.
        optimizer: its name and variables; None to leave them out.
        skip: layers whose weights are left out.
    """
    tree = _network(network, {layer for layer in skip if isinstance(layer, Layer)})
    if optimizer is not None:
        tree.children["optimizer"] = optimizer_tree(*optimizer)
    return tree


def optimizer_tree(name: str, state: State) -> Tree:
    """The variables of an optimizer."""
    return Tree(name, _numbered(state))


def _numbered(values: Sequence[Array]) -> dict[str, Array]:
    return {str(index): np.asarray(value) for index, value in enumerate(values)}


def _network(network: Network, done: set[Layer]) -> Tree:
    layers = Tree()
    for layer, name in group_names(network).items():
        if layer in done:
            continue
        done.add(layer)
        layers.children[name] = _network(layer, done) if isinstance(layer, Network) else _layer(layer)
    return Tree(network.name, {}, {"layers": layers})


def _layer(layer: Layer) -> Tree:
    tree = Tree(layer.name, _numbered([stored_value(layer, spec.name) for spec in ordered_specs(layer)]))
    tree.values |= layer.stored_beside()
    for key, inner in layer.inner_layers.items():
        *folders, last = key.split("/")
        place = tree
        for folder in folders:
            place = place.children.setdefault(folder, Tree())
        place.children[last] = _network(inner, set()) if isinstance(inner, Network) else _layer(inner)
    return tree


def stored_value(layer: Layer, name: str) -> Array:
    """A weight as files store it: the count of a Normalization is a whole number."""
    value = layer.named_weights[name]
    return value.astype(np.int32) if name == "count" else value


def write_tree(group: Any, tree: Tree) -> None:
    """Write weights into an empty HDF5 group that is open for writing."""
    if tree.name is not None or tree.values:
        stored = group.create_group("vars")
        if tree.name is not None:
            stored.attrs["name"] = tree.name
        for name, value in tree.values.items():
            stored[name] = value
    for name, child in tree.children.items():
        write_tree(group.create_group(name), child)


def hdf5_image(tree: Tree) -> bytes:
    """An HDF5 file of weights as bytes, for an archive."""
    from io import BytesIO

    import h5py

    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        write_tree(file, tree)
    return buffer.getvalue()
