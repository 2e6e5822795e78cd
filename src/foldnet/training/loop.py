"""The fit as a user asks for it: epochs in as few calls of the engine as callbacks and progress allow."""

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
from foldnet.training.batches import batches, can_repeat, count_of, is_dataset, is_endless, tell, unpack
from foldnet.training.callbacks import CallbackList, History
from foldnet.training.data import Rows
from foldnet.training.evaluation import added, judge
from foldnet.training.fit_arguments import FitArguments
from foldnet.training.fit_data import FitData, first_inputs, fit_data
from foldnet.training.interrupts import Interrupts
from foldnet.training.progress import Progress, progress_for
from foldnet.training.trainer import Trainer
from foldnet.training.user_data import gather, trainer_for
from foldnet.warn import warn

REDRAW_SECONDS = 0.1
"""How often a progress bar wants to hear from a running fit."""

MOST_STEPS = 500_000
"""Steps of one call of the engine, which is handed the optimizer's numbers for each."""


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
        elif calls.by_batch or given.steps_per_epoch or trainer.compiled.watched:
            run.by_batch(data.rows)
        else:
            run.by_epoch(data.rows)
    except KeyboardInterrupt:
        # Unlike Keras, so that files are closed and the best weights are put back.
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
    trainer.begin()
    logs = trainer.logs(trainer.fit(rows, batch_size=len(rows), epochs=1, shuffle=False).training)
    return logs if return_dict else trainer.values(logs)


class _Run:
    """One fit under way."""

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
        """Whole epochs: all in one call, or as many as a callback or the progress bar lets pass."""
        calls, given = self.callbacks, self.given
        # Callbacks that watch evaluations see those of the validation data, so these are made apart.
        within = None if calls.by_test or callable(self.validation) else self.validation
        if within is not None and within.kind != rows.kind:
            within = None  # it is another program
        single = calls.by_epoch or within is not self.validation
        epoch = given.initial_epoch
        count = 1 if single or self.progress.live else max(given.epochs - epoch, 1)
        while epoch < given.epochs and not self._stopped():
            calls.call("on_epoch_begin", epoch, None)
            started = time.perf_counter()
            steps = -(-len(rows) // given.batch_size)
            count = max(1, min(count, given.epochs - epoch, MOST_STEPS // steps))
            wanted = [self._validates(e) for e in range(epoch, epoch + count)]
            self.trainer.prepare(rows)  # may compile, which Ctrl+C ends at once
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
            self._tell(result)
            if within is None and any(wanted[: result.epochs]):
                for i in range(result.epochs):
                    self._ended(epoch + i, result.training)
            else:
                self._epochs_end(epoch, result, wanted)
            epoch += count
            interrupts.check()
            if not single and self.progress.live:
                took = (time.perf_counter() - started) / count
                count = max(1, int(REDRAW_SECONDS / max(took, 1e-9)))

    def by_batch(self, rows: Rows) -> None:
        """Step by step, for callbacks that ask for it, and for epochs that are not once through the rows."""
        size, steps = self.given.batch_size, self.given.steps_per_epoch
        order = np.arange(len(rows))
        everything = -(-len(rows) // size)
        seen = everything
        for epoch in range(self.given.initial_epoch, self.given.epochs):
            if self._stopped():
                return
            if seen >= everything:
                seen, order = 0, self.trainer.order(len(rows)) if self.given.shuffle else order
            self.callbacks.call("on_epoch_begin", epoch, None)
            self.trainer.begin()
            total: Sums | None = None
            for step in range(0, steps or everything, self.group):
                if seen >= everything:
                    _ran_out()
                    break
                chosen = order[seen * size : (seen + self.group) * size]
                seen += self.group
                self.callbacks.call("on_train_batch_begin", step, None)
                total = self._made(rows.pick(chosen), size, epoch, step, total)
                self._tell_end(step, total)
                if self._stopped():
                    break
            self._ended(epoch, total)

    def stream(self, source: Any) -> None:
        """Batches as they are given; data that can be read again starts again at each epoch.

        Of a dataset, whose batches have numbers, shuffling changes their order.
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
            tell(source, "on_epoch_begin")
            self.callbacks.call("on_epoch_begin", epoch, None)
            self.trainer.begin()
            total: Sums | None = None
            step = 0
            while (steps is None or step < steps) and not self._stopped():
                group = list(islice(coming, self.group))
                if not group and again and steps is not None:
                    coming = restart()
                    group = list(islice(coming, self.group))
                if not group:
                    if steps is not None:
                        _ran_out()
                        self.trainer.network.stop_training = True
                    break
                self.callbacks.call("on_train_batch_begin", step, None)
                for i, batch in enumerate(group):
                    rows = gather(self.trainer.network, *unpack(batch), given.class_weight)
                    total = self._made(rows, len(rows), epoch, step + i, total)
                self._tell_end(step, total)
                step += self.group
            if total is None and epoch == first:
                raise InputError("the data gave no batch of rows")
            tell(source, "on_epoch_end")
            self._ended(epoch, total)

    def _made(self, rows: Rows, size: int, epoch: int, step: int, total: Sums | None) -> Sums:
        """The sums so far after the steps that these rows give."""
        if (
            size < len(rows) and self.trainer.compiled.watched
        ):  # metrics in Python look at each step's outputs
            for i, start in enumerate(range(0, len(rows), size)):
                part = rows.part(start, start + size)
                total = self._made(part, len(part), epoch, step + i, total)
            assert total is not None  # there are rows
            return total
        result = self.trainer.fit(rows, batch_size=size, epochs=1, shuffle=False)
        self._warn(result, epoch, step)
        self._tell(result, step)
        return result.training if total is None else added(total, result.training)

    def _tell_end(self, step: int, total: Sums | None) -> None:
        if self.callbacks.by_batch and total is not None:
            self.callbacks.call("on_train_batch_end", step + self.group - 1, self.trainer.logs(total))

    def _ended(self, epoch: int, total: Sums | None) -> None:
        """After the steps of an epoch: validate, tell."""
        judged = None
        if self.validation is not None and self._validates(epoch):
            rows = self.validation() if callable(self.validation) else self.validation
            judged = judge(self.trainer, rows, self.given.validation_batch_size, self.callbacks)
        if total is not None:
            logs = self.trainer.logs
            self._epoch_end(epoch, logs(total), None if judged is None else logs(judged))

    def _epochs_end(self, first: int, result: FitResult, wanted: Sequence[bool]) -> None:
        """Tell of the epochs of one call of the engine."""
        every, judged = range(result.epochs), [i for i in range(result.epochs) if wanted[i]]
        columns = self.trainer.columns(result.training, every)
        of_judged: dict[str, list[float]] = {}
        if result.validation is None:
            judged = []
        else:
            of_judged = self.trainer.columns(result.validation, judged)
        calls = self.callbacks
        if judged in ([], list(every)) and result.epochs and not calls.by_epoch and not self.progress.live:
            # Only the history needs the epochs: it gets thousands of them at once.
            if judged:
                columns = dict(sorted((columns | {f"val_{k}": v for k, v in of_judged.items()}).items()))
            for history in calls.callbacks:
                history.extend(range(first, first + result.epochs), columns)
            self.last = {name: values[-1] for name, values in columns.items()}
            return
        places = {i: k for k, i in enumerate(judged)}
        for i in every:
            k = places.get(i)
            logs = {name: values[i] for name, values in columns.items()}
            own = None if k is None else {name: values[k] for name, values in of_judged.items()}
            self._epoch_end(first + i, logs, own)

    def _epoch_end(self, epoch: int, logs: dict[str, Any], judged: dict[str, Any] | None) -> None:
        if judged is not None:
            logs = dict(sorted((logs | {f"val_{k}": v for k, v in judged.items()}).items()))  # Keras's order
        self.callbacks.call("on_epoch_end", epoch, logs)
        self.progress.epoch(epoch, logs)
        self.last = logs

    def _validates(self, epoch: int) -> bool:
        return self.validation is not None and self.given.validates_after(epoch)

    def _stopped(self) -> bool:
        return bool(self.trainer.network.stop_training)

    def _tell(self, result: FitResult, step: int = 0) -> None:
        """Tell callbacks that ask for it of a loss that is not finite."""
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


def _ran_out() -> None:
    warn("the data ended within an epoch; give at least steps_per_epoch batches an epoch")
