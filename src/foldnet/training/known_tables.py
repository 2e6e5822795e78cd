"""The optimizer's numbers for each step, kept for the next fit that needs the same."""

from __future__ import annotations

from foldnet.arrays import Array
from foldnet.recent_cache import RecentCache
from foldnet.training.optimizer import Optimizer

MOST = 32
"""Tables to keep; the one that was asked for longest ago goes first."""

LARGEST = 20_000
"""Steps of a table that is kept."""

_PLAIN = (int, float, bool, str, type(None))
_CHANGE = frozenset(
    {"name", "steps", "trainer", "excluded_from_decay", "_excluded_arrays", "_excluded_places"}
)
"""Attributes of an optimizer that its numbers do not depend on."""

_known: RecentCache[Array] = RecentCache(MOST)


def step_table(optimizer: Optimizer, first: int, steps: int) -> Array:
    """``optimizer.table``, possibly a read-only array that another fit has, too."""
    settings = {name: value for name, value in vars(optimizer).items() if name not in _CHANGE}
    own = type(optimizer).__module__.startswith("foldnet.")
    if steps > LARGEST or not own or not all(isinstance(value, _PLAIN) for value in settings.values()):
        return optimizer.table(first, steps)
    key = (type(optimizer), first, steps, *(f"{name}={value!r}" for name, value in settings.items()))
    found = _known.get(key)
    if found is None:
        found = optimizer.table(first, steps)
        found.flags.writeable = False
        _known.put(key, found)
    return found
