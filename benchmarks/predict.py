"""Prediction against the other programs, a case at a time; ``compare.py`` runs all of them."""

from __future__ import annotations

import time
from typing import Any

from measure import Effort, by_turns, ratios, shares, summary
from peers import BOUND, OURS
from sides import LeftOutError, Sides

SLOT = "predict"


def prepared(case: Any, sides: Sides) -> dict[str, dict[str, Any]]:
    """The sides that are ready, with what they answered, each in a way that has our results.

    None if foldnet itself failed.
    """
    ready: dict[str, dict[str, Any]] = {}
    own: Any = None
    for name, peer in sides.peers.items():
        if peer.one_row and case.rows > 1:
            continue
        start = time.perf_counter()
        try:
            found = sides.started[name].ask("prepare", SLOT, peer.module, case, own)
        except LeftOutError as reason:
            sides.leave_out(case.title, name, str(reason))
            if name == OURS:
                return {}
            continue
        for setting, why in found["failed"].items():
            sides.leave_out(case.title, f"{name} ({setting})", why)
        if name == OURS:
            own, found["far"] = found["result"], 0.0
        del found["result"]
        ready[name] = found | {"preparation": time.perf_counter() - start}
    return ready


def compared(case: Any, sides: Sides, effort: Effort, limit: dict[str, float] | None) -> dict[str, Any]:
    """All sides by turns: the figures of each, our ratio to the fastest, and our share of the machine's limit."""
    ready = prepared(case, sides)
    times = by_turns(sides, {name: (name, SLOT) for name in ready}, case.title, effort)
    sides.release(SLOT)
    figures = {
        name: summary(taken) | {key: ready[name][key] for key in ("setting", "tried", "far", "preparation")}
        for name, taken in times.items()
    }
    record: dict[str, Any] = {"name": case.name, "rows": case.rows, "threads": sides.threads}
    record |= {"at_most": case.at_most, "sides": figures} | ratios(figures, OURS, (BOUND,))
    if limit is not None and OURS in figures:
        record |= shares(figures[OURS]["median"], case.operations, case.bytes, limit)
    return record
