"""Checks of what happens inside recurrent layers: gates and states at their limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import Elementwise
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, graded
from foldnet.insight.doctor.ranges import value_range
from foldnet.insight.doctor.registry import DATA, Check
from foldnet.operations.kernels import Inside

FEWEST, MOST = 30, 256
"""Rows that are needed, and that are looked at: shares of units hardly change with more."""
NEAR = 0.01
"""How near to a limit counts as at it, as a share of the range: there a sigmoid's slope is below 4 % of its largest."""
NEARLY_ALL = 0.95
"""On how many of all steps a unit must be at a limit; for a gate that closes, in how many rows at every step: a gate
that opens at rare events is closed on most steps, and does what it should."""
MOST_UNITS = 0.5
"""Single units like that are usual, in networks at their start as well as in trained ones."""
FEWEST_UNITS = 3
"""Of one or two units a half is soon reached by chance."""


@dataclass(frozen=True)
class _Fault:
    """What it means that something is at its limits, in plain words.

    Attributes:
        key: the name of the number of such units.
        said: after "of n units".
        so: what follows from it.
        where: on what nearly all of which it is so.
        remedy: what to do.
    """

    key: str
    said: str
    so: str
    remedy: str
    where: str = "at every step of more than {share:.0%} of the rows"


_ON_STEPS = "on more than {share:.0%} of the steps"
_SMALLER = "Scale the inputs, use smaller kernels, a smaller learning rate or clipnorm; then train again."
_STATES = _Fault(
    "states_at_limits",
    "have states at a limit of their activation",
    "they work as switches, and stop learning",
    _SMALLER,
    _ON_STEPS,
)
_SWITCHES = _Fault(
    "gates_at_limits",
    "have their gates at 0 or 1",
    "they work as switches, and stop learning",
    _SMALLER,
    _ON_STEPS,
)
_FORGETS = _Fault(
    "forgets_all",
    "forget all that came before",
    "what is far back in a sequence has no effect",
    "unit_forget_bias=True (the default) for an LSTM, scaled inputs, smaller kernels; then train again.",
)
_TAKES_NOTHING = _Fault("takes_nothing_in", "take nothing in", "their inputs have no effect", _SMALLER)
_GIVES_NOTHING = _Fault("gives_nothing", "give nothing out", "what they remember has no effect", _SMALLER)


def saturation(context: Context) -> Iterator[Finding]:
    """Recurrent layers most of whose units have gates or states at their limits on nearly all steps."""
    measured = context.measured
    if measured.rows < FEWEST:
        return
    rows = np.unique(np.linspace(0, measured.rows - 1, min(measured.rows, MOST)).round().astype(np.int64))
    layers: dict[str, list[Inside]] = {}
    for path, inside in measured.insides(rows):
        layers.setdefault(path, []).append(inside)
    for path, insides in layers.items():
        if path in context.site:
            yield from _of_layer(path, insides, measured.rows_differ)


def _of_layer(path: str, insides: Sequence[Inside], rows_differ: bool) -> Iterator[Finding]:
    """The fault that most units have, of a layer's cells or directions together."""
    units: dict[_Fault, int] = {}
    count, still, steps = 0, rows_differ, 0
    for inside in insides:
        for fault, stuck in _faults(inside).items():
            units[fault] = units.get(fault, 0) + int(stuck.sum())
        output = _output(inside)
        count, steps = count + output.shape[-1], max(steps, output.shape[-2])
        # With a mask rows are padded in different ways, and their outputs differ by that.
        still &= inside.counts is None and bool(np.ptp(output, axis=0).max(initial=0) < NEAR)
    worst = max(units, key=lambda fault: units[fault], default=None)
    if worst is None or count < FEWEST_UNITS or units[worst] <= MOST_UNITS * count:
        return
    seen: dict[str, Any] = {fault.key: n for fault, n in units.items() if n}
    yield graded(
        "error" if still else "warning", path,
        f"{units[worst]} of {count} units {worst.said} {worst.where.format(share=NEARLY_ALL)}"
        + (", and the states are the same for every row." if still else f": {worst.so}."),
        worst.remedy,
        units=count, steps=steps, **seen,
    )  # fmt: skip


def _faults(inside: Inside) -> Mapping[_Fault, Array]:
    """For each kind, which units have it."""
    low, high = _at_limits(inside)
    found: dict[_Fault, Array] = {}
    found[_STATES] = _share(inside, low["state"] | high["state"]) > NEARLY_ALL
    for name, fault in (("input gate", _TAKES_NOTHING), ("output gate", _GIVES_NOTHING)):
        if name in low:
            found[fault] = _always(inside, low[name]) > NEARLY_ALL
    if "update gate" in high:
        found[_TAKES_NOTHING] = _always(inside, high["update gate"]) > NEARLY_ALL
    gates = [name for name in low if name.endswith("gate")]
    if gates:
        shares = [_share(inside, low[name] | high[name]) for name in gates]
        found[_SWITCHES] = np.mean(shares, axis=0) > NEARLY_ALL
    if inside.values["state"].shape[-2] > 1:
        if "forget gate" in low:
            found[_FORGETS] = _always(inside, low["forget gate"]) > NEARLY_ALL
        elif "update gate" in low:  # a GRU's candidate sees the old state through its reset gate
            found[_FORGETS] = _always(inside, low["update gate"] & low["reset gate"]) > NEARLY_ALL
    return found


def _at_limits(inside: Inside) -> tuple[dict[str, Array], dict[str, Array]]:
    """Where values are at the lower and at the upper limit of their activation, if it has both."""
    low, high = {}, {}
    for name, values in inside.values.items():
        least, most = _range(inside.functions[name])
        near = NEAR * (most - least)
        bounded = bool(np.isfinite(near))
        low[name] = values < least + near if bounded else np.zeros(values.shape, bool)
        high[name] = values > most - near if bounded else np.zeros(values.shape, bool)
    return low, high


def _range(function: Elementwise) -> tuple[float, float]:
    if function.function is not None:
        return value_range(None)
    return value_range((function.name, dict(function.params)))


def _share(inside: Inside, stuck: Array) -> Array:
    """For each unit the share of the steps that count."""
    flat = stuck.reshape(-1, stuck.shape[-1])
    if inside.counts is not None:
        flat = flat[inside.counts.reshape(-1)]
    return np.asarray(flat.mean(axis=0)) if len(flat) else np.zeros(stuck.shape[-1])


def _always(inside: Inside, stuck: Array) -> Array:
    """For each unit the share of the rows with steps that count in which it is so at all of these."""
    if inside.counts is None:
        return np.asarray(stuck.all(axis=-2).reshape(-1, stuck.shape[-1]).mean(axis=0))
    rows = np.asarray((stuck | ~inside.counts[..., None]).all(axis=-2))[inside.counts.any(axis=-1)]
    return np.asarray(rows.mean(axis=0)) if len(rows) else np.zeros(stuck.shape[-1])


def _output(inside: Inside) -> Array:
    """What each step gives out."""
    state = inside.values["state"]
    gate = inside.values.get("output gate")
    return state if gate is None else state * gate


CHECKS = (
    Check(
        "recurrent-saturation",
        DATA,
        "gates and states at their limits",
        saturation,
        measures=True,
        excuse="learned",
    ),
)
