"""The fit as a user asks for it: epochs in as few calls of the engine as callbacks and progress allow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from foldnet.engines.fit import FitResult, Sums
from foldnet.errors import ConfigError, InputError
from foldnet.lowering.lower import check_judged
from foldnet.network import Network
from foldnet.training.api import first_steps, gather, split_validation, trainer_for, validation_rows
from foldnet.training.arguments import (
    class_weights,
    count,
    frequency,
    limited_epochs,
    limited_steps,
    optional_count,
    share,
    switch,
    verbosity,
)
from foldnet.training.batches import (
    batches,
    can_repeat,
    count_of,
    is_dataset,
    is_endless,
    is_stream,
    tell,
    unpack,
)
from foldnet.training.callbacks import CallbackList, History
from foldnet.training.data import Rows, match_weights
from foldnet.training.interrupts import Interrupts
from foldnet.training.progress import Progress, progress_for
from foldnet.training.trainer import Trainer
from foldnet.warn import warn

Array = np.ndarray[Any, Any]

Validation = Rows | Callable[[], Rows] | None
"""The rows to validate with, or what gives other ones each time."""

REDRAW_SECONDS = 0.1
"""How often a progress bar wants to hear from a running fit."""

MOST_STEPS = 500_000
"""Steps of one call of the engine, which is handed the optimizer's numbers for each."""


def fit(
    network: Network,
    x: Any,
    y: Any,
    batch_size: int | None,
    epochs: int,
    verbose: Any,
    callbacks: Any,
    validation_split: float,
    validation_data: Any,
    shuffle: bool,
    class_weight: Mapping[int, float] | None,
    sample_weight: Any,
    initial_epoch: int,
    steps_per_epoch: int | None,
    validation_steps: int | None,
    validation_batch_size: int | None,
    validation_freq: int | Sequence[int],
) -> History:
    """See ``Network.fit``."""
    size = checked_batch_size(batch_size)
    epochs = limited_epochs(count(epochs, "epochs"))
    initial_epoch = count(initial_epoch, "initial_epoch", 0)
    steps_per_epoch = optional_count(steps_per_epoch, "steps_per_epoch")
    validation_steps = optional_count(validation_steps, "validation_steps")
    validation_split, class_weight = (
        share(validation_split, "validation_split"),
        class_weights(class_weight),
    )
    validation_freq, verbose = frequency(validation_freq), verbosity(verbose)
    shuffle = switch(shuffle, "shuffle")
    judged = size if validation_batch_size is None else count(validation_batch_size, "validation_batch_size")
    streamed = is_stream(x, y)
    if streamed and (sample_weight is not None or validation_split):
        raise ConfigError(
            "sample_weight and validation_split are for arrays; batches bring their own weights as "
            "(x, y, sample_weight), and validation_data is given apart"
        )
    trainer = trainer_for(network, _first_inputs(x) if streamed else x)
    rows: Rows | None = None
    validation: Validation = None
    if not streamed:
        rows = gather(network, x, y, sample_weight, class_weight)
        if validation_split and validation_data is None:
            cut = split_validation(len(rows), validation_split)
            # Weights of classes are for training; weights of rows also count where rows validate.
            every = rows if class_weight is None else gather(network, x, y)
            rows, validation = rows.part(0, cut), first_steps(every.part(cut, len(every)), None, judged)
    if validation_data is not None:
        read = partial(validation_rows, network, validation_data, validation_steps, judged)
        # An iterator goes on from one validation to the next; all else gives the same rows each time.
        endless = is_stream(validation_data) and not can_repeat(validation_data)
        validation = read if endless and validation_steps is not None else read()
    if validation is not None:
        check_judged(network)
    if rows is not None and isinstance(validation, Rows):
        rows, validation = match_weights(rows, validation)
    known = count_of(x) if rows is None else -(-len(rows) // size)
    steps_per_epoch = limited_steps(steps_per_epoch, known)
    steps = steps_per_epoch or known
    calls = CallbackList(callbacks, True, model=network, verbose=verbose, epochs=epochs, steps=steps)
    progress = progress_for(verbose, epochs, steps)
    network.stop_training = False
    run = _Run(trainer, calls, progress, size, validation, judged, validation_freq, shuffle, epochs)
    calls.call("on_train_begin", None)
    try:
        if rows is None:
            run.stream(x, initial_epoch, steps_per_epoch, class_weight)
        elif calls.by_batch or steps_per_epoch or trainer.compiled.watched:
            run.by_batch(rows, initial_epoch, steps_per_epoch)
        else:
            run.by_epoch(rows, initial_epoch)
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


def checked_batch_size(batch_size: Any) -> int:
    """The number of rows of a batch, 32 if not said.

    Raises:
        ConfigError: less than 1.
    """
    return 32 if batch_size is None else count(batch_size, "batch_size")


def _first_inputs(x: Any) -> Any:
    """The inputs of a stream's first batch, if looking does not use it up."""
    if not can_repeat(x):
        return None
    first = next(batches(x), None)
    return first[0] if isinstance(first, tuple | list) else first


class _Run:
    """One fit under way."""

    def __init__(
        self,
        trainer: Trainer,
        callbacks: CallbackList,
        progress: Progress,
        batch_size: int,
        validation: Validation,
        validation_batch_size: int,
        validation_freq: int | Sequence[int],
        shuffle: bool,
        epochs: int,
    ) -> None:
        self.trainer, self.callbacks, self.progress = trainer, callbacks, progress
        self.batch_size, self.validation, self.validation_freq = batch_size, validation, validation_freq
        self.validation_batch_size = validation_batch_size
        self.shuffle, self.epochs = shuffle, epochs
        self.last: dict[str, Any] = {}
        self.warned = False
        self.group = trainer.compiled.steps_per_execution

    def by_epoch(self, rows: Rows, first: int) -> None:
        """Whole epochs: all in one call, or as many as a callback or the progress bar lets pass."""
        calls = self.callbacks
        # Callbacks that watch evaluations see those of the validation data, so these are made apart.
        within = None if calls.by_test or callable(self.validation) else self.validation
        if within is not None and within.kind != rows.kind:
            within = None  # it is another program
        single = calls.by_epoch or within is not self.validation
        epoch, count = first, 1 if single or self.progress.live else max(self.epochs - first, 1)
        while epoch < self.epochs and not self._stopped():
            calls.call("on_epoch_begin", epoch, None)
            started = time.perf_counter()
            count = max(1, min(count, self.epochs - epoch, MOST_STEPS // -(-len(rows) // self.batch_size)))
            wanted = [self._validates(e) for e in range(epoch, epoch + count)]
            self.trainer.prepare(rows)  # may compile, which Ctrl+C ends at once
            with Interrupts() as interrupts:
                result = self.trainer.fit(
                    rows,
                    batch_size=self.batch_size,
                    epochs=count,
                    shuffle=self.shuffle,
                    validation=within,
                    validation_epochs=wanted,
                    validation_batch_size=self.validation_batch_size,
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

    def by_batch(self, rows: Rows, first: int, steps: int | None) -> None:
        """Step by step, for callbacks that ask for it, and for epochs that are not once through the rows."""
        order = np.arange(len(rows))
        everything = -(-len(rows) // self.batch_size)
        seen = everything
        for epoch in range(first, self.epochs):
            if self._stopped():
                return
            if seen >= everything:
                seen, order = 0, self.trainer.order(len(rows)) if self.shuffle else order
            self.callbacks.call("on_epoch_begin", epoch, None)
            self.trainer.begin()
            total: Sums | None = None
            for step in range(0, steps or everything, self.group):
                if seen >= everything:
                    _ran_out()
                    break
                chosen = order[seen * self.batch_size : (seen + self.group) * self.batch_size]
                seen += self.group
                self.callbacks.call("on_train_batch_begin", step, None)
                total = self._made(rows.pick(chosen), self.batch_size, epoch, step, total)
                self._tell_end(step, total)
                if self._stopped():
                    break
            self._ended(epoch, total)

    def stream(
        self, source: Any, first: int, steps: int | None, class_weight: Mapping[int, float] | None
    ) -> None:
        """Batches as they are given; what can be gone through again starts anew each epoch.

        Of a dataset, whose batches have numbers, shuffling changes their order.
        """
        again, number = can_repeat(source), count_of(source)
        if not again and steps is None and self.epochs - first > 1:
            raise ConfigError(
                "an iterator can be gone through once: give steps_per_epoch, or a list of batches"
            )
        if steps is None and is_endless(source):
            raise ConfigError("the dataset has no end (its num_batches is None): give steps_per_epoch")

        def restart() -> Iterator[Any]:
            shuffled = self.shuffle and is_dataset(source) and number is not None
            return batches(source, self.trainer.order(number or 0) if shuffled else None)

        given = restart()
        for epoch in range(first, self.epochs):
            if self._stopped():
                return
            if again and steps is None and epoch > first:
                given = restart()
            tell(source, "on_epoch_begin")
            self.callbacks.call("on_epoch_begin", epoch, None)
            self.trainer.begin()
            total: Sums | None = None
            step = 0
            while (steps is None or step < steps) and not self._stopped():
                group = list(islice(given, self.group))
                if not group and again and steps is not None:
                    given = restart()
                    group = list(islice(given, self.group))
                if not group:
                    if steps is not None:
                        _ran_out()
                        self.trainer.network.stop_training = True
                    break
                self.callbacks.call("on_train_batch_begin", step, None)
                for i, batch in enumerate(group):
                    rows = gather(self.trainer.network, *unpack(batch), class_weight)
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
            from foldnet.training.actions import judge

            rows = self.validation() if callable(self.validation) else self.validation
            judged = judge(self.trainer, rows, self.validation_batch_size, self.callbacks)
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
            # Only the history listens: thousands of epochs are told of at once.
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
        if self.validation is None:
            return False
        if isinstance(self.validation_freq, int):
            return (epoch + 1) % self.validation_freq == 0
        return epoch + 1 in self.validation_freq

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
    warn("the data ran out within an epoch; give at least steps_per_epoch batches an epoch")


def added(a: Sums, b: Sums) -> Sums:
    """Sums over the rows of both."""
    rows = a.rows + b.rows
    regularization = (a.regularization * a.rows + b.regularization * b.rows) / np.maximum(rows, 1)
    values = [x + y for x, y in zip(a.values, b.values, strict=True)]
    return Sums(rows, a.loss + b.loss, regularization, values, b.results)
