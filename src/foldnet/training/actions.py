"""Evaluate and predict as a user asks for them, and single steps."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from foldnet.engines.fit import Sums
from foldnet.errors import InputError
from foldnet.network import Network
from foldnet.structure import flatten, is_nested, pack
from foldnet.training.api import first_steps, gather, trainer_for
from foldnet.training.arguments import class_weights, limited_steps, optional_count, verbosity
from foldnet.training.batches import batches, count_of, is_stream, unpack
from foldnet.training.callbacks import CallbackList
from foldnet.training.data import Rows, as_array
from foldnet.training.eager import build_for, entered, structured
from foldnet.training.loop import added, checked_batch_size
from foldnet.training.progress import line
from foldnet.training.trainer import Trainer

Array = np.ndarray[Any, Any]


def evaluate(
    network: Network,
    x: Any,
    y: Any,
    batch_size: int | None,
    verbose: Any,
    sample_weight: Any,
    steps: int | None,
    callbacks: Any,
    return_dict: bool,
) -> Any:
    """See ``Network.evaluate``."""
    size, steps, verbose = checked_batch_size(batch_size), optional_count(steps, "steps"), verbosity(verbose)
    started = time.perf_counter()
    trainer = trainer_for(network, None if is_stream(x, y) else x)
    calls = CallbackList(callbacks, model=network, verbose=verbose, epochs=1, steps=steps)
    if is_stream(x, y):
        calls.call("on_test_begin", None)
        sums: Sums | None = None
        steps = limited_steps(steps, count_of(x))
        group, seen, given = trainer.compiled.steps_per_execution, 0, islice(batches(x), steps)
        network.stop_evaluating = False
        while not network.stop_evaluating and (some := list(islice(given, group))):
            parts = [gather(network, *unpack(batch)) for batch in some]
            sums = _judged_group(trainer, parts, seen, sums, calls)
            seen += len(some)
        if sums is None:
            raise InputError("the data gave no batch of rows")
        steps = seen
        calls.call("on_test_end", trainer.logs(sums))
    else:
        rows = first_steps(gather(network, x, y, sample_weight), steps, size)
        steps = -(-len(rows) // size)
        sums = judge(trainer, rows, size, calls)
    logs = trainer.logs(sums)
    if verbose == 2 or (verbose in (1, "auto", True) and sys.stdout.isatty()):
        print(line(steps, time.perf_counter() - started, logs))
    return logs if return_dict else trainer.values(logs)


def judge(trainer: Trainer, rows: Rows, size: int, callbacks: CallbackList) -> Sums:
    """Sums over the rows, in one call of the engine unless a callback wants to hear of batches."""
    callbacks.call("on_test_begin", None)
    if callbacks.by_test_batch:
        sums: Sums | None = None
        group = trainer.compiled.steps_per_execution
        trainer.network.stop_evaluating = False
        for number, start in enumerate(range(0, len(rows), size * group)):
            if trainer.network.stop_evaluating:
                break
            stop = min(start + size * group, len(rows))
            parts = [rows.part(i, min(i + size, stop)) for i in range(start, stop, size)]
            sums = _judged_group(trainer, parts, number * group, sums, callbacks)
        found = trainer.evaluate(rows, size) if sums is None else sums
    else:
        found = trainer.evaluate(rows, size)
    callbacks.call("on_test_end", trainer.logs(found))
    return found


def _judged_group(
    trainer: Trainer, parts: list[Rows], step: int, sums: Sums | None, callbacks: CallbackList
) -> Sums:
    """The sums so far after some batches, of which callbacks hear as of one."""
    callbacks.call("on_test_batch_begin", step, None)
    total = sums
    for i, rows in enumerate(parts):
        found = trainer.evaluate(rows, len(rows), fresh=step + i == 0)
        total = found if total is None else added(total, found)
    assert total is not None  # there is a part at least
    if callbacks.by_test_batch:
        last = step + trainer.compiled.steps_per_execution - 1
        callbacks.call("on_test_batch_end", last, trainer.logs(total))
    return total


def train_on_batch(
    network: Network,
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Mapping[int, float] | None,
    return_dict: bool,
) -> Any:
    """See ``Network.train_on_batch``."""
    trainer = trainer_for(network, x)
    rows = gather(network, x, y, sample_weight, class_weights(class_weight))
    trainer.begin()
    logs = trainer.logs(trainer.fit(rows, batch_size=len(rows), epochs=1, shuffle=False).training)
    return logs if return_dict else trainer.values(logs)


def test_on_batch(network: Network, x: Any, y: Any, sample_weight: Any, return_dict: bool) -> Any:
    """See ``Network.test_on_batch``."""
    trainer = trainer_for(network, x)
    rows = gather(network, x, y, sample_weight)
    logs = trainer.logs(trainer.evaluate(rows, len(rows)))
    return logs if return_dict else trainer.values(logs)


def predict(network: Network, x: Any, batch_size: int | None, steps: int | None, callbacks: Any) -> Any:
    """See ``Network.predict``."""
    size, steps = checked_batch_size(batch_size), optional_count(steps, "steps")
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
            found.append(_told(network, arranged, group * len(found), calls))
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
            found.append(_told(network, some, group * len(found), calls))
        result = _joined(found) if found else _predicted(network, x)
    else:
        result = predict_rows(network, x)
    calls.call("on_predict_end", None)
    return result


def predict_rows(network: Network, x: Any) -> Any:
    """Predictions for arrays, by a frozen copy of the network that is kept until weights change."""
    return _predicted(network, _arranged(network, x))


def _arranged(network: Network, x: Any) -> Any:
    build_for(network, x)
    return network.arrange(x)


def _predicted(network: Network, x: Any) -> Any:
    """Predictions for arrays in the network's order."""
    from foldnet.lowering.lower import Mode, lower
    from foldnet.predictor import freeze, same_program

    entries, absent = entered(network, x)
    kept = network._predictor
    if kept is None or not same_program(kept.unfolded, lower(network, Mode.PREDICT, absent=absent)):
        kept = network._predictor = freeze(network, without=absent)
    return structured(network, kept.results(entries))


def _told(network: Network, parts: list[Any], step: int, callbacks: CallbackList) -> Any:
    """Predictions for some batches, of which callbacks hear as of one."""
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
        return as_array(x, "x")
    return [
        None if v is None else as_array(v, f"input {name!r}")
        for v, name in zip(x, network.input_names, strict=True)
    ]


def _cut(x: Any, start: int, stop: int) -> Any:
    return x[start:stop] if isinstance(x, np.ndarray) else [None if v is None else v[start:stop] for v in x]


def _joined(results: list[Any]) -> Any:
    parts = [np.concatenate(leaves) for leaves in zip(*map(flatten, results), strict=True)]
    return pack(results[0], parts) if is_nested(results[0]) else parts[0]
