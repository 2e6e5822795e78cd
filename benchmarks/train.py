"""Training against the other programs, a case at a time, and the activations against relu; ``compare.py`` runs all.

All sides train the same network from the same weights on the same batches, without shuffling. Before they are timed,
the losses of an epoch without Dropout are compared: Adam makes a whole step of a gradient that is rounding noise, so
that equal fits drift apart in later epochs.
"""

from __future__ import annotations

import math
import time
from typing import Any

from cases import ACTIVATIONS, SLOWER, Training, activation_case
from deep_trainings import DeepTraining
from measure import FIT, Effort, by_turns, ratios, shares, summary
from peers import OURS
from sides import LeftOutError, Sides

SLOT = "train"


def prepared(case: Training | DeepTraining, sides: Sides) -> dict[str, dict[str, Any]]:
    """The sides that are ready and have our losses, with what they answered; none if foldnet itself failed."""
    plain = case.without_dropout
    ready: dict[str, dict[str, Any]] = {}
    own = math.nan
    for name, peer in sides.peers.items():
        side = sides.started[name]
        start = time.perf_counter()
        try:
            loss = side.ask("first", peer.module, plain) if plain else None
            found = side.ask("prepare", SLOT, peer.module, case)
        except LeftOutError as reason:
            sides.leave_out(case.title, name, str(reason))
            if name == OURS:
                return {}
            continue
        for setting, why in found["failed"].items():
            sides.leave_out(case.title, f"{name} ({setting})", why)
        trained = float(found.pop("result"))
        loss = trained if loss is None else float(loss)
        own = loss if name == OURS else own
        far = abs(loss / own - 1)
        if not far < peer.close:
            sides.leave_out(case.title, name, f"its loss is {loss:.6g}, and foldnet's {own:.6g}")
            continue
        ready[name] = found | {"far": far, "preparation": time.perf_counter() - start}
    return ready


def compared(
    case: Training | DeepTraining, sides: Sides, effort: Effort, limit: dict[str, float] | None
) -> dict[str, Any]:
    """All sides by turns: seconds of a step of each, our ratio to the fastest, our share of the machine's limit."""
    ready = prepared(case, sides)
    times = by_turns(sides, {name: (name, SLOT) for name in ready}, case.title, effort, FIT)
    sides.release(SLOT)
    figures = {
        name: summary([t / case.steps for t in taken])
        | {key: ready[name][key] for key in ("setting", "tried", "far", "preparation")}
        for name, taken in times.items()
    }
    record: dict[str, Any] = {"name": case.name, "batch": case.batch, "threads": sides.threads}
    record |= {"at_least": dict(case.at_least), "sides": figures} | ratios(figures, OURS)
    if limit is not None and OURS in figures:
        record |= shares(figures[OURS]["median"], case.operations, case.bytes, limit)
    return record


def activations(sides: Sides, effort: Effort, names: tuple[str, ...] = ACTIVATIONS) -> list[dict[str, Any]]:
    """A step with each activation, and how many times relu's it takes."""
    side, slots = sides.started[OURS], {}
    for name in names:
        try:
            side.ask("prepare", name, sides.peers[OURS].module, activation_case(name))
        except LeftOutError as reason:
            sides.leave_out(f"a step with {name}", OURS, str(reason))
        else:
            slots[name] = (OURS, name)
    times = by_turns(sides, slots, "activations", effort, FIT)
    steps = activation_case("relu").steps
    figures = {name: summary([t / steps for t in taken]) for name, taken in times.items()}
    if "relu" not in figures:
        return []
    return [
        {"name": name, "threads": sides.threads, "at_most": SLOWER.get(name, 2.0)}
        | figure
        | {
            key: figure[of] / figures["relu"][of]
            for key, of in (("ratio", "median"), ("ratio_least", "least"))
        }
        for name, figure in figures.items()
    ]
