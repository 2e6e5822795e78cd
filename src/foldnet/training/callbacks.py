"""Keras's callbacks: hooks that a fit calls, and the ready-made ones.

A callback that states only epoch hooks costs one call an epoch; one that states a batch hook makes the fit come
back to Python after every step, which only those pay who use it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foldnet.errors import ConfigError

Logs = dict[str, Any]
BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


class Callback:
    """Base of the callbacks, with Keras's hooks; ``self.model`` and ``self.params`` are set by the fit."""

    model: Any = None
    params: dict[str, Any]

    def set_model(self, model: Any) -> None:
        """Told the network."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Told epochs, steps and verbosity."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch; ``logs`` has loss and metrics, with ``val_`` those of the validation data."""

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a step."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a step."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a step; calls ``on_batch_begin`` unless stated otherwise."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a step; calls ``on_batch_end`` unless stated otherwise."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before an evaluation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After an evaluation."""


def wants_batches(callback: Any) -> bool:
    """Whether a callback states a batch hook of its own."""
    own = type(callback)
    if isinstance(callback, LambdaCallback):
        return callback.wants_batches
    return any(
        getattr(own, hook, None) is not getattr(Callback, hook) for hook in BATCH_HOOKS if hasattr(own, hook)
    )


class History(Callback):
    """What ``fit`` returns: ``history`` maps each log's name to its values by epoch."""

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start anew."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the logs."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


def better(monitor: str, mode: str) -> tuple[Callable[[Any, Any], bool], float]:
    """The comparison by which a monitored value is better, and the worst value."""
    if mode not in ("auto", "min", "max"):
        raise ConfigError(f"mode is 'auto', 'min' or 'max', not {mode!r}")
    rising = ("acc", "auc", "f1", "precision", "recall", "r2", "top_k", "fbeta", "iou")
    largest = mode == "max" or (mode == "auto" and any(word in monitor.lower() for word in rising))
    return (np.greater, -np.inf) if largest else (np.less, np.inf)


class EarlyStopping(Callback):
    """Stop when a monitored value has not become better for ``patience`` epochs.

    Args:
        monitor: name in the logs.
        min_delta: what counts as better.
        patience: epochs without it.
        verbose: 1 says when it stops.
        mode: ``"min"``, ``"max"``, or ``"auto"`` by the name.
        baseline: a value to be better than first.
        restore_best_weights: put back the weights of the best epoch at the end.
        start_from_epoch: epochs to wait before watching.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        self.monitor, self.min_delta, self.patience = monitor, abs(min_delta), patience
        self.verbose, self.baseline = verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self._better, self._worst = better(monitor, mode)
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start anew."""
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self._worst
        self.best_weights: list[Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare."""
        value = (logs or {}).get(self.monitor)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self._improves(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._improves(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Put back the best weights."""
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            self.model.set_weights(self.best_weights)

    def _improves(self, value: Any, than: Any) -> bool:
        delta = self.min_delta if self._better is np.greater else -self.min_delta
        return bool(self._better(value - delta, than))


class ModelCheckpoint(Callback):
    """Save the network after epochs, all or only the best.

    Args:
        filepath: may hold names of the logs: ``"{epoch:02d}-{val_loss:.2f}.keras"``.
        monitor: name in the logs that ``save_best_only`` goes by.
        save_best_only: save only when it is better than before.
        save_weights_only: weights without the configuration, to a ``.weights.h5`` file.
        mode: ``"min"``, ``"max"``, or ``"auto"`` by the name.
        save_freq: ``"epoch"``.
        initial_value_threshold: what the first value must be better than.
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        if save_freq != "epoch":
            raise ConfigError('ModelCheckpoint saves after epochs: save_freq="epoch"')
        ending = ".weights.h5" if save_weights_only else (".keras", ".h5")
        if not str(filepath).endswith(ending):
            raise ConfigError(f"filepath must end in {ending}, got {filepath}")
        self.filepath, self.monitor, self.verbose = str(filepath), monitor, verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self._better, worst = better(monitor, mode)
        self.best = worst if initial_value_threshold is None else initial_value_threshold

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save, if it is to be."""
        logs = logs or {}
        if self.save_best_only:
            value = logs.get(self.monitor)
            if value is None or not self._better(value, self.best):
                return
            self.best = value
        path = self.filepath.format(epoch=epoch + 1, **logs)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved {path}")


class ReduceLROnPlateau(Callback):
    """Multiply the learning rate by ``factor`` when a monitored value has not become better for a while.

    Args:
        monitor: name in the logs.
        factor: below 1.
        patience: epochs without improvement.
        min_delta: what counts as better.
        cooldown: epochs to wait after a change.
        min_lr: the smallest learning rate.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        if factor >= 1.0:
            raise ConfigError(f"factor must be below 1, got {factor}")
        self.monitor, self.factor, self.patience, self.verbose = monitor, factor, patience, verbose
        self.min_delta, self.cooldown, self.min_lr = min_delta, cooldown, min_lr
        self._better, self._worst = better(monitor, mode)
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start anew."""
        self.best, self.cooldown_counter, self.wait = self._worst, 0, 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare, and reduce."""
        if logs is None:
            return
        optimizer = self.model.optimizer
        logs["learning_rate"] = optimizer.learning_rate
        value = logs.get(self.monitor)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        sign = 1 if self._better is np.greater else -1
        if self._better(value - sign * self.min_delta, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter <= 0:
            self.wait += 1
            if self.wait >= self.patience and optimizer.learning_rate > np.float32(self.min_lr):
                optimizer.learning_rate = max(optimizer.learning_rate * self.factor, self.min_lr)
                self.cooldown_counter, self.wait = self.cooldown, 0
                if self.verbose:
                    print(f"Epoch {epoch + 1}: learning rate {optimizer.learning_rate:g}")


class LearningRateScheduler(Callback):
    """Set the learning rate before each epoch to ``schedule(epoch, learning_rate)``."""

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set it."""
        optimizer = self.model.optimizer
        try:
            rate = self.schedule(epoch, optimizer.learning_rate)
        except TypeError:  # a schedule of the epoch alone
            rate = self.schedule(epoch)
        optimizer.learning_rate = float(rate)
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {optimizer.learning_rate:g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Note it."""
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate


class CSVLogger(Callback):
    """Write each epoch's logs as a line of a CSV file.

    Args:
        filename: of the file.
        separator: between cells.
        append: go on with an existing file.
    """

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = Path(filename), separator, append
        self._keys: list[str] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Open the file."""
        going_on = self.append and self.filename.exists() and self.filename.stat().st_size > 0
        self._file = self.filename.open("a" if self.append else "w", newline="", encoding="utf-8")
        self._header = not going_on
        self._keys = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write a line."""
        logs = logs or {}
        writer = csv.writer(self._file, delimiter=self.separator)
        if self._keys is None:
            # Validation may come later than the first epoch (validation_freq), so its columns are there from it on.
            ours = [k for k in logs if not k.startswith("val_")]
            expected = (
                [f"val_{k}" for k in ours if k != "learning_rate"] if self.params.get("validates") else []
            )
            self._keys = sorted(dict.fromkeys([*logs, *expected]))
            if self._header:
                writer.writerow(["epoch", *self._keys])
        writer.writerow([epoch, *(logs.get(k, "NA") for k in self._keys)])
        self._file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Close the file."""
        self._file.close()


class TerminateOnNaN(Callback):
    """Stop when the loss is NaN or infinite."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the loss; the fit itself names the batch."""
        if not np.isfinite((logs or {}).get("loss", 0.0)):
            self.model.stop_training = True


class LambdaCallback(Callback):
    """Functions as hooks: ``LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs))``."""

    def __init__(self, **hooks: Callable[..., Any] | None) -> None:
        allowed = [name for name in dir(Callback) if name.startswith("on_")]
        if unknown := set(hooks) - set(allowed):
            raise ConfigError(f"there is no hook {sorted(unknown)}; there are {allowed}")
        given = {name: hook for name, hook in hooks.items() if hook is not None}
        self.wants_batches = any(name in BATCH_HOOKS for name in given)
        for name, hook in given.items():
            setattr(self, name, hook)


class CallbackList:
    """Several callbacks called as one, in order."""

    def __init__(self, callbacks: Sequence[Any], model: Any, params: dict[str, Any]) -> None:
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            callback.set_params(params)
            callback.set_model(model)
        self.by_batch = any(wants_batches(c) for c in self.callbacks)
        self.by_epoch = any(not isinstance(c, History) for c in self.callbacks)

    def call(self, hook: str, *arguments: Any) -> None:
        """Call a hook of every callback that has it."""
        for callback in self.callbacks:
            function = getattr(callback, hook, None)
            if function is not None:
                function(*arguments)
