"""ReLU units that are never positive: on the data, or for any input at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, Severity, graded
from foldnet.insight.doctor.grouping import one_finding
from foldnet.insight.doctor.ranges import value_range
from foldnet.insight.doctor.registry import FILE, Check
from foldnet.insight.doctor.unit_values import (
    ENOUGH,
    by_unit,
    constant_after,
    constant_by_zeros,
    units_axis,
)
from foldnet.insight.doctor.unit_weights import unit_columns
from foldnet.insight.doctor.works import FEWEST, unless_it_works
from foldnet.insight.sites import Site
from foldnet.layers.core import Dense

FLAT_BELOW = ("relu", "relu6", "thresholded_relu")


def _limit_above_zero(site: Site) -> bool:
    """Whether the activation is 0 for all negative values, and never below 0."""
    activation = site.layer.ends_with
    if activation is None or activation[0] not in FLAT_BELOW:
        return False
    return not activation[1].get("negative_slope") and not activation[1].get("threshold")


def dead(context: Context) -> Iterator[Finding]:
    """ReLU units that are never positive; layers that are dead for one cause are one finding."""
    found: dict[str, tuple[Array, dict[str, Any]]] = {}
    for site in context.sites:
        if _limit_above_zero(site):
            silent, seen = _silent(context, site)
            if silent is not None and silent.any():
                found[site.path] = silent, seen
    ends = [path for path, (silent, _) in found.items() if silent.all()]
    constant = constant_after(context, ends)
    # A layer whose input never changes cannot be judged: what is before it is the cause.
    findings = [
        _finding(context, path, *found[path], constant)
        for path in found
        if path in ends or path not in constant
    ]
    grave = [f for f in findings if f.severity != "note"]
    if grave:
        follow = {path for path in found if path in constant} - {f.layer for f in grave}
        grave += [_finding(context, path, *found[path], constant) for path in follow]
        findings = [_one_cause(context, grave), *(f for f in findings if f.severity == "note")]
    zeros = constant_by_zeros(context)
    for one in findings:
        yield replace(one, cause="units-are-copies") if zeros.issuperset(one.layers) else one


def _one_cause(context: Context, findings: list[Finding]) -> Finding:
    """The finding of the first layer where it is worst, with all others, and how many units they have."""
    order = [site.path for site in context.sites]
    findings.sort(key=lambda f: (f.severity != "error", f.severity != "warning", order.index(f.layer)))
    one = one_finding(findings)
    if not one.others:
        return one
    every = [one, *one.others]
    totals = {
        "dead_in_these_layers": sum(_count(f) for f in every),
        "units_in_these_layers": sum(int(str(f.evidence["units"])) for f in every),
    }
    return replace(one, evidence={**one.evidence, **totals})


def _count(finding: Finding) -> int:
    seen = finding.evidence
    return int(str(seen.get("dead_on_data", seen.get("dead_for_any_input"))))


def _silent(context: Context, site: Site) -> tuple[Array | None, dict[str, Any]]:
    """Which units are never above 0, and the numbers that say so; None if nothing says so."""
    silent = proven = _never_positive(context, site)
    axis = units_axis(context, site)
    seen: dict[str, Any] = {"units": int(site.shape[axis] or 0)}
    if proven is not None:
        seen["dead_for_any_input"] = int(proven.sum())
    measured = context.measurement
    if measured is not None and measured.distinct >= FEWEST:
        # NaN is neither above 0 nor dead.
        silent = np.asarray((by_unit(measured.value(site.path), axis) <= 0).all(axis=0))
        seen |= {"dead_on_data": int(silent.sum()), "distinct_rows": measured.distinct}
    columns = unit_columns(site.layer)
    if silent is not None and columns is not None and columns.shape[1] == silent.size and not silent.all():
        silent = silent & (columns != 0).any(axis=0)  # units without weights were pruned on purpose
    return silent, seen


def _finding(context: Context, path: str, silent: Array, seen: dict[str, Any], constant: set[str]) -> Finding:
    share = float(silent.mean())
    where = "on this data" if "dead_on_data" in seen else "for any input"
    passes = ", and nothing passes this layer." if share == 1 else "."
    return graded(
        _severity(context, silent, seen, constant), path,
        f"{int(silent.sum())} of {silent.size} units are never above 0 {where}: they add nothing, "
        f"and no gradient can change that{passes}",
        "A smaller learning rate, scaled inputs, he_normal kernels, or LeakyReLU; then train again.", **seen,
    )  # fmt: skip


def _severity(context: Context, silent: Array, seen: dict[str, Any], constant: set[str]) -> Severity:
    """An error where the network's results can no longer change; more than half of the units are a warning.

    From fewer than ENOUGH different rows, or from a network that learned what there is to learn, units that are
    silent say little: only a network that gives one result for all rows is then sick.
    """
    if silent.all() and all(end.path in constant for end in context.outputs):
        return unless_it_works(context, "error")
    if "dead_on_data" in seen and seen["distinct_rows"] < ENOUGH:
        return "note"
    crowd = silent.all() or (silent.mean() > 0.5 and silent.size > 2)
    return unless_it_works(context, "warning") if crowd else "note"


def _never_positive(context: Context, site: Site) -> Array | None:
    """For a Dense and its ReLU: the units that no input can make positive, given the bounds of the input."""
    dense: Site | None = site
    if not isinstance(site.layer, Dense):
        dense = context.site.get(site.operands[0]) if len(site.operands) == 1 else None
    if dense is None or not isinstance(dense.layer, Dense):
        return None
    if dense is not site and dense.layer.ends_with != ("linear", {}):
        return None
    kernel = dense.layer.named_weights["kernel"].astype(np.float64)
    bias = dense.layer.named_weights.get("bias", np.zeros(kernel.shape[1])).astype(np.float64)
    low, high = _bounds(context, dense)
    with np.errstate(all="ignore"):
        # 0 × inf counts as 0, because a weight of 0 passes nothing.
        most = np.where(kernel == 0, 0.0, np.maximum(kernel * low, kernel * high)).sum(axis=0)
    return np.asarray(most + bias <= 0)


def _bounds(context: Context, site: Site) -> tuple[float, float]:
    source = context.back(site, lambda layer: layer.identity_in_prediction or layer.moves_values)
    return value_range(None if source is None else source.layer.ends_with)


CHECKS = (Check("dead-units", FILE, "ReLU units that are never positive", dead),)
