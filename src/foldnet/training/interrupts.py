"""Ctrl+C while an engine runs: the current step is finished, and the results of the epochs before it are kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from foldnet.at_once import piece


def end_if_asked() -> None:
    """Raise the KeyboardInterrupt of another thread that started this one.

    Raises:
        KeyboardInterrupt: it asked this one to end.
    """
    stop = piece().stop
    if stop is not None and stop.is_set():
        raise KeyboardInterrupt


class Interrupts:
    """A context manager: the first SIGINT asks the engine to stop, a second one raises KeyboardInterrupt at once.

    Outside the main thread (where Python delivers no signals), and if SIGINT has another handler, only the thread that
    started this one can ask; see ``at_once``.
    """

    def __init__(self) -> None:
        self.asked = False
        self._stop = piece().stop
        self._before: Any = None
        self._ours = self._stop is None and threading.current_thread() is threading.main_thread()

    @property
    def should_stop(self) -> Callable[[], bool] | None:
        """A function that the engine calls from time to time; None if nobody can ask."""
        if self._stop is not None:
            return self._stop.is_set
        return (lambda: self.asked) if self._ours else None

    def check(self) -> None:
        """Raise the KeyboardInterrupt that was held back, if there was one."""
        if self.asked:
            raise KeyboardInterrupt
        end_if_asked()

    def __enter__(self) -> Self:
        if self._ours:
            self._before = signal.getsignal(signal.SIGINT)
            # Another handler, or none, is not replaced.
            self._ours = self._before is signal.default_int_handler
        if self._ours:
            signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, self._before)
