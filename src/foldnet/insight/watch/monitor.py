"""NormalizationMonitor: records the statistics of every BatchNormalization during a fit in a directory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError
from foldnet.insight.normalizations import normalization_calls
from foldnet.insight.watch.run_files import RunWriter
from foldnet.layers.normalization import BatchNormalization
from foldnet.network import Network
from foldnet.training.callbacks import Callback, Logs

CHANNELS = 64
"""The largest number of channels recorded per layer (evenly spread), so that wide layers do not fill the disk."""
FLUSH_SECONDS = 2.0
FLUSH_RECORDS = 1000


class NormalizationMonitor(Callback):
    """Record moving and batch statistics of each BatchNormalization, with the losses, while a network trains.

    The batch statistics cost nothing: a moving statistic becomes ``old * momentum + batch * (1 - momentum)`` at each
    step, so the average of the batches since the last record follows from its change. Recorded at every step, these
    are each batch's own mean and variance (with about five digits, because of float32).

    Files are written atomically, every two seconds and at the end, so that reports of a running or killed training
    are possible. ``foldnet report DIRECTORY`` draws them.

    Args:
        directory: made if missing; it may hold an earlier run, which is replaced.
        every: ``"epoch"``, or a number of steps. With steps, the fit returns to Python after each step, which is
            slow for small networks.

    Raises:
        ConfigError: ``every`` is neither, or the network has no BatchNormalization.
        FileExistsError: the directory holds other files than a run.
    """

    def __init__(self, directory: str | PathLike[str] = "run", every: str | int = "epoch") -> None:
        if every != "epoch" and (not isinstance(every, int) or isinstance(every, bool) or every < 1):
            raise ConfigError(f'every is "epoch" or a number of steps, not {every!r}')
        self.directory, self.every = Path(directory), every
        self._writer: RunWriter | None = None
        if every != "epoch":
            # Set only on this object, so that a monitor by epoch does not make the fit stop at every step.
            self.on_train_batch_end = self._after_step  # type: ignore[method-assign]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start the run's files."""
        self._layers, self._calls = _followed(self.model)
        self._chosen = {path: _spread(layer) for path, layer in self._layers}
        self._steps, self._epoch, self._begun = self._iterations(), 0, False
        self._last = self._moving()
        self._started = self._flushed = time.monotonic()
        self._writer = RunWriter(self.directory, self._describe())

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before the first epoch, record the initial statistics."""
        if not self._begun:
            self._begun, self._epoch = True, epoch
            self._record({})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Record the epoch's logs, and the statistics after it."""
        self._epoch = epoch + 1
        self._record({k: v for k, v in (logs or {}).items() if np.ndim(v) == 0})

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Write the remaining records."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _after_step(self, batch: int, logs: Logs | None = None) -> None:
        done = self._iterations() - self._steps
        if isinstance(self.every, int) and done >= self.every:
            # The logs of a step are means over the epoch so far; only the whole epoch's are kept.
            self._record({})

    def _iterations(self) -> int:
        optimizer = self.model.optimizer
        return 0 if optimizer is None else int(optimizer.steps)

    def _moving(self) -> dict[str, Array]:
        return {
            f"{path}:{name}": getattr(layer, name).reshape(-1)[self._chosen[path]].astype(np.float64)
            for path, layer in self._layers
            for name in ("moving_mean", "moving_variance")
        }

    def _record(self, logs: Logs) -> None:
        if self._writer is None:
            return
        steps, moving = self._iterations(), self._moving()
        row: dict[str, Any] = {
            "step": steps,
            "epoch": self._epoch,
            "seconds": time.monotonic() - self._started,
        }
        row |= {f"log:{name}": float(value) for name, value in logs.items()}
        row |= moving
        row |= self._batch(moving, steps - self._steps)
        self._writer.add(row)
        self._steps, self._last = steps, moving
        if len(self._writer) >= FLUSH_RECORDS or time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._writer.flush()
            self._flushed = time.monotonic()

    def _batch(self, moving: dict[str, Array], steps: int) -> dict[str, Array]:
        """The average statistics of the batches since the last record, computed from the moving statistics."""
        row = {}
        for path, layer in self._layers:
            kept = float(layer.momentum) ** (steps * self._calls[path])
            for name in ("mean", "variance"):
                now, before = (m[f"{path}:moving_{name}"] for m in (moving, self._last))
                # Renormalization updates a standard deviation instead; a frozen layer is not updated.
                unknown = layer.renorm or kept == 1.0 or np.array_equal(now, before)
                batch = np.full_like(now, np.nan) if unknown else (now - kept * before) / (1 - kept)
                row[f"{path}:batch_{name}"] = np.maximum(batch, 0.0) if name == "variance" else batch
        return row

    def _describe(self) -> dict[str, Any]:
        return {
            "network": self.model.name,
            "every": self.every,
            "first_step": self._steps,
            "layers": [
                {
                    "layer": path,
                    "channels": int(layer.moving_mean.size),
                    "recorded": [int(c) for c in self._chosen[path]],
                    "momentum": float(layer.momentum),
                    "epsilon": float(layer.epsilon),
                    "axis": layer.axis,
                    "calls": self._calls[path],
                    "trainable": bool(layer.trainable),
                }
                for path, layer in self._layers
            ],
        }


def monitored(monitor: object, callbacks: object) -> list[Any]:
    """The callbacks of a fit, and the monitor that ``fit(monitor=...)`` asks for.

    Raises:
        ConfigError: ``monitor`` is neither ``"normalization"`` nor a NormalizationMonitor.
    """
    if monitor == "normalization":
        monitor = NormalizationMonitor()
    if not isinstance(monitor, NormalizationMonitor):
        raise ConfigError(
            'monitor is "normalization", which writes to the directory "run", or a NormalizationMonitor, not '
            f"{monitor!r}"
        )
    return [monitor] if callbacks is None else [callbacks, monitor]


def _followed(model: Network) -> tuple[Sequence[tuple[str, BatchNormalization]], dict[str, int]]:
    """The layers by the paths of their first calls, and how often a step of training updates each."""
    found: dict[BatchNormalization, str] = {}
    calls: dict[str, int] = {}
    for call in normalization_calls(model):
        if isinstance(call.layer, BatchNormalization):
            path = found.setdefault(call.layer, call.path)
            # Inside TimeDistributed every step has statistics of its own, which move the moving ones in turn.
            calls[path] = calls.get(path, 0) + prod(n or 1 for n in call.along)
    if not found:
        raise ConfigError(f"{model.name!r} has no BatchNormalization, so there is nothing to monitor")
    return [(path, layer) for layer, path in found.items()], calls


def _spread(layer: BatchNormalization) -> Array:
    count = int(layer.moving_mean.size)
    return np.unique(np.linspace(0, count - 1, min(count, CHANNELS)).round().astype(np.int64))
