"""What ``fit`` shows while it runs: a progress bar on a terminal, a line per epoch, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, assert_never

from foldnet.escaping import escaped_name
from foldnet.training.arguments import Verbosity


class Progress:
    """Base class; shows nothing."""

    live = False
    """Whether it shows epochs while the fit runs."""

    def epoch(self, number: int, logs: Mapping[str, Any]) -> None:
        """Called after each epoch."""

    def close(self) -> None:
        """Called at the end of ``fit``."""


class Lines(Progress):
    """Two lines per epoch, as in Keras: its number, then its time and logs."""

    live = True

    def __init__(self, epochs: int, steps: int | None, counted: str = "Epoch") -> None:
        self.epochs, self.steps, self.counted = epochs, steps, counted
        self.started = time.perf_counter()

    def epoch(self, number: int, logs: Mapping[str, Any]) -> None:
        """Print the epoch's number, and below it the time it took and its logs."""
        now = time.perf_counter()
        print(f"{self.counted} {number + 1}/{self.epochs}\n{line(self.steps, now - self.started, logs)}")
        self.started = now


class Bar(Progress):
    """A progress bar over the epochs, with the latest logs."""

    live = True

    def __init__(self, epochs: int, counted: str = "Epoch") -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self.bar = RichProgress(
            TextColumn(counted), MofNCompleteColumn(), BarColumn(bar_width=20), TimeElapsedColumn(),
            TextColumn("{task.description}"),
        )  # fmt: skip
        self.task = self.bar.add_task("", total=epochs)
        self.bar.start()

    def epoch(self, number: int, logs: Mapping[str, Any]) -> None:
        """Advance the bar."""
        self.bar.update(self.task, completed=number + 1, description=text(logs))

    def close(self) -> None:
        """Stop redrawing the bar."""
        self.bar.stop()


def line(steps: int | None, seconds: float, logs: Mapping[str, Any]) -> str:
    """Time and logs of an epoch or an evaluation, as Keras prints them without a progress bar.

    >>> line(5, 0.01, {"loss": 0.5})
    '5/5 - 0s - 2ms/step - loss: 0.5000'
    """
    if not steps:
        return f"{seconds:.0f}s - {text(logs)}"
    return f"{steps}/{steps} - {seconds:.0f}s - {_duration(seconds / steps)}/step - {text(logs)}"


def _duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds / 1e-6:.0f}us"


def text(logs: Mapping[str, Any]) -> str:
    """Logs in one line: losses first, validation logs last."""
    order = sorted(logs, key=lambda name: (name.startswith("val_"), not name.endswith("loss"), name))
    return " - ".join(f"{escaped_name(name)}: {_number(logs[name])}" for name in order)


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) >= 1e-3 or value == 0 else f"{value:.4e}"
    return str(value)


def progress_for(verbose: Verbosity, epochs: int, steps: int | None, counted: str = "Epoch") -> Progress:
    """The display that ``verbose`` asks for, of epochs or of something else that is counted."""
    match verbose:
        case 0:
            return Progress()
        case 1 | "auto":
            return Bar(epochs, counted) if sys.stderr.isatty() and sys.stdout.isatty() else Progress()
        case 2:
            return Lines(epochs, steps, counted)
        case _:
            assert_never(verbose)
