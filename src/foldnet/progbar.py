"""``utils.Progbar``: a progress bar of a loop's steps on the terminal, with measured values."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from foldnet.errors import ConfigError


class Progbar:
    """A bar that grows as ``update`` is called.

    Args:
        target: the number of steps; None if unknown.
        width: of the bar in characters.
        verbose: 0 prints nothing, 1 a bar, 2 one line at the end.
        interval: the smallest number of seconds between two prints.
        stateful_metrics: names of values of which the last is shown; the others are averaged over the steps.
        unit_name: the word for a step.
        stateless_metrics: the reverse: names of values that are averaged; of the others the last is shown.

    Raises:
        ConfigError: both ``stateful_metrics`` and ``stateless_metrics``.
    """

    def __init__(
        self, target: int | None, width: int = 20, verbose: int = 1, interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None, unit_name: str = "step",
        stateless_metrics: Iterable[str] | None = None,
    ) -> None:  # fmt: skip
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ConfigError(
                "Only one of `stateful_metrics` and `stateless_metrics` can be given: the other follows from it"
            )
        self.target, self.width, self.verbose, self.interval = target, width, verbose, interval
        self.unit_name = unit_name
        self._latest = None if stateful_metrics is None else set(stateful_metrics)
        self._averaged = None if stateless_metrics is None else set(stateless_metrics)
        self._values: dict[str, tuple[float, float]] = {}
        self._seen = 0
        self._start = self._printed = time.monotonic()
        self._drawn = 0

    def _is_latest(self, name: str) -> bool:
        return name not in self._averaged if self._averaged is not None else name in (self._latest or ())

    def update(
        self, current: int, values: Sequence[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Set the number of finished steps and their values.

        Args:
            current: number of finished steps.
            values: pairs of name and number.
            finalize: whether this is the last update; by default when ``target`` is reached.
        """
        finalize = self.target is not None and current >= self.target if finalize is None else finalize
        for name, value in values or ():
            number = float(np.mean(value))
            if self._is_latest(name):
                self._values[name] = (number, 1.0)
            else:
                steps = max(current - self._seen, 1)
                total, count = self._values.get(name, (0.0, 0.0))
                self._values[name] = (total + number * steps, count + steps)
        self._seen = current
        now = time.monotonic()
        if self.verbose == 1 and (finalize or now - self._printed >= self.interval):
            text = self._text(current, now)
            sys.stdout.write("\r" + text.ljust(self._drawn) + ("\n" if finalize else ""))
            self._drawn, self._printed = len(text), now
            sys.stdout.flush()
        elif self.verbose == 2 and finalize:
            sys.stdout.write(self._text(current, now) + "\n")
            sys.stdout.flush()

    def add(self, n: int, values: Sequence[tuple[str, Any]] | None = None) -> None:
        """Add ``n`` finished steps."""
        self.update(self._seen + n, values)

    def _text(self, current: int, now: float) -> str:
        head = f"{current}/{self.target if self.target is not None else '?'}"
        bar = ""
        if self.verbose == 1 and self.target:
            done = int(self.width * min(current, self.target) / self.target)
            bar = " " + "━" * done + "─" * (self.width - done)
        each = (now - self._start) / max(current, 1)
        parts = [f"{head}{bar} {now - self._start:.0f}s {each:.3f}s/{self.unit_name}"]
        parts += [f"{name}: {total / max(count, 1e-12):.4f}" for name, (total, count) in self._values.items()]
        return " - ".join(parts)
