"""The compile settings and optimizer state in a file, kept as data until they are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from foldnet.arrays import Array
from foldnet.errors import FileFormatError
from foldnet.files.hdf5 import Hdf5File
from foldnet.files.hdf5.merged import GroupLike
from foldnet.network import Network
from foldnet.training.optimizer_layout import Layout

MAX_VARIABLES = 8
"""Largest number of an optimizer's variables per weight, and of its own variables."""


@dataclass(frozen=True)
class SavedTraining:
    """The compile settings and optimizer state of a network in a file.

    It becomes a trainer when the network's ``trainer`` is first used, so that a network
    that only predicts does not load the training package.

    Attributes:
        config: ``compile_config`` or ``training_config``.
        state: the optimizer's variables in the file's order; None if it has none.
        layout: which order that is.
        problem: why the state could not be read; None if it could.
        supplied: the caller's classes and functions, by name.
    """

    config: Mapping[str, Any]
    state: Sequence[Array] | None
    layout: Layout = Layout.KERAS_3
    problem: str | None = None
    supplied: Mapping[str, Any] = field(default_factory=dict)


def read_state(root: GroupLike, network: Network, keras_3: bool) -> SavedTraining:
    """Read the optimizer's variables of a ``.keras`` archive, in order.

    Args:
        root: of the archive's weights.
        network: that they belong to.
        keras_3: whether Keras 3 wrote it, or an earlier version.
    """
    config = network.compile_config or {}
    try:
        if not root.is_group("optimizer"):
            return SavedTraining(config, None)
        group = root.group("optimizer", "vars")
        names = [str(i) for i in range(len(group.names()))]
        arrays = _arrays([(group, name) for name in names], network)
        return SavedTraining(config, arrays, Layout.KERAS_3 if keras_3 else _older_layout(config))
    except FileFormatError as error:
        return SavedTraining(config, None, problem=str(error))


def _older_layout(config: Mapping[str, Any]) -> Layout:
    """The layout of an archive of before Keras 3: tf.keras's new optimizers have ``is_legacy_optimizer=False``."""
    optimizer = config.get("optimizer")
    settings = optimizer.get("config") if isinstance(optimizer, Mapping) else None
    new = isinstance(settings, Mapping) and settings.get("is_legacy_optimizer") is False
    return Layout.TF_KERAS if new else Layout.OPTIMIZER_V2


def read_legacy_state(file: Hdf5File, network: Network) -> SavedTraining:
    """Read the optimizer's variables of a ``.h5`` file, in order."""
    from foldnet.files.legacy import names_in

    config = network.compile_config or {}
    try:
        if not file.root.is_group("optimizer_weights"):
            return read_state(file.root, network, keras_3=True)  # foldnet's own
        root = file.root.group("optimizer_weights")
        names = names_in(root, "weight_names")
        places = [name.rpartition("/") for name in names]
        found = [(root.group(*folder.split("/")) if folder else root, last) for folder, _, last in places]
        return SavedTraining(config, _arrays(found, network), _named_layout(names))
    except FileFormatError as error:
        return SavedTraining(config, None, problem=str(error))


def _named_layout(names: Sequence[str]) -> Layout:
    """The layout by the name of the first variable, the number of steps, which each generation names differently."""
    first = names[0].rpartition("/")[2] if names else ""
    layouts = {"iteration": Layout.KERAS_3, "iteration:0": Layout.TF_KERAS, "iter:0": Layout.OPTIMIZER_V2}
    if first not in layouts:
        raise FileFormatError(
            f"its optimizer's first variable is called {first!r}, which no release of Keras that foldnet knows does"
        )
    return layouts[first]


def _arrays(places: Sequence[tuple[GroupLike, str]], network: Network) -> list[Array]:
    """Read the datasets; each must have the shape of a weight or of a single number."""
    weights = network.weights
    shapes = {(), *(weight.shape for weight in weights)}
    if len(places) > MAX_VARIABLES * (1 + len(weights)):
        raise FileFormatError(f"the file holds {len(places):,} variables of an optimizer")
    return [group.array(name, _one_of(group.shape(name), shapes, name)) for group, name in places]


def _one_of(shape: tuple[int, ...], shapes: set[tuple[int, ...]], name: str) -> tuple[int, ...]:
    if shape not in shapes:
        raise FileFormatError(
            f"variable {name!r} of the optimizer has the shape {shape}, which no weight has"
        )
    return shape
