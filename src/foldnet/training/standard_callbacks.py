"""Keras's callbacks: early stopping, checkpoints, learning rates, CSV logs, and stopping at NaN."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, assert_never, get_args

import numpy as np

from foldnet import ops
from foldnet.disk.atomic import target_of
from foldnet.errors import ConfigError, FoldnetError
from foldnet.literals import member
from foldnet.training.callbacks import Callback, Logs
from foldnet.training.metric import Direction
from foldnet.warn import warn

Mode = Literal["auto", "min", "max"]
MODES: tuple[Mode, ...] = get_args(Mode)


class MonitorCallback(Callback):
    """Base class of callbacks that watch whether a value of the logs improves.

    Args:
        monitor: its name in the logs.
        mode: ``"min"``, ``"max"``, or ``"auto"``: chosen by the loss or metric of that name.
        best: the value that it must improve on first; None for any.
        min_delta: smallest change that counts as an improvement.
    """

    def __init__(self, monitor: str, mode: str, best: float | None, min_delta: float) -> None:
        known = member(mode, MODES)
        if known is None:
            warn(f"{type(self).__name__}: mode {mode!r} is unknown, taken as 'auto'")
        self.mode: Mode = known or "auto"
        self.monitor, self.best, self.min_delta = monitor, best, abs(min_delta)
        self.monitor_op: Any = None
        """``ops.greater`` or ``ops.less``; None until the first comparison."""

    def improves(self, value: Any, than: Any) -> bool:
        """Whether a value is better than another by ``min_delta``.

        Raises:
            ConfigError: it is not known whether higher or lower is better.
        """
        rises = self._rises()
        self.monitor_op = ops.greater if rises else ops.less
        margin = -self.min_delta if rises else self.min_delta
        return than is None or bool(self.monitor_op(value + margin, than))

    def _rises(self) -> bool:
        match self.mode:
            case "min" | "max":
                return self.mode == "max"
            case "auto":
                return self._direction() == "up"
            case _:
                assert_never(self.mode)

    def _direction(self) -> Direction:
        trainer = getattr(self.model, "trainer", None)
        direction: Direction | None = "down" if self.monitor in ("loss", "val_loss") else None
        if direction is None and trainer is not None:
            direction = trainer.compiled.direction(self.monitor)
        if direction is None:
            raise ConfigError(
                f"{type(self).__name__}(monitor={self.monitor!r}): the name does not say whether this should "
                "rise or fall; give mode='max' or mode='min'"
            )
        return direction

    def monitored(self, logs: Logs | None) -> Any:
        """The monitored value, or None with a warning."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warn(
                f"{type(self).__name__} watches {self.monitor!r}, which is not available; there are "
                f"{', '.join(logs or {})}"
            )
        return value


class EarlyStopping(MonitorCallback):
    """Stop training when the monitored value has not improved for ``patience`` epochs.

    Args:
        monitor: name in the logs.
        min_delta: smallest change that counts as an improvement.
        patience: epochs without improvement.
        verbose: 1 says when it stops.
        mode: ``"min"``, ``"max"``, or ``"auto"`` by the loss or metric.
        baseline: improvements count only if the value is also better than this.
        restore_best_weights: restore the weights of the best epoch at the end.
        start_from_epoch: number of epochs to ignore at the start.
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
        super().__init__(monitor, mode, None, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start again."""
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = None
        self.best_weights: list[Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare with the best value, and stop if there is no improvement."""
        value = self.monitored(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.improves(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.improves(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Restore the best weights."""
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)


class ModelCheckpoint(MonitorCallback):
    """Save the network after epochs or steps, always or only when it is the best so far.

    Args:
        filepath: may contain names of the logs: ``"{epoch:02d}-{val_loss:.2f}.keras"``.
        monitor: name in the logs that ``save_best_only`` goes by.
        verbose: 1 says when it saves.
        save_best_only: save only when the monitored value has improved.
        save_weights_only: save weights without the configuration, in a ``.weights.h5`` file.
        mode: ``"min"``, ``"max"``, or ``"auto"`` by the loss or metric.
        save_freq: ``"epoch"``, or a number of steps.
        initial_value_threshold: the value that the first save must improve on.
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold, 0)
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ConfigError(f"save_freq is 'epoch' or a number of steps, not {save_freq!r}")
        ending = ".weights.h5" if save_weights_only else (".keras", ".h5")
        if not str(filepath).endswith(ending):
            raise ConfigError(f"filepath must end in {ending}, got {filepath}")
        self.filepath, self.verbose, self.save_freq = str(filepath), verbose, save_freq
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self._steps, self._epoch = 0, 0
        if save_freq != "epoch":
            # Set on the object, so that fit only goes step by step if save_freq asks for it.
            vars(self)["on_train_batch_end"] = self._after_step

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def _after_step(self, batch: int, logs: Logs | None = None) -> None:
        self._steps += 1
        if self._steps >= int(self.save_freq):
            self._steps = 0
            self._save(self._epoch, {"batch": batch + 1} | (logs or {}))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save if ``save_freq`` is ``"epoch"``."""
        if self.save_freq == "epoch":
            self._save(epoch, logs or {})

    def _save(self, epoch: int, logs: Logs) -> None:
        try:
            path = self.filepath.format(epoch=epoch + 1, **logs)
        except KeyError as error:
            raise ConfigError(
                f"filepath {self.filepath!r} names {error}, which is not in the logs: {list(logs)}"
            ) from None
        before = self.best
        if self.save_best_only and not self._is_best(logs):
            if self.verbose:
                print(f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {before:.5f}")
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        if self.verbose:
            better = self.save_best_only and before is not None
            said = f"{self.monitor} improved from {before:.5f} to {self.best:.5f}, " if better else ""
            print(f"\nEpoch {epoch + 1}: {said}saving model to {path}")

    def _is_best(self, logs: Logs) -> bool:
        value = self.monitored(logs)
        if value is None or np.ndim(value) > 0:
            return True  # as in Keras: save when it cannot be compared
        if not self.improves(value, self.best):
            return False
        self.best = value
        return True


class ReduceLROnPlateau(MonitorCallback):
    """Multiply the learning rate by ``factor`` when the monitored value has not improved for ``patience`` epochs.

    Args:
        monitor: name in the logs.
        factor: below 1.
        patience: epochs without improvement.
        verbose: 1 prints when the rate changes.
        mode: ``"min"``, ``"max"``, or ``"auto"`` by the loss or metric.
        min_delta: smallest change that counts as an improvement.
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
        super().__init__(monitor, mode, None, min_delta)
        if factor >= 1.0:
            raise ConfigError(f"factor must be below 1, got {factor}")
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start again."""
        self.best, self.cooldown_counter, self.wait = None, 0, 0

    def in_cooldown(self) -> bool:
        """Whether it still waits after the last change."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare with the best value, and reduce the learning rate if there is no improvement."""
        logs = {} if logs is None else logs
        optimizer = self.model.optimizer
        logs["learning_rate"] = float(optimizer.learning_rate)
        value = self.monitored(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improves(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter <= 0:
            self.wait += 1
            if self.wait >= self.patience and optimizer.learning_rate > np.float32(self.min_lr):
                rate = max(float(optimizer.learning_rate) * self.factor, self.min_lr)
                optimizer.learning_rate = rate
                self.cooldown_counter, self.wait = self.cooldown, 0
                if self.verbose:
                    print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {rate}.")


class LearningRateScheduler(Callback):
    """Set the learning rate before each epoch to ``schedule(epoch, learning_rate)``, or ``schedule(epoch)``."""

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set the learning rate."""
        optimizer = self.model.optimizer
        try:
            rate = self.schedule(epoch, float(optimizer.learning_rate))
        except TypeError:  # a schedule of the epoch alone
            rate = self.schedule(epoch)
        if not isinstance(rate, float | np.floating):
            raise ConfigError(f"the schedule gave {rate!r} for epoch {epoch}, expected a float")
        optimizer.learning_rate = float(rate)
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Add the learning rate to the logs."""
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class CSVLogger(Callback):
    """Write each epoch's logs as a line of a CSV file.

    Args:
        filename: of the file.
        separator: between cells.
        append: append to an existing file.
    """

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = Path(filename), separator, append
        self._keys: list[str] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Open the file."""
        going_on = self.append and self.filename.exists() and self.filename.stat().st_size > 0
        self._file = target_of(self.filename).open("a" if self.append else "w", newline="", encoding="utf-8")
        self._header = not going_on
        self._keys = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write a line."""
        logs = logs or {}
        writer = csv.writer(self._file, delimiter=self.separator)
        if not self._keys:
            self._keys = sorted(logs)
            # Validation may start after the first epoch (validation_freq), so its columns are always written.
            if not any(k.startswith("val_") for k in self._keys):
                self._keys += [f"val_{k}" for k in self._keys]
            if self._header:
                writer.writerow(["epoch", *self._keys])
        writer.writerow([epoch, *(_cell(logs.get(k, "NA")) for k in self._keys)])
        self._file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Close the file."""
        self._file.close()


def _cell(value: Any) -> Any:
    """Several numbers, such as one per class, as a list in one cell."""
    array = np.asarray(value)
    return f'"[{", ".join(map(str, array))}]"' if array.ndim else value


class NotFiniteLossError(FoldnetError, RuntimeError):
    """The loss became NaN or infinite; raised by ``TerminateOnNaN(raise_error=True)``."""


class TerminateOnNaN(Callback):
    """Stop training at the first batch whose loss is NaN or infinite.

    The compiled code checks the loss, so ``fit`` need not return to Python after every batch.

    Args:
        raise_error: raise NotFiniteLossError instead.
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = raise_error

    def on_not_finite(self, batch: int, loss: float) -> None:
        """Stop; ``fit`` calls this at that batch."""
        if self.raise_error:
            raise NotFiniteLossError(f"the loss is {loss} at batch {batch}; training ends")
        print(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
