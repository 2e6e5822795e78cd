"""Checks of single units: those that are never active, and those that are always the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, Severity, graded
from foldnet.insight.doctor.ranges import value_range
from foldnet.insight.doctor.registry import DATA, FILE, Check
from foldnet.insight.sites import Site
from foldnet.layers.core import Dense

FLAT_BELOW = ("relu", "relu6", "thresholded_relu")
SATURATING = ("sigmoid", "tanh", "softsign")
"""Activations that approach both their limits and are flat there."""
FEWEST = 30


def _limit_above_zero(site: Site) -> bool:
    """Whether the activation is 0 for all negative values, and never below 0."""
    activation = site.layer.ends_with
    if activation is None or activation[0] not in FLAT_BELOW:
        return False
    return not activation[1].get("negative_slope") and not activation[1].get("threshold")


def dead(context: Context) -> Iterator[Finding]:
    """ReLU units that are never positive: on the data, or for any input at all."""
    measured = context.measurement
    for site in context.sites:
        if not _limit_above_zero(site):
            continue
        proven = _never_positive(context, site)
        silent = proven
        axis = _units_axis(context, site)
        seen: dict[str, Any] = {"units": int(site.shape[axis] or 0)}
        if proven is not None:
            seen["dead_for_any_input"] = int(proven.sum())
        if measured is not None and measured.rows >= FEWEST:
            silent = np.asarray(~(_by_unit(measured.value(site.path), axis) > 0).any(axis=0))
            seen |= {"dead_on_data": int(silent.sum()), "rows": measured.rows}
        if silent is None or not silent.any():
            continue
        share = float(silent.mean())
        severity: Severity = (
            "error" if share == 1 else "warning" if share > 0.5 and silent.size > 2 else "note"
        )
        where = "on this data" if "dead_on_data" in seen else "for any input"
        yield graded(
            severity, site.path,
            f"{int(silent.sum())} of {silent.size} units are never above 0 {where}: they add nothing, "
            f"and no gradient can change that" + (", and nothing passes this layer." if share == 1 else "."),
            "A smaller learning rate, scaled inputs, he_normal kernels, or LeakyReLU; then train again.", **seen,
        )  # fmt: skip


def _units_axis(context: Context, site: Site) -> int:
    """The axis of a result that its units or channels are on; of an activation that of the layer before it."""
    while (
        not (site.layer.specs or hasattr(site.layer, "data_format")) or site.layer.normalizes_by is not None
    ):
        before = context.site.get(site.operands[0]) if len(site.operands) == 1 else None
        if before is None or len(before.shape) != len(site.shape):
            break
        site = before
    return site.features


def _by_unit(value: Array, axis: int) -> Array:
    """The values of each unit in a column."""
    return np.moveaxis(value, axis, -1).reshape(-1, value.shape[axis])


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


def saturated(context: Context) -> Iterator[Finding]:
    """Hidden sigmoid and tanh units that are at their limits on nearly all rows."""
    measured = context.measured
    if measured.rows < FEWEST:
        return
    ends = {p.path for p in context.outputs}
    for site in context.sites:
        activation = site.layer.ends_with
        if activation is None or activation[0] not in SATURATING or site.path in ends:
            continue
        low, high = value_range(activation)
        value = _by_unit(measured.value(site.path), _units_axis(context, site))
        near = 0.01 * (high - low)
        stuck = ((value < low + near) | (value > high - near)).mean(axis=0) > 0.95
        if not stuck.any():
            continue
        share = float(stuck.mean())
        constant = np.ptp(value, axis=0) < near
        severity: Severity = (
            "error" if constant.all() else "warning" if share > 0.5 and stuck.size > 2 else "note"
        )
        yield graded(
            severity, site.path,
            f"{int(stuck.sum())} of {stuck.size} units are at a limit of {activation[0]} on more than 95 % of the "
            "rows: they work as switches, and stop learning.",
            "Scale the inputs, normalize before the activation, or use smaller kernels; then train again.",
            saturated=int(stuck.sum()), constant=int(constant.sum()), units=int(stuck.size), rows=measured.rows,
        )  # fmt: skip


CHECKS = (
    Check("dead-units", FILE, "ReLU units that are never positive", dead),
    Check("saturated-units", DATA, "units at their limits", saturated, measures=True),
)
