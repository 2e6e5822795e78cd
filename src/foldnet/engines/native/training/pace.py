"""How many threads share the steps of a training: all that may, or one where other programs keep these waiting.

Threads that share a step wait for each other several times in it. On a processor that others want, too, each of these
waits can last until the system gives a thread its turn, and one thread alone is faster. Results do not depend on it.
"""

from __future__ import annotations

from enum import Enum

ENOUGH = 0.8
"""Share of the processors' time, of what the threads could have had, from which nothing keeps them waiting: threads
that wait for each other use it, too."""

BETTER = 0.9
"""How many times as long one thread may take for it to be the better choice."""

SHORTEST = 0.01
"""Seconds of work from which a measurement counts."""

STAY = 20
"""Measurements until another number of threads is looked at again: a second of work, or more."""


class _Now(Enum):
    TOGETHER, TRIED_ALONE, ALONE = range(3)


class Pace:
    """Chooses between all threads and one, by how fast the work went with either."""

    def __init__(self) -> None:
        self._now, self._left, self._together = _Now.TOGETHER, 0, 0.0

    def threads(self, most: int) -> int:
        """How many threads the next piece of work is to have, of at most so many."""
        return most if self._now is _Now.TOGETHER else 1

    def took(self, threads: int, work: float, seconds: float, processor: float) -> None:
        """Say how long a piece of work took.

        Args:
            threads: that shared it.
            work: how much it was, in any unit that stays the same.
            seconds: that it took.
            processor: seconds of processors' time that the threads had.
        """
        if not work or seconds < SHORTEST:
            return
        self._left = max(self._left - 1, 0)
        each = seconds / work
        if self._now is _Now.TOGETHER:
            if not self._left and threads > 1 and processor < ENOUGH * threads * seconds:
                self._now, self._together = _Now.TRIED_ALONE, each
        elif self._now is _Now.TRIED_ALONE:
            better = each < BETTER * self._together
            self._now, self._left = _Now.ALONE if better else _Now.TOGETHER, STAY
        elif not self._left:
            self._now = _Now.TOGETHER
