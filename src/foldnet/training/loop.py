"""The fit as a user asks for it: epochs in as few calls of the engine as callbacks and progress allow."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from foldnet.engines.fit import FitResult, Sums
from foldnet.errors import ConfigError, InputError
from foldnet.network import Network
from foldnet.training.api import gather, split_validation, trainer_of, unpack
from foldnet.training.callbacks import CallbackList, History
from foldnet.training.data import Rows
from foldnet.training.progress import Progress, progress_for
from foldnet.training.trainer import Trainer

Array = np.ndarray[Any, Any]

REDRAW_SECONDS = 0.1
"""How often a progress bar wants to hear from a running fit."""


def fit(
    network: Network,
    x: Any = None,
    y: Any = None,
    batch_size: int | None = None,
    epochs: int = 1,
    verbose: Any = "auto",
    callbacks: Sequence[Any] | None = None,
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: bool = True,
    class_weight: Mapping[int, float] | None = None,
    sample_weight: Any = None,
    initial_epoch: int = 0,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    validation_batch_size: int | None = None,
    validation_freq: int | Sequence[int] = 1,
) -> History:
    """See ``Network.fit``."""
    trainer = trainer_of(network)
    size = 32 if batch_size is None else int(batch_size)
    if size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
    validation: Rows | None = None
    batches: Iterator[Any] | None = None
    if _is_iterator(x, y):
        batches = iter(x)
        rows = None
    else:
        rows = gather(network, x, y, sample_weight, class_weight)
        if validation_split and validation_data is None:
            rows, validation = split_validation(rows, validation_split)
    if validation_data is not None:
        validation = _validation_rows(
            network, validation_data, validation_steps, validation_batch_size or size
        )
    history = History()
    steps = steps_per_epoch if rows is None or steps_per_epoch else -(-len(rows) // size)
    params = {"epochs": epochs, "steps": steps, "verbose": verbose, "validates": validation is not None}
    progress = progress_for(verbose, epochs, steps)
    every = CallbackList([history, *(callbacks or ())], network, params)
    network.stop_training = False
    network.history = history
    run = _Run(trainer, every, progress, size, validation, validation_freq, shuffle, epochs)
    every.call("on_train_begin", None)
    try:
        if rows is None:
            run.stream(x, batches, initial_epoch, steps_per_epoch)
        elif every.by_batch or steps_per_epoch:
            run.by_batch(rows, initial_epoch, steps_per_epoch)
        else:
            run.by_epoch(rows, initial_epoch)
    finally:
        progress.close()
        trainer.use_averages()
        every.call("on_train_end", run.last)
    return history


class _Run:
    """One fit under way."""

    def __init__(
        self,
        trainer: Trainer,
        callbacks: CallbackList,
        progress: Progress,
        batch_size: int,
        validation: Rows | None,
        validation_freq: int | Sequence[int],
        shuffle: bool,
        epochs: int,
    ) -> None:
        self.trainer, self.callbacks, self.progress = trainer, callbacks, progress
        self.batch_size, self.validation, self.validation_freq = batch_size, validation, validation_freq
        self.shuffle, self.epochs = shuffle, epochs
        self.last: dict[str, Any] = {}
        self.warned = False

    def by_epoch(self, rows: Rows, first: int) -> None:
        """Whole epochs: all in one call, or as many as a callback or the progress bar lets pass."""
        epoch, count = first, 1 if self.callbacks.by_epoch or self.progress.live else self.epochs - first
        while epoch < self.epochs and not self._stopped():
            if self.callbacks.by_epoch:
                self.callbacks.call("on_epoch_begin", epoch, None)
            started = time.perf_counter()
            count = min(count, self.epochs - epoch)
            wanted = [self._validates(e) for e in range(epoch, epoch + count)]
            result = self.trainer.fit(
                rows,
                batch_size=self.batch_size,
                epochs=count,
                first_epoch=epoch,
                shuffle=self.shuffle,
                validation=self.validation,
                validation_epochs=wanted,
            )
            self._warn(result)
            for i in range(result.epochs):
                self._epoch_end(epoch + i, result.training, result.validation if wanted[i] else None, i)
            epoch += count
            if result.stopped:
                raise KeyboardInterrupt
            if not self.callbacks.by_epoch and self.progress.live:
                took = (time.perf_counter() - started) / count
                count = max(1, int(REDRAW_SECONDS / max(took, 1e-9)))

    def by_batch(self, rows: Rows, first: int, steps: int | None) -> None:
        """Step by step, for callbacks that ask for it."""
        from foldnet.engines.fit import SHUFFLE_STREAM
        from foldnet.engines.philox import permutation

        place = 0
        order = np.arange(len(rows))
        for epoch in range(first, self.epochs):
            if self._stopped():
                return
            self.callbacks.call("on_epoch_begin", epoch, None)
            total: Sums | None = None
            count = steps or -(-len(rows) // self.batch_size)
            for step in range(count):
                if place == 0 and self.shuffle:
                    order = permutation(self.trainer.seed, SHUFFLE_STREAM, epoch, len(rows))
                chosen = order[place : place + self.batch_size]
                place = (place + self.batch_size) % (-(-len(rows) // self.batch_size) * self.batch_size)
                total = self._one(_pick(rows, chosen), step, total)
                if self._stopped():
                    break
            self._validated_end(epoch, total)

    def stream(self, source: Any, batches: Iterator[Any] | None, first: int, steps: int | None) -> None:
        """Batches as an iterator gives them; an iterable that can be gone through again starts anew each epoch."""
        again = not isinstance(source, Iterator)
        if not again and steps is None and self.epochs - first > 1:
            raise ConfigError(
                "an iterator can be gone through once: give steps_per_epoch, or a list of batches"
            )
        for epoch in range(first, self.epochs):
            if self._stopped():
                return
            if again and steps is None:
                batches = iter(source)
            self.callbacks.call("on_epoch_begin", epoch, None)
            total: Sums | None = None
            step = 0
            while batches is not None and (steps is None or step < steps) and not self._stopped():
                batch = next(batches, None)
                if batch is None:
                    if steps is not None:
                        warnings.warn("the iterator ran out of batches; training stops", stacklevel=4)
                        self.trainer.network.stop_training = True
                    break
                total = self._one(gather(self.trainer.network, *unpack(batch)), step, total)
                step += 1
            if total is None:
                raise InputError("the iterator gave no batch of rows")
            self._validated_end(epoch, total)

    def _one(self, rows: Rows, step: int, total: Sums | None) -> Sums:
        self.callbacks.call("on_train_batch_begin", step, None)
        result = self.trainer.fit(rows, batch_size=max(len(rows), 1), epochs=1, shuffle=False)
        self._warn(result)
        if result.stopped:
            raise KeyboardInterrupt
        total = result.training if total is None else added(total, result.training)
        self.callbacks.call("on_train_batch_end", step, self.trainer.logs(total))
        return total

    def _validated_end(self, epoch: int, total: Sums | None) -> None:
        judged = None
        if self.validation is not None and self._validates(epoch):
            judged = self.trainer.evaluate(self.validation, self.batch_size)
        if total is not None:
            self._epoch_end(epoch, total, judged, 0)

    def _epoch_end(self, epoch: int, training: Sums, validation: Sums | None, index: int) -> None:
        logs: dict[str, Any] = self.trainer.logs(training, index)
        if validation is not None:
            logs |= {f"val_{k}": v for k, v in self.trainer.logs(validation, index).items()}
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

    def _warn(self, result: FitResult) -> None:
        if result.not_finite is not None and not self.warned:
            self.warned = True
            epoch, step = result.not_finite
            warnings.warn(
                f"the loss became NaN or infinite in epoch {epoch + 1}, batch {step + 1}. Look for NaN in the data, "
                "scale the inputs, or lower the learning rate.",
                RuntimeWarning,
                stacklevel=4,
            )


def added(a: Sums, b: Sums) -> Sums:
    """Sums over the rows of both."""
    rows = a.rows + b.rows
    regularization = (a.regularization * a.rows + b.regularization * b.rows) / np.maximum(rows, 1)
    return Sums(
        rows, a.loss + b.loss, regularization, [x + y for x, y in zip(a.values, b.values, strict=True)]
    )


def _pick(rows: Rows, order: Array) -> Rows:
    return Rows(
        [a[order] for a in rows.inputs], [a[order] for a in rows.targets], [a[order] for a in rows.weights]
    )


def _is_iterator(x: Any, y: Any) -> bool:
    """Whether x gives batches: an iterator, or an iterable of (x, y) that is no array, table, list or dict."""
    if y is not None or isinstance(x, Mapping) or hasattr(x, "__array__") or hasattr(x, "to_numpy"):
        return False
    if isinstance(x, Iterator):
        return True
    if isinstance(x, list):
        return bool(x) and all(isinstance(b, tuple) for b in x)
    return isinstance(x, Iterable) and not isinstance(x, tuple)


def _validation_rows(network: Network, data: Any, steps: int | None, size: int) -> Rows:
    if _is_iterator(data, None):
        parts = []
        for batch in data:
            parts.append(gather(network, *unpack(batch)))
            if steps is not None and len(parts) >= steps:
                break
        if not parts:
            raise InputError("validation_data gave no batch of rows")
        return Rows(*(
            [np.concatenate(arrays) for arrays in zip(*(getattr(p, kind) for p in parts), strict=True)]
            for kind in ("inputs", "targets", "weights")
        ))  # fmt: skip
    rows = gather(network, *unpack(data))
    return rows if steps is None else rows.part(0, steps * size)
