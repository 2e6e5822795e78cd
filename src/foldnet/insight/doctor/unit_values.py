"""The values of a layer's units on the data, for checks of units."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.unit_weights import all_zero
from foldnet.insight.sites import Site

ENOUGH = 30
"""Different rows from which a unit may be judged: one that is active on a tenth of the rows is silent on 30 rows in 1
of 24 cases, and on 20 in 1 of 8."""


def units_axis(context: Context, site: Site) -> int:
    """The axis of a result that its units or channels are on; of an activation that of the layer before it."""
    while (
        not (site.layer.specs or hasattr(site.layer, "data_format")) or site.layer.normalizes_by is not None
    ):
        before = context.site.get(site.operands[0]) if len(site.operands) == 1 else None
        if before is None or len(before.shape) != len(site.shape):
            break
        site = before
    return site.features


def by_unit(value: Array, axis: int) -> Array:
    """The values of each unit in a column."""
    return np.moveaxis(value, axis, -1).reshape(-1, value.shape[axis])


def constant_after(context: Context, paths: Iterable[str]) -> set[str]:
    """Calls whose results are the same for every row, because these calls are and nothing else comes in."""
    constant = set(paths)
    for site in context.sites:
        if site.operands and all(name in constant for name in site.operands):
            constant.add(site.path)
    return constant


def constant_by_zeros(context: Context) -> set[str]:
    """Calls whose results are the same for every row, because their own kernel or one before is nothing but 0."""
    return constant_after(context, [site.path for site in context.sites if all_zero(site.layer)])


def last_with_weights(context: Context, site: Site) -> Site:
    """The last call with weights at or before this one, on a path without branches."""
    if site.layer.specs:
        return site
    return context.back(site, lambda layer: not layer.specs) or site
