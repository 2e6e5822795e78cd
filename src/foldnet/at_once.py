"""Work of which several pieces run at once, each in a thread: how many threads a piece may have, and when it must end.

Compiled code does not hold Python's lock, so threads of pieces that are mostly compiled code use all processors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

from foldnet import system
from foldnet.errors import InputError

T = TypeVar("T")

LOOK = 0.1
"""Seconds after which the thread that waits for others looks for signals, where waiting for a thread hides them."""


@dataclass(frozen=True)
class Piece:
    """One of several pieces of work that run at once.

    Attributes:
        threads: the most that compiled code may use for it; None for as many as it would use alone.
        stop: set when it must end before it is done; None if nobody can ask for that.
    """

    threads: int | None = None
    stop: Event | None = None


ALONE = Piece()
_piece: ContextVar[Piece] = ContextVar("piece", default=ALONE)


def piece() -> Piece:
    """The piece of work that this thread is at."""
    return _piece.get()


@contextmanager
def as_piece(own: Piece) -> Iterator[None]:
    """Inside this context, the thread's work is such a piece."""
    token = _piece.set(own)
    try:
        yield
    finally:
        _piece.reset(token)


def default_threads() -> int:
    """Threads of a call: ``$FOLDNET_THREADS``, else the processors that this process and its container may use.

    Raises:
        InputError: the variable is not a positive number.
    """
    chosen = os.environ.get("FOLDNET_THREADS")
    if chosen:
        if not chosen.isdecimal() or int(chosen) < 1:
            raise InputError(f"FOLDNET_THREADS is {chosen!r}; it must be a number of threads, 1 or more")
        return int(chosen)
    return system.processors()


def run_at_once(
    pieces: Iterable[Callable[[], T]], threads: int, each: int, done: Callable[[int, T], None]
) -> list[T]:
    """Run pieces of work on several threads; their results in order.

    Args:
        pieces: taken from this iterator in order, by one thread at a time, as each is begun.
        threads: on which they run; with 1 in the caller's thread.
        each: threads that compiled code may use for one piece.
        done: called with the number and the result of each as it is done, by one thread at a time.

    Raises:
        BaseException: what a piece raised, or the iterator, or a signal's handler such as Ctrl+C's. The pieces that are
            running have then been asked to end, and have ended; no other has begun.
    """
    if threads == 1:
        found = []
        with as_piece(Piece(each)):
            for number, piece_of_work in enumerate(pieces):
                found.append(piece_of_work())
                done(number, found[-1])
        return found
    return _Crew[T](pieces, each, done).run(threads)


class _Crew(Generic[T]):
    """Threads that run pieces of work; see ``run_at_once``."""

    def __init__(self, pieces: Iterable[Callable[[], T]], each: int, done: Callable[[int, T], None]) -> None:
        self.pieces, self.done = enumerate(pieces), done
        self.results: dict[int, T] = {}
        self.errors: list[BaseException] = []
        self.stop, self.ended = Event(), Event()
        self.working = 0
        self.piece = Piece(each, self.stop)
        self.turn = Lock()

    def run(self, count: int) -> list[T]:
        """Run them all."""
        # Each thread goes on with what holds here, such as NumPy's handling of errors.
        threads = [Thread(target=copy_context().run, args=(self._work,), daemon=True) for _ in range(count)]
        try:
            for thread in threads:
                self._start(thread)
            self._wait()
        finally:
            self.stop.set()
            self._wait()
        if self.errors:
            raise self.errors[0]  # the others ended because of it
        return [self.results[number] for number in sorted(self.results)]

    def _start(self, thread: Thread) -> None:
        with self.turn:
            self.working += 1
        try:
            thread.start()
        except BaseException:  # the system has no room for it
            self._leave()
            raise

    def _leave(self) -> None:
        with self.turn:
            self.working -= 1
            if not self.working:
                self.ended.set()

    def _wait(self) -> None:
        # Not by join: in Python 3.11 a join that Ctrl+C interrupts takes the thread for ended from then on.
        while not self.ended.wait(LOOK):
            pass

    def _work(self) -> None:
        try:
            with as_piece(self.piece):
                while (entry := self._next()) is not None:
                    number, piece_of_work = entry
                    result = piece_of_work()
                    with self.turn:
                        self.results[number] = result
                        self.done(number, result)
        except BaseException as error:
            self.errors.append(error)
            self.stop.set()
        self._leave()

    def _next(self) -> tuple[int, Callable[[], T]] | None:
        with self.turn:
            return None if self.stop.is_set() else next(self.pieces, None)
