"""Work of which several pieces run at once, each in a thread: how many threads a piece may have, and when it must end.

Compiled code does not hold Python's lock, so threads of pieces that are mostly compiled code use all processors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Generic, TypeVar

from foldnet import system
from foldnet.errors import InputError

T = TypeVar("T")

LOOK = 0.1
"""Seconds after which the thread that waits for others looks for signals, where waiting for a thread hides them."""

AHEAD = 2
"""Pieces that are made ready for each thread. More would only take memory."""


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
        pieces: taken from this iterator in order, in the caller's thread, little by little.
        threads: on which they run; with 1 in the caller's thread.
        each: threads that compiled code may use for one piece.
        done: called in the caller's thread with the number and the result of each as it is done.

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
    return _Crew[T](threads, each, done).run(pieces)


class _Crew(Generic[T]):
    """Threads that run pieces of work; see ``run_at_once``."""

    def __init__(self, threads: int, each: int, done: Callable[[int, T], None]) -> None:
        self.done = done
        self.results: dict[int, T] = {}
        self.running = 0
        self.most = threads * AHEAD
        self.stop = Event()
        self.piece = Piece(each, self.stop)
        self.todo: SimpleQueue[tuple[int, Callable[[], T]] | None] = SimpleQueue()
        self.ended: SimpleQueue[tuple[int, T] | BaseException] = SimpleQueue()
        self.threads = [Thread(target=self._work, daemon=True) for _ in range(threads)]

    def run(self, pieces: Iterable[Callable[[], T]]) -> list[T]:
        """Run them all."""
        for thread in self.threads:
            thread.start()
        try:
            for entry in enumerate(pieces):
                self.todo.put(entry)
                self.running += 1
                while self.running >= self.most:
                    self._take()
            while self.running:
                self._take()
        finally:
            self.stop.set()
            for _ in self.threads:
                self.todo.put(None)
            for thread in self.threads:
                thread.join()
        return [self.results[number] for number in sorted(self.results)]

    def _take(self) -> None:
        """Wait for a piece to end."""
        while True:
            try:
                ended = self.ended.get(timeout=LOOK)
                break
            except Empty:
                continue
        self.running -= 1
        if isinstance(ended, BaseException):
            raise ended
        self.results[ended[0]] = ended[1]
        self.done(*ended)

    def _work(self) -> None:
        with as_piece(self.piece):
            while (entry := self.todo.get()) is not None and not self.stop.is_set():
                number, piece_of_work = entry
                try:
                    self.ended.put((number, piece_of_work()))
                except BaseException as error:
                    self.ended.put(error)
