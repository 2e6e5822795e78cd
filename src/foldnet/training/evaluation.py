"""``Network.evaluate``: sums of losses and metrics over rows or batches."""

from __future__ import annotations

import sys
import time
from itertools import islice
from typing import Any

import numpy as np

from foldnet.engines.fit import Sums
from foldnet.errors import InputError
from foldnet.network import Network
from foldnet.training.arguments import batch_size_or_default, limited_steps, optional_count, verbosity
from foldnet.training.batches import batches, count_of, is_stream, unpack
from foldnet.training.callbacks import CallbackList
from foldnet.training.data import Rows
from foldnet.training.progress import line
from foldnet.training.trainer import Trainer
from foldnet.training.user_data import first_steps, gather, trainer_for


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
    size, steps = batch_size_or_default(batch_size), optional_count(steps, "steps")
    shown = verbosity(verbose)
    started = time.perf_counter()
    trainer = trainer_for(network, None if is_stream(x, y) else x)
    calls = CallbackList(callbacks, model=network, verbose=shown, epochs=1, steps=steps)
    if is_stream(x, y):
        calls.call("on_test_begin", None)
        sums: Sums | None = None
        steps = limited_steps(steps, count_of(x))
        group, seen, given = trainer.compiled.given.steps_per_execution, 0, islice(batches(x), steps)
        network.stop_evaluating = False
        while not network.stop_evaluating and (some := list(islice(given, group))):
            parts = [gather(network, *unpack(batch)) for batch in some]
            sums = _evaluate_group(trainer, parts, seen, sums, calls)
            seen += len(some)
        if sums is None:
            raise InputError("the data gave no batch of rows")
        steps = seen
        calls.call("on_test_end", trainer.logs(sums))
    else:
        rows = first_steps(gather(network, x, y, sample_weight), steps, size)
        steps = -(-len(rows) // size)
        sums = evaluate_rows(trainer, rows, size, calls)
    logs = trainer.logs(sums)
    if shown == 2 or (shown != 0 and sys.stdout.isatty()):
        print(line(steps, time.perf_counter() - started, logs))
    return logs if return_dict else trainer.values(logs)


def evaluate_rows(trainer: Trainer, rows: Rows, size: int, callbacks: CallbackList) -> Sums:
    """Evaluate rows and call the callbacks' test hooks: one engine call unless a callback has batch hooks."""
    callbacks.call("on_test_begin", None)
    if callbacks.by_test_batch:
        sums: Sums | None = None
        group = trainer.compiled.given.steps_per_execution
        trainer.network.stop_evaluating = False
        for number, start in enumerate(range(0, len(rows), size * group)):
            if trainer.network.stop_evaluating:
                break
            stop = min(start + size * group, len(rows))
            parts = [rows.part(i, min(i + size, stop)) for i in range(start, stop, size)]
            sums = _evaluate_group(trainer, parts, number * group, sums, callbacks)
        found = trainer.evaluate(rows, size) if sums is None else sums
    else:
        found = trainer.evaluate(rows, size)
    callbacks.call("on_test_end", trainer.logs(found))
    return found


def _evaluate_group(
    trainer: Trainer, parts: list[Rows], step: int, sums: Sums | None, callbacks: CallbackList
) -> Sums:
    """Evaluate a group of batches, for which batch hooks are called once (``steps_per_execution``)."""
    callbacks.call("on_test_batch_begin", step, None)
    total = sums
    for i, rows in enumerate(parts):
        found = trainer.evaluate(rows, len(rows), fresh=step + i == 0)
        total = found if total is None else added(total, found)
    assert total is not None  # parts is not empty
    if callbacks.by_test_batch:
        last = step + trainer.compiled.given.steps_per_execution - 1
        callbacks.call("on_test_batch_end", last, trainer.logs(total))
    return total


def test_on_batch(network: Network, x: Any, y: Any, sample_weight: Any, return_dict: bool) -> Any:
    """See ``Network.test_on_batch``."""
    trainer = trainer_for(network, x)
    rows = gather(network, x, y, sample_weight)
    logs = trainer.logs(trainer.evaluate(rows, len(rows)))
    return logs if return_dict else trainer.values(logs)


def added(a: Sums, b: Sums) -> Sums:
    """The sums over the rows of a and b together."""
    rows = a.rows + b.rows
    regularization = (a.regularization * a.rows + b.regularization * b.rows) / np.maximum(rows, 1)
    values = [x + y for x, y in zip(a.values, b.values, strict=True)]
    return Sums(rows, a.loss + b.loss, regularization, values, b.results)
