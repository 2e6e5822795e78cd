"""How a network in a file was compiled and how far its training had come: kept as data until it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldnet.errors import FileFormatError
from foldnet.files.hdf5 import Group, Hdf5File
from foldnet.layers.base import Layer
from foldnet.network import Network

Array = np.ndarray[Any, Any]

MAX_VARIABLES = 8
"""How many variables an optimizer may have for each weight, and on top."""


@dataclass(frozen=True)
class SavedTraining:
    """How a network in a file was compiled, and how far its training had come.

    It is kept as data and becomes a trainer when the network's ``trainer`` is first asked for, so that a network
    that only predicts loads nothing of the training.

    Attributes:
        config: ``compile_config`` or ``training_config``.
        state: the optimizer's variables in the file's order; None if it has none.
        problem: why the state could not be read, if it could not.
    """

    config: Mapping[str, Any]
    state: Sequence[Array] | None
    problem: str | None = None


def read_state(file: Hdf5File, network: Network) -> SavedTraining:
    """The optimizer's variables of a ``.keras`` archive, in order."""
    config = network.compile_config or {}
    try:
        if not file.root.is_group("optimizer"):
            return SavedTraining(config, None)
        group = file.root.group("optimizer", "vars")
        names = [str(i) for i in range(len(group.names()))]
        return SavedTraining(config, _arrays([(group, name) for name in names], network))
    except FileFormatError as error:
        return SavedTraining(config, None, str(error))


def read_legacy_state(file: Hdf5File, network: Network) -> SavedTraining:
    """The optimizer's variables of a ``.h5`` file, in order."""
    from foldnet.files.legacy import names_in

    config = network.compile_config or {}
    try:
        if not file.root.is_group("optimizer_weights"):
            return read_state(file, network)  # foldnet's own
        root = file.root.group("optimizer_weights")
        places = [name.rpartition("/") for name in names_in(root, "weight_names")]
        found = [(root.group(*folder.split("/")) if folder else root, last) for folder, _, last in places]
        return SavedTraining(config, _arrays(found, network))
    except FileFormatError as error:
        return SavedTraining(config, None, str(error))


def _arrays(places: Sequence[tuple[Group, str]], network: Network) -> list[Array]:
    """The datasets, each of which must have the shape of some weight or of a single number."""
    shapes = {(), *_shapes(network)}
    if len(places) > MAX_VARIABLES * (1 + len(network.specs)):
        raise FileFormatError(f"the file holds {len(places):,} variables of an optimizer")
    return [group.array(name, _one_of(group.shape(name), shapes, name)) for group, name in places]


def _shapes(layer: Layer) -> set[tuple[int, ...]]:
    return {spec.shape for spec in layer.specs}


def _one_of(shape: tuple[int, ...], shapes: set[tuple[int, ...]], name: str) -> tuple[int, ...]:
    if shape not in shapes:
        raise FileFormatError(f"variable {name!r} of the optimizer has the shape {shape} of no weight")
    return shape
