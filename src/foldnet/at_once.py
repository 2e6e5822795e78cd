"""Work of which several pieces run at once, each in a thread: how many threads a piece may have, and when it must end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Event


@dataclass(frozen=True)
class Piece:
    """One of several pieces of work that run at once.

    Attributes:
        threads: the most that compiled code may use for it; None for as many as it would use alone.
        stop: set when it must end before it is done; None if nobody can ask for that.
    """

    threads: int | None = None
    stop: Event | None = None


_piece: ContextVar[Piece] = ContextVar("piece", default=Piece())


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
