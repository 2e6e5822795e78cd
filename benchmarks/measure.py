"""Timing by turns, and what is made of the times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sides import LeftOutError, Sides

TURN = 4e-3
"""Seconds of a turn at least."""

FIT = 0.15
"""The same where a turn is one fit: what a fit does once must be a small part of it."""

SHORT, LONG = 3, 11
"""How many turns at least, and at most."""


@dataclass(frozen=True)
class Effort:
    """How much is done for each side of a case.

    Attributes:
        seconds: for the turns of a side, pauses not counted.
        most: turns at most.
    """

    seconds: float = 0.3
    most: int = LONG


QUICK = Effort(0.12, 5)


def by_turns(
    sides: Sides, slots: dict[str, tuple[str, str]], title: str, effort: Effort, turn: float = TURN
) -> dict[str, list[float]]:
    """Seconds of a call in each turn, by name; the first turns are not counted.

    Args:
        sides: the processes.
        slots: for each name, its side and what was prepared there.
        title: of the case, for what is left out.
        effort: how many turns.
        turn: seconds of one at least.
    """
    counts: dict[str, int] = dict.fromkeys(slots, 1)
    turns: dict[str, int] = dict.fromkeys(slots, 0)
    times: dict[str, list[float]] = {name: [] for name in slots}
    for k in range(-2, effort.most):
        for name, (side, slot) in slots.items():
            if (
                name not in times
                or k >= turns[name]
                or (k == -1 and counts[name] == 1 and turns[name] <= SHORT)
            ):
                continue
            try:
                taken = sides.started[side].ask("turn", slot, counts[name])
            except LeftOutError as reason:
                sides.leave_out(title, name, str(reason))
                del times[name]
                continue
            if k < 0:  # warms caches and clocks, and says how many calls make a turn
                counts[name] = max(1, min(round(turn / taken), 200_000))
                wanted = effort.seconds / max(taken * counts[name], turn)
                turns[name] = int(min(max(wanted, SHORT), effort.most))
            else:
                times[name].append(taken)
    return times


def summary(times: list[float]) -> dict[str, Any]:
    """Median and spread, in seconds."""
    low, middle, high = np.percentile(times, [10, 50, 90])
    return {
        "median": float(middle),
        "p10": float(low),
        "p90": float(high),
        "least": min(times),
        "turns": len(times),
    }


def ratios(sides: dict[str, dict[str, Any]], ours: str, ignored: tuple[str, ...] = ()) -> dict[str, Any]:
    """Our time as a part of the fastest other side's: by medians, and by the shortest turns."""
    others = {name: side for name, side in sides.items() if name != ours and name not in ignored}
    if ours not in sides or not others:
        return {"fastest": None, "ratio": None, "ratio_least": None}
    fastest = min(others, key=lambda name: others[name]["median"])
    least = min(side["least"] for side in others.values())
    return {
        "fastest": fastest,
        "ratio": sides[ours]["median"] / others[fastest]["median"],
        "ratio_least": sides[ours]["least"] / least,
    }


def shares(seconds: float, operations: int, moved: int, limit: dict[str, float]) -> dict[str, Any]:
    """Rates, and the share of the machine's limit: of its arithmetic or of its memory, whichever leaves less time.

    Above 1 where the data stay in a cache, which is faster than memory.
    """
    arithmetic = operations / limit["flops"] / seconds
    memory = moved / limit["bytes"] / seconds
    return {
        "gflops": operations / seconds / 1e9,
        "gbytes": moved / seconds / 1e9,
        "share": max(arithmetic, memory),
        "limit": "arithmetic" if arithmetic >= memory else "memory",
    }
