"""``Network.fit``: runs the epochs in as few engine calls as callbacks and the progress bar allow."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from foldnet.engines.fit import FitResult, Sums
from foldnet.errors import ConfigError, InputError
from foldnet.network import Network
from foldnet.training.arguments import class_weights, limited_steps
from foldnet.training.batches import batches, call_hook, can_repeat, count_of, is_dataset, is_endless, unpack
from foldnet.training.callbacks import CallbackList, History
from foldnet.training.data import Rows
from foldnet.training.evaluation import added, evaluate_rows
from foldnet.training.fit_arguments import FitArguments
from foldnet.training.fit_data import FitData, first_inputs, fit_data
from foldnet.training.interrupts import Interrupts, end_if_asked
from foldnet.training.progress import Progress, progress_for
from foldnet.training.trainer import Trainer
from foldnet.training.user_data import gather, trainer_for
from foldnet.warn import warn

REDRAW_SECONDS = 0.1
"""How often the progress bar is redrawn."""

MOST_STEPS = 500_000
"""Largest number of steps in one engine call, which takes a table of the optimizer's numbers for each step."""


def fit(network: Network, given: FitArguments) -> History:
    """See ``Network.fit``."""
    trainer = trainer_for(network, first_inputs(given.x) if given.streamed else given.x)
    data = fit_data(network, given)
    known = count_of(given.x) if data.rows is None else -(-len(data.rows) // given.batch_size)
    given = replace(given, steps_per_epoch=limited_steps(given.steps_per_epoch, known))
    steps = given.steps_per_epoch or known
    calls = CallbackList(
        given.callbacks, True, model=network, verbose=given.verbose, epochs=given.epochs, steps=steps
    )
    progress = progress_for(given.verbose, given.epochs, steps)
    network.stop_training = False
    run = _Run(trainer, calls, progress, data, given)
    calls.call("on_train_begin", None)
    try:
        if data.rows is None:
            run.stream(given.x)
        elif calls.by_batch or given.steps_per_epoch or trainer.compiled.python_metrics:
            run.by_batch(data.rows)
        else:
            run.by_epoch(data.rows)
    except KeyboardInterrupt:
        # Unlike Keras: on_train_end is called, so that files are closed and the best weights restored.
        trainer.use_averages()
        calls.call("on_train_end", run.last)
        raise
    else:
        trainer.use_averages()
        calls.call("on_train_end", run.last)
    finally:
        progress.close()
    return calls.history


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
    trainer.reset_python_metrics()
    logs = trainer.logs(trainer.fit(rows, batch_size=len(rows), epochs=1, shuffle=False).training)
    return logs if return_dict else trainer.values(logs)


class _Run:
    """One running ``fit``."""

    def __init__(
        self,
        trainer: Trainer,
        callbacks: CallbackList,
        progress: Progress,
        data: FitData,
        given: FitArguments,
    ) -> None:
        self.trainer, self.callbacks, self.progress = trainer, callbacks, progress
        self.given, self.validation = given, data.validation
        self.last: dict[str, Any] = {}
        self.warned = False
        self.group = trainer.compiled.given.steps_per_execution

    def by_epoch(self, rows: Rows) -> None:
        """Run whole epochs: all in one engine call, or as many as callbacks and the progress bar allow."""
        calls, given = self.callbacks, self.given
        # Test hooks must see the validation, so it is then a separate call.
        within = None if calls.by_test or callable(self.validation) else self.validation
        if within is not None and within.kind != rows.kind:
            within = None  # it needs another program
        single = calls.by_epoch or within is not self.validation
        epoch = given.initial_epoch
        count = 1 if single or self.progress.live else max(given.epochs - epoch, 1)
        while epoch < given.epochs and not self._stopped():
            calls.call("on_epoch_begin", epoch, None)
            started = time.perf_counter()
            steps = -(-len(rows) // given.batch_size)
            count = max(1, min(count, given.epochs - epoch, MOST_STEPS // steps))
            wanted = [self._validates(e) for e in range(epoch, epoch + count)]
            self.trainer.prepare(rows)  # may compile; done first so that Ctrl+C interrupts it at once
            with Interrupts() as interrupts:
                result = self.trainer.fit(
                    rows,
                    batch_size=given.batch_size,
                    epochs=count,
                    shuffle=given.shuffle,
                    validation=within,
                    validation_epochs=wanted,
                    validation_batch_size=given.validation_batch_size,
                    stop_on_nan=calls.stop_on_nan,
                    should_stop=interrupts.should_stop,
                )
            self._warn(result, epoch)
            self._call_not_finite(result)
            if within is None and any(wanted[: result.epochs]):
                for i in range(result.epochs):
                    self._finish_epoch(epoch + i, result.training)
            else:
                self._report_epochs(epoch, result, wanted)
            epoch += count
            interrupts.check()
            if not single and self.progress.live:
                took = (time.perf_counter() - started) / count
                count = max(1, int(REDRAW_SECONDS / max(took, 1e-9)))

    def by_batch(self, rows: Rows) -> None:
        """Run step by step: for batch hooks, Python metrics, and epochs of ``steps_per_epoch`` steps."""
        size, steps = self.given.batch_size, self.given.steps_per_epoch
        order = np.arange(len(rows))
        batches_in_rows = -(-len(rows) // size)
        seen = batches_in_rows
        for epoch in range(self.given.initial_epoch, self.given.epochs):
            if self._stopped():
                return
            if seen >= batches_in_rows:
                seen, order = 0, self.trainer.order(len(rows)) if self.given.shuffle else order
            self.callbacks.call("on_epoch_begin", epoch, None)
            self.trainer.reset_python_metrics()
            total: Sums | None = None
            for step in range(0, steps or batches_in_rows, self.group):
                if seen >= batches_in_rows:
                    _warn_data_ended()
                    break
                chosen = order[seen * size : (seen + self.group) * size]
                seen += self.group
                self.callbacks.call("on_train_batch_begin", step, None)
                total = self._train_steps(rows.pick(chosen), size, epoch, step, total)
                self._call_train_batch_end(step, total)
                if self._stopped():
                    break
            self._finish_epoch(epoch, total)

    def stream(self, source: Any) -> None:
        """Run on batches in the order given; data that can be read again restarts at each epoch.

        ``shuffle`` changes the order of the batches of a dataset, which can be read by number.
        """
        given, steps, first = self.given, self.given.steps_per_epoch, self.given.initial_epoch
        again, number = can_repeat(source), count_of(source)
        if not again and steps is None and given.epochs - first > 1:
            raise ConfigError("an iterator can be read only once: give steps_per_epoch, or a list of batches")
        if steps is None and is_endless(source):
            raise ConfigError("the dataset has no end (its num_batches is None): give steps_per_epoch")

        def restart() -> Iterator[Any]:
            shuffled = given.shuffle and is_dataset(source) and number is not None
            return batches(source, self.trainer.order(number or 0) if shuffled else None)

        coming = restart()
        for epoch in range(first, given.epochs):
            if self._stopped():
                return
            if again and steps is None and epoch > first:
                coming = restart()
            call_hook(source, "on_epoch_begin")
            self.callbacks.call("on_epoch_begin", epoch, None)
            self.trainer.reset_python_metrics()
            total: Sums | None = None
            step = 0
            while (steps is None or step < steps) and not self._stopped():
                group = list(islice(coming, self.group))
                if not group and again and steps is not None:
                    coming = restart()
                    group = list(islice(coming, self.group))
                if not group:
                    if steps is not None:
                        _warn_data_ended()
                        self.trainer.network.stop_training = True
                    break
                self.callbacks.call("on_train_batch_begin", step, None)
                for i, batch in enumerate(group):
                    rows = gather(self.trainer.network, *unpack(batch), given.class_weight)
                    total = self._train_steps(rows, len(rows), epoch, step + i, total)
                self._call_train_batch_end(step, total)
                step += self.group
            if total is None and epoch == first:
                raise InputError("the data gave no batch of rows")
            call_hook(source, "on_epoch_end")
            self._finish_epoch(epoch, total)

    def _train_steps(self, rows: Rows, size: int, epoch: int, step: int, total: Sums | None) -> Sums:
        """Train on these rows and return the sums of the epoch so far."""
        if (
            size < len(rows) and self.trainer.compiled.python_metrics
        ):  # metrics in Python look at each step's outputs
            for i, start in enumerate(range(0, len(rows), size)):
                part = rows.part(start, start + size)
                total = self._train_steps(part, len(part), epoch, step + i, total)
            assert total is not None  # rows is not empty
            return total
        result = self.trainer.fit(rows, batch_size=size, epochs=1, shuffle=False)
        self._warn(result, epoch, step)
        self._call_not_finite(result, step)
        return result.training if total is None else added(total, result.training)

    def _call_train_batch_end(self, step: int, total: Sums | None) -> None:
        if self.callbacks.by_batch and total is not None:
            self.callbacks.call("on_train_batch_end", step + self.group - 1, self.trainer.logs(total))

    def _finish_epoch(self, epoch: int, total: Sums | None) -> None:
        """After the steps of an epoch: validate and report."""
        validated = None
        if self.validation is not None and self._validates(epoch):
            rows = self.validation() if callable(self.validation) else self.validation
            validated = evaluate_rows(self.trainer, rows, self.given.validation_batch_size, self.callbacks)
        if total is not None:
            logs = self.trainer.logs
            self._report_epoch(epoch, logs(total), None if validated is None else logs(validated))

    def _report_epochs(self, first: int, result: FitResult, wanted: Sequence[bool]) -> None:
        """Report the epochs of one engine call."""
        every, validated = range(result.epochs), [i for i in range(result.epochs) if wanted[i]]
        columns = self.trainer.columns(result.training, every)
        validation_columns: dict[str, list[float]] = {}
        if result.validation is None:
            validated = []
        else:
            validation_columns = self.trainer.columns(result.validation, validated)
        calls = self.callbacks
        if validated in ([], list(every)) and result.epochs and not calls.by_epoch and not self.progress.live:
            # Only History needs the logs, and takes thousands of epochs at once.
            if validated:
                columns = dict(
                    sorted((columns | {f"val_{k}": v for k, v in validation_columns.items()}).items())
                )
            for history in calls.callbacks:
                history.extend(range(first, first + result.epochs), columns)
            self.last = {name: values[-1] for name, values in columns.items()}
            return
        places = {i: k for k, i in enumerate(validated)}
        for i in every:
            k = places.get(i)
            logs = {name: values[i] for name, values in columns.items()}
            own = None if k is None else {name: values[k] for name, values in validation_columns.items()}
            self._report_epoch(first + i, logs, own)

    def _report_epoch(self, epoch: int, logs: dict[str, Any], validated: dict[str, Any] | None) -> None:
        if validated is not None:
            logs = dict(
                sorted((logs | {f"val_{k}": v for k, v in validated.items()}).items())
            )  # Keras's order
        self.callbacks.call("on_epoch_end", epoch, logs)
        self.progress.epoch(epoch, logs)
        self.last = logs

    def _validates(self, epoch: int) -> bool:
        return self.validation is not None and self.given.validates_after(epoch)

    def _stopped(self) -> bool:
        end_if_asked()
        return bool(self.trainer.network.stop_training)

    def _call_not_finite(self, result: FitResult, step: int = 0) -> None:
        """Call ``on_not_finite`` if the loss became NaN or infinite."""
        if result.not_finite is not None and self.callbacks.stop_on_nan:
            loss = self.trainer.logs(result.training, -1)["loss"]
            self.callbacks.call("on_not_finite", step + result.not_finite[1], loss)

    def _warn(self, result: FitResult, first: int, step: int = 0) -> None:
        if result.not_finite is not None and not self.warned:
            self.warned = True
            epoch, place = result.not_finite
            warn(
                f"the loss became NaN or infinite in epoch {first + epoch + 1}, batch {step + place + 1}. "
                "Look for NaN in the data, scale the inputs, or lower the learning rate.",
                RuntimeWarning,
            )


def _warn_data_ended() -> None:
    warn("the data ended within an epoch; give at least steps_per_epoch batches an epoch")
