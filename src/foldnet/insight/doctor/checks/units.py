"""Checks of single units: those that are always the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, Severity, graded
from foldnet.insight.doctor.ranges import value_range
from foldnet.insight.doctor.registry import DATA, Check
from foldnet.insight.doctor.unit_values import ENOUGH, by_unit, constant_after, units_axis
from foldnet.insight.doctor.works import unless_it_works

SATURATING = ("sigmoid", "tanh", "softsign")
"""Activations that approach both their limits and are flat there."""


def saturated(context: Context) -> Iterator[Finding]:
    """Hidden sigmoid and tanh units that are at their limits on nearly all rows."""
    measured = context.measured
    if measured.distinct < ENOUGH:
        return
    ends = {p.path for p in context.outputs}
    same: set[str] = set()
    for site in context.sites:
        activation = site.layer.ends_with
        if activation is None or activation[0] not in SATURATING or site.path in ends | same:
            continue
        low, high = value_range(activation)
        value = by_unit(measured.value(site.path), units_axis(context, site))
        near = 0.01 * (high - low)
        stuck = ((value < low + near) | (value > high - near)).mean(axis=0) > 0.95
        if not stuck.any():
            continue
        share = float(stuck.mean())
        constant = np.ptp(value, axis=0) < near
        severity: Severity = "note"
        if constant.all() or (share > 0.5 and stuck.size > 2):
            severity = unless_it_works(context, "error" if constant.all() else "warning")
        if constant.all():
            same |= constant_after(context, [site.path])  # what follows only shows the same fault
        yield graded(
            severity, site.path,
            f"{int(stuck.sum())} of {stuck.size} units are at a limit of {activation[0]} on more than 95 % of the "
            "rows: they work as switches, and stop learning.",
            "Scale the inputs, normalize before the activation, or use smaller kernels; then train again.",
            saturated=int(stuck.sum()), constant=int(constant.sum()), units=int(stuck.size),
            distinct_rows=measured.distinct,
        )  # fmt: skip


CHECKS = (Check("saturated-units", DATA, "units at their limits", saturated, measures=True),)
