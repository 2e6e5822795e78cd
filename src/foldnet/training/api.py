"""From what a user hands over to what the trainer takes: the compiled network, and rows in its order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from foldnet.errors import ConfigError, InputError
from foldnet.network import Network
from foldnet.training.batches import batches, is_stream, unpack
from foldnet.training.compiled import Target, class_axis
from foldnet.training.data import (
    Rows,
    as_array,
    fit_shape,
    joined,
    same_length,
    sample_weights,
    split_structure,
)
from foldnet.training.eager import build_for
from foldnet.training.program import output_names
from foldnet.training.targets import check_classes
from foldnet.training.trainer import Trainer

Array = np.ndarray[Any, Any]


def trainer_for(network: Network, x: Any = None) -> Trainer:
    """The network's trainer; a Sequential without an input shape takes that of the data.

    Raises:
        ConfigError: the network was not compiled.
    """
    if x is not None and not network.built:
        build_for(network, x)
    network.finish_compile()
    trainer = network.trainer
    if not isinstance(trainer, Trainer):
        raise ConfigError(
            f'{network.name!r} must be compiled before it is trained: model.compile("adam", "mse")'
        )
    if all(loss is None for loss in trainer.compiled.losses):
        raise ConfigError(
            f'{network.name!r} was compiled without a loss, so it can predict only: model.compile("adam", "mse")'
        )
    return trainer


def input_keys(network: Network) -> list[str]:
    """The keys of a dict of inputs: those the network was made with, else the names of its input layers."""
    structure = network.input_structure
    return sorted(structure) if isinstance(structure, Mapping) else network.input_names


def gather(
    network: Network,
    x: Any,
    y: Any,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
) -> Rows:
    """Rows for a network from what the user gave: arrays, tables, lists or dicts of them.

    Raises:
        ConfigError: weights that cannot be.
        InputError: shapes or numbers of rows do not fit, or targets are missing.
    """
    if x is None or y is None:
        raise InputError("training and evaluation need rows and targets: give x and y")
    keys, names = input_keys(network), output_names(network)
    if class_weight is not None and len(names) > 1:
        raise ConfigError("class_weight is for networks with one output; give sample_weight for each output")
    inputs = [
        np.ascontiguousarray(
            fit_shape(as_array(v, f"input {key!r}"), tensor.shape, f"input {key!r}"),
            np.int32 if tensor.dtype.startswith(("int", "uint", "bool")) else np.float32,
        )
        for key, tensor, v in zip(keys, network.inputs, split_structure(x, keys, "x"), strict=True)
    ]
    targets = [
        np.ascontiguousarray(as_array(v, f"target {name!r}"), np.float32)
        for name, v in zip(names, split_structure(y, names, "y"), strict=True)
    ]
    rows = same_length([*zip(keys, inputs, strict=True), *zip(names, targets, strict=True)])
    _check_labels(network, targets)
    single = not isinstance(sample_weight, Mapping | list | tuple) or len(names) == 1
    weights = [sample_weight] * len(names)
    if not single:
        weights = split_structure(sample_weight, names, "sample_weight")
    return Rows(
        inputs,
        targets,
        [
            sample_weights(w, class_weight, t, rows, output.shape)
            for w, t, output in zip(weights, targets, network.outputs, strict=True)
        ],
    )


def _check_labels(network: Network, targets: list[Array]) -> None:
    """Refuse class numbers that the output has no place for: their rows would silently count nothing."""
    compiled = trainer_for(network).compiled
    for i, (values, output, loss) in enumerate(zip(targets, network.outputs, compiled.losses, strict=True)):
        target = Target((None, *values.shape[1:]), False)
        takers = [loss, *compiled.metrics[i], *compiled.weighted_metrics[i]]
        found = [class_axis(entry, target, output.shape) for entry in takers if entry is not None]
        places = dict.fromkeys(place for place in found if place is not None)
        spared = next((ignored for _, ignored in places if ignored is not None), None)
        for axis in dict.fromkeys(axis for axis, _ in places):
            classes = output.shape[axis]
            if classes is not None:
                check_classes(values, classes, f"output {output.name!r}", spared, "it has")


def split_validation(count: int, share: float) -> int:
    """How many rows are trained on where the last ``share`` of them validate, before any shuffling.

    Raises:
        ConfigError: a share that leaves nothing on one side.
    """
    cut = int(np.floor(count * (1 - share)))
    if not 0 < cut < count:
        raise ConfigError(
            f"validation_split={share} of {count} rows leaves nothing to train or validate with"
        )
    return cut


def validation_rows(network: Network, data: Any, steps: int | None, size: int) -> Rows:
    """The rows of ``validation_data``: a tuple of arrays, or batches, of which at most ``steps`` are taken."""
    if not is_stream(data):
        rows = gather(network, *unpack(data))
        return rows if steps is None else rows.part(0, steps * size)
    parts = []
    for batch in batches(data):
        parts.append(gather(network, *unpack(batch)))
        if steps is not None and len(parts) >= steps:
            break
    if not parts:
        raise InputError("validation_data gave no batch of rows")
    return joined(parts)
