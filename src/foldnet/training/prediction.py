"""``Network.predict``: rows or batches, computed by a frozen copy of the network."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from foldnet.errors import InputError
from foldnet.network import Network
from foldnet.structure import flatten, is_nested, pack
from foldnet.training.arguments import batch_size_or_default, limited_steps, optional_count
from foldnet.training.batches import batches, count_of, is_stream
from foldnet.training.callbacks import CallbackList
from foldnet.training.data import as_rows
from foldnet.training.eager import build_for, present_inputs, structured


def predict(network: Network, x: Any, batch_size: int | None, steps: int | None, callbacks: Any) -> Any:
    """See ``Network.predict``."""
    size, steps = batch_size_or_default(batch_size), optional_count(steps, "steps")
    steps = limited_steps(steps, count_of(x) if is_stream(x) else None)
    calls = CallbackList(callbacks, model=network, steps=steps)
    calls.call("on_predict_begin", None)
    network.stop_predicting = False
    group = network.steps_per_execution
    if is_stream(x):
        given = islice(_inputs(x), steps)
        found: list[Any] = []
        while not network.stop_predicting and (some := list(islice(given, group))):
            arranged = [_arranged(network, batch) for batch in some]
            found.append(_predict_group(network, arranged, group * len(found), calls))
        if not found:
            raise InputError("the data gave no batch of rows")
        result = _joined(found)
    elif calls.by_predict_batch or steps is not None:
        x = _arrays(network, x)
        rows = len(next(v for v in flatten(x) if v is not None))
        stop = rows if steps is None else min(rows, steps * size)
        parts = [_cut(x, start, min(start + size, stop)) for start in range(0, stop, size)]
        found = []
        while not network.stop_predicting and (some := parts[len(found) * group : (len(found) + 1) * group]):
            found.append(_predict_group(network, some, group * len(found), calls))
        result = _joined(found) if found else _predicted(network, x)
    else:
        result = predict_rows(network, x)
    calls.call("on_predict_end", None)
    return result


def predict_rows(network: Network, x: Any) -> Any:
    """Predictions for arrays, by a frozen copy of the network that is reused until weights change."""
    return _predicted(network, _arranged(network, x))


def _arranged(network: Network, x: Any) -> Any:
    build_for(network, x)
    return network.arrange(x)


def _predicted(network: Network, x: Any) -> Any:
    """Predictions for arrays in the network's order, in the structure of its outputs."""
    return structured(network, results_of(network, x))


def results_of(network: Network, x: Any) -> list[Any]:
    """Predictions for arrays in the network's order, one for each output."""
    from foldnet.lowering.lower import Mode, lower
    from foldnet.predictor import freeze
    from foldnet.predictor.freezing import same_program

    entries, absent = present_inputs(network, x)
    kept = network._predictor
    if kept is None or not same_program(kept.unfolded, lower(network, Mode.PREDICT, absent=absent)):
        kept = network._predictor = freeze(network, without=absent)
    return list(kept.results(entries))


def _predict_group(network: Network, parts: list[Any], step: int, callbacks: CallbackList) -> Any:
    """Predict a group of batches, for which batch hooks are called once (``steps_per_execution``)."""
    callbacks.call("on_predict_batch_begin", step, None)
    result = _joined([_predicted(network, part) for part in parts])
    callbacks.call("on_predict_batch_end", step + network.steps_per_execution - 1, {"outputs": result})
    return result


def _inputs(stream: Any) -> Iterator[Any]:
    return (b[0] if isinstance(b, tuple) else b for b in batches(stream))


def _arrays(network: Network, x: Any) -> Any:
    """The inputs as arrays, in the network's order: one, or a list."""
    x = _arranged(network, x)
    if len(network.inputs) == 1:
        return as_rows(x, network.inputs[0].dtype, "x")
    return [
        None if v is None else as_rows(v, t.dtype, f"input {name!r}")
        for v, t, name in zip(x, network.inputs, network.input_names, strict=True)
    ]


def _cut(x: Any, start: int, stop: int) -> Any:
    return x[start:stop] if isinstance(x, np.ndarray) else [None if v is None else v[start:stop] for v in x]


def _joined(results: list[Any]) -> Any:
    parts = [np.concatenate(leaves) for leaves in zip(*map(flatten, results), strict=True)]
    return pack(results[0], parts) if is_nested(results[0]) else parts[0]
