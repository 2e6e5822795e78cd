"""Convert the user's data to what the trainer takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError, InputError
from foldnet.graph.texts import Texts
from foldnet.layers.tensors import SymbolicTensor
from foldnet.lowering.texts import text_tables
from foldnet.nested_data import arranged
from foldnet.network import Network
from foldnet.optional_inputs import absent_of, present
from foldnet.structure import is_flat, is_nested
from foldnet.training.arguments import limited_steps
from foldnet.training.batches import batches, count_of, is_stream, unpack
from foldnet.training.compiled import Compiled, Target, class_axis
from foldnet.training.data import (
    Rows,
    as_array,
    fit_shape,
    is_arraylike,
    joined,
    same_length,
    sample_weights,
)
from foldnet.training.eager import build_for
from foldnet.training.program import output_names
from foldnet.training.targets import check_classes
from foldnet.training.trainer import Trainer


def trainer_for(network: Network, x: Any = None) -> Trainer:
    """The network's trainer; a Sequential without an input shape is built for the data's shape.

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
    if not trainer.compiled.terms:
        raise ConfigError(
            f'{network.name!r} was compiled without a loss, so it can predict only: model.compile("adam", "mse")'
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
        ConfigError: invalid weights.
        InputError: wrong shapes, different numbers of rows, or missing targets.
    """
    if x is None or y is None:
        raise InputError("training and evaluation need rows and targets: give x and y")
    keys, names = network.input_names, output_names(network)
    if class_weight is not None and len(names) > 1:
        raise ConfigError("class_weight is for networks with one output; give sample_weight for each output")
    compiled = trainer_for(network).compiled
    entries = arranged(x, network.input_structure, keys, "x")
    absent = absent_of(network, entries)
    tables = text_tables(network)
    inputs = [
        _input_rows(v, tensor, tables.get(tensor), key)
        for key, tensor, v in zip(keys, network.inputs, entries, strict=True)
        if key not in absent
    ]
    given = _targets(network, compiled, y, names)
    # An output without loss and metrics gets zeros as targets, because a program takes targets for every output.
    targets = [
        np.zeros((len(inputs[0]), 1), np.float32)
        if v is None
        else np.ascontiguousarray(as_array(v, f"target {name!r}"), np.float32)
        for name, v in zip(names, given, strict=True)
    ]
    rows = same_length(
        [*((f"input {t.name!r}", a) for t, a in zip(present(network, absent), inputs, strict=True)),
         *((f"target {k!r}", a) for k, a in zip(names, targets, strict=True))]
    )  # fmt: skip
    _check_labels(network, targets)
    weights = _weights(network, compiled, sample_weight, names)
    return Rows(
        inputs,
        targets,
        [
            sample_weights(w, class_weight, t, rows, output.shape)
            for w, t, output in zip(weights, targets, network.outputs, strict=True)
        ],
        absent,
    )


def _input_rows(value: Any, tensor: SymbolicTensor, texts: Texts | None, key: str) -> Array:
    """The data of an input as its program takes it; texts as their codes."""
    what = f"input {key!r}"
    if texts is not None:
        return np.ascontiguousarray(fit_shape(texts.read(value, key), tensor.shape, what))
    whole = tensor.dtype.startswith(("int", "uint", "bool"))
    rows = fit_shape(as_array(value, what), tensor.shape, what)
    return np.ascontiguousarray(rows, np.int32 if whole else np.float32)


def _targets(network: Network, compiled: Compiled, y: Any, names: Sequence[str]) -> list[Any]:
    """The targets of each output; None for an output that needs none.

    Raises:
        InputError: they are not nested like the outputs.
    """
    needed = [name for name, n in zip(names, compiled.needed, strict=True) if n]
    if len(names) > 1 and len(needed) < len(names):
        found = _partial(y, names, needed)
        if found is not None:
            return [found.get(name) for name in names]
    targets = arranged(y, network.output_structure, names, "y")
    if missing := [n for n, t in zip(names, targets, strict=True) if t is None and n in needed]:
        raise InputError(f"y has None for {missing}, which have a loss or a metric")
    return [t if name in needed else None for name, t in zip(names, targets, strict=True)]


def _partial(y: Any, names: Sequence[str], needed: Sequence[str]) -> dict[str, Any] | None:
    """Targets given only for the outputs that need them; None if y is not given that way."""
    if isinstance(y, Mapping):
        inside = set(needed) <= set(y) <= set(names)
        return {name: y[name] for name in needed} if inside else None
    if isinstance(y, list | tuple) and len(y) == len(needed) < len(names) and all(map(is_arraylike, y)):
        return dict(zip(needed, y, strict=True))
    return {needed[0]: y} if len(needed) == 1 and is_arraylike(y) else None


def _weights(network: Network, compiled: Compiled, weight: Any, names: Sequence[str]) -> list[Any]:
    """The sample weights of each output: the same for all, or one per output."""
    if len(names) == 1 or not isinstance(weight, Mapping | list | tuple) or not _has_arrays(weight):
        return [weight] * len(names)
    if any(len(term.places) > 1 for term in compiled.terms):
        raise InputError(
            "a loss over several outputs takes one sample_weight for all of them, one number per row"
        )
    if isinstance(weight, Mapping) and is_flat(network.output_structure):
        if unknown := [key for key in weight if key not in names]:
            raise InputError(f"sample_weight names {unknown}, but the outputs are {list(names)}")
        needed = [n for n, wanted in zip(names, compiled.needed, strict=True) if wanted]
        if missing := [n for n in needed if n not in weight]:
            raise InputError(
                f"sample_weight has no entry for {missing}; give None for outputs without weights"
            )
        return [weight.get(name) for name in names]
    return arranged(weight, network.output_structure, names, "sample_weight")


def _has_arrays(weight: Any) -> bool:
    return isinstance(weight, Mapping) or any(v is None or np.ndim(v) or is_nested(v) for v in weight)


def _check_labels(network: Network, targets: list[Array]) -> None:
    """Refuse class numbers that are too large for the output; their rows would silently add nothing."""
    compiled = trainer_for(network).compiled
    for i, (values, output, loss) in enumerate(zip(targets, network.outputs, compiled.losses, strict=True)):
        target = Target((None, *values.shape[1:]), False)
        entries = [loss, *compiled.metrics[i], *compiled.weighted_metrics[i]]
        found = [class_axis(entry, target, output.shape) for entry in entries if entry is not None]
        places = dict.fromkeys(place for place in found if place is not None)
        ignored_class = next((ignored for _, ignored in places if ignored is not None), None)
        for axis in dict.fromkeys(axis for axis, _ in places):
            classes = output.shape[axis]
            if classes is not None:
                check_classes(values, classes, f"output {output.name!r}", ignored_class, "it has")


def split_validation(count: int, share: float) -> int:
    """How many rows are for training, if the last ``share`` of the rows is for validation (before shuffling).

    Raises:
        ConfigError: one part would be empty.
    """
    cut = int(np.floor(count * (1 - share)))
    if not 0 < cut < count:
        raise ConfigError(
            f"validation_split={share} of {count} rows leaves nothing to train or validate with"
        )
    return cut


def first_steps(rows: Rows, steps: int | None, size: int) -> Rows:
    """The rows of the first ``steps`` batches; all if it is None."""
    steps = limited_steps(steps, -(-len(rows) // size))
    return rows if steps is None else rows.part(0, steps * size)


def validation_rows(network: Network, data: Any, steps: int | None, size: int) -> Rows:
    """The rows of ``validation_data``: a tuple of arrays, or batches, of which at most ``steps`` are taken."""
    if not is_stream(data):
        return first_steps(gather(network, *unpack(data)), steps, size)
    steps = limited_steps(steps, count_of(data))
    parts = []
    for batch in batches(data):
        parts.append(gather(network, *unpack(batch)))
        if steps is not None and len(parts) >= steps:
            break
    if not parts:
        raise InputError("validation_data gave no batch of rows")
    return joined(parts)
