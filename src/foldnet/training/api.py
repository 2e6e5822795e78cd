"""Keras's training methods, as ``Network`` offers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from foldnet.errors import ConfigError, InputError
from foldnet.network import Network
from foldnet.training.data import Rows, as_array, fit_shape, same_length, sample_weights, split_structure
from foldnet.training.program import output_names
from foldnet.training.trainer import Trainer

Array = np.ndarray[Any, Any]


def trainer_of(network: Network) -> Trainer:
    """The network's trainer.

    Raises:
        ConfigError: the network was not compiled.
    """
    trainer = network.trainer
    if not isinstance(trainer, Trainer):
        raise ConfigError(
            f'{network.name!r} must be compiled before it is trained: model.compile("adam", "mse")'
        )
    return trainer


def gather(
    network: Network,
    x: Any,
    y: Any,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
) -> Rows:
    """Rows for a network from what the user gave: arrays, tables, lists or dicts of them.

    Raises:
        InputError: shapes or numbers of rows do not fit, or targets are missing.
    """
    if y is None:
        raise InputError("training and evaluation need targets: give y")
    inputs = [
        fit_shape(as_array(v, f"input {name!r}"), tensor.shape, f"input {name!r}")
        for name, tensor, v in zip(
            network.input_names, network.inputs, split_structure(x, network.input_names, "x"), strict=True
        )
    ]
    inputs = [
        np.ascontiguousarray(a, np.int32 if t.dtype.startswith(("int", "uint")) else np.float32)
        for a, t in zip(inputs, network.inputs, strict=True)
    ]
    names = output_names(network)
    targets = [
        np.ascontiguousarray(as_array(v, f"target {name!r}"), np.float32)
        for name, v in zip(names, split_structure(y, names, "y"), strict=True)
    ]
    rows = same_length([*zip(network.input_names, inputs, strict=True), *zip(names, targets, strict=True)])
    single = sample_weight is None or not isinstance(sample_weight, Mapping | list | tuple) or len(names) == 1
    weights = (
        [sample_weight] * len(names) if single else split_structure(sample_weight, names, "sample_weight")
    )
    return Rows(
        inputs,
        targets,
        [sample_weights(w, class_weight, t, rows) for w, t in zip(weights, targets, strict=True)],
    )


def split_validation(rows: Rows, share: float) -> tuple[Rows, Rows]:
    """The rows to train on, and the last ``share`` of them to validate with, before any shuffling.

    Raises:
        ConfigError: a share that leaves nothing on one side.
    """
    cut = int(len(rows) * (1 - share))
    if not 0 < cut < len(rows):
        raise ConfigError(
            f"validation_split={share} of {len(rows)} rows leaves nothing to train or validate with"
        )
    return rows.part(0, cut), rows.part(cut, len(rows))


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """``(x, y)`` or ``(x, y, sample_weight)``, as validation data and batches of an iterator come."""
    if not isinstance(data, Sequence) or not 2 <= len(data) <= 3:
        raise InputError("expected (x, y) or (x, y, sample_weight)")
    return (data[0], data[1], data[2] if len(data) == 3 else None)
