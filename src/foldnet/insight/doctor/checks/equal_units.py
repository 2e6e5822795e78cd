"""Units that are copies of each other: a layer of many units that compute the same is as good as one of one unit.

Kernels that start with one number in all places (zeros, ones, a constant) make all units of a layer the same. Where
what follows treats them the same, too, their gradients are the same, and no training can part them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.doctor.comparison import learned
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, Severity, graded
from foldnet.insight.doctor.registry import FILE, Check
from foldnet.insight.doctor.unit_values import last_with_weights
from foldnet.insight.doctor.unit_weights import all_zero, different_columns, unit_columns, units_of
from foldnet.insight.doctor.works import unless_it_works
from foldnet.insight.sites import Site

REMEDY = (
    "Let kernels start at random (glorot_uniform, the default, or he_normal), and train new weights: training cannot "
    "part units that are the same."
)


def copies(context: Context) -> Iterator[Finding]:
    """Layers with equal columns, and tables whose rows are all the same."""
    seen: set[Any] = set()
    for site in context.sites:
        if site.layer in seen:
            continue
        seen.add(site.layer)
        yield from _copied_units(context, site)
        table = site.layer.named_weights.get("embeddings")
        if table is not None and len(table) > 1 and context.steps and different_columns(table.T) == 1:
            severity: Severity = "warning" if site.layer.trains("embeddings") else "note"
            yield graded(
                unless_it_works(context, severity), site.path,
                f"All {len(table)} codes have the same vector, so that what follows cannot tell them apart.",
                REMEDY, codes=len(table), steps=context.steps,
            )  # fmt: skip


def _copied_units(context: Context, site: Site) -> Iterator[Finding]:
    units = live = different = 0
    parts, zero = list(units_of(site.layer)), all_zero(site.layer)
    for kernel, weights in parts:
        if not np.isfinite(weights).all() or weights.shape[1] < 2:
            return
        # Some columns of 0 are units that were pruned; a kernel of nothing but 0 started so.
        used = (kernel != 0).any(axis=0) | zero
        units += kernel.shape[1]
        live += int(used.sum())
        different += different_columns(weights[:, used])
    if live == different:
        return
    every = different == 1 or (different < live and different == getattr(site.layer, "groups", 1))
    said = (
        f"All weights of its kernel are 0, so that none of its {units} units sees anything of the input, and no "
        "gradient passes back through it."
        if zero
        else f"Of {live} units only {different} {'is' if different == 1 else 'are'} different: the others are copies "
        "with the same weights, and compute the same."
    )
    yield graded(
        _severity(context, site, every, live, different), site.path, said,
        REMEDY, units=units, copies=live - different, different=different,
    )  # fmt: skip


def _severity(context: Context, site: Site, every: bool, live: int, different: int) -> Severity:
    """Copies beyond half of a layer are a warning; where all are, and the network found nothing, an error.

    A note: a frozen layer, which may have been made so on purpose; copies that the next layer's weights will part, as
    these are different; and an output, whose units are the same where their targets are.
    """
    frozen = not any(site.layer.trains(spec.name) for spec in site.layer.specs)
    if frozen or not (every or live > 2 * different):
        return "note"
    if site.path in {last_with_weights(context, end).path for end in context.outputs}:
        equal = every and site.layer.ends_with is not None and site.layer.ends_with[0] == "softmax"
        return unless_it_works(context, "error") if equal and context.trained else "note"
    if not context.trained and not _treated_the_same(context, site):
        return "note"
    return unless_it_works(context, "error" if every and learned(context) is False else "warning")


def _treated_the_same(context: Context, site: Site) -> bool:
    """Whether the layers that read these units have the same weights for all of them, and so gradients are the same."""
    waiting = context.readers(site.path)
    while waiting and all(not r.layer.specs and len(r.operands) == 1 for r in waiting):
        waiting = [reader for r in waiting for reader in context.readers(r.path)]
    return bool(waiting) and all(_all_the_same(unit_columns(r.layer)) for r in waiting)


def _all_the_same(columns: Array | None) -> bool:
    return columns is not None and different_columns(columns.T) == 1


CHECKS = (Check("units-are-copies", FILE, "units with the same weights", copies),)
