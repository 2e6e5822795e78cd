"""A small cache of recent values without a lock, for signal handlers, threads and forked children."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import count
from typing import Generic, TypeVar

V = TypeVar("V")


class RecentCache(Generic[V]):
    """At most ``most`` values by key; the least recently used one is removed first.

    Nothing here waits: a value is found by one lookup in a dict, and a new one is added to a copy of the dict, which
    then replaces it. If two values are added at the same time, one may be lost and is then made again.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: dict[Hashable, tuple[V, list[int]]] = {}
        self._clock = count()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> V | None:
        """The value, if it is still in the cache."""
        found = self._values.get(key)
        if found is None:
            return None
        value, used = found
        used[0] = next(self._clock)
        return value

    def put(self, key: Hashable, value: V) -> None:
        """Store a value."""
        values = dict(self._values)
        values[key] = value, [next(self._clock)]
        while len(values) > self.most:
            del values[min(values, key=lambda k: values[k][1][0])]
        self._values = values
