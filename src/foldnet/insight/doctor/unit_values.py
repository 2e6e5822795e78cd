"""The values of a layer's units on the data, for checks of units."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.doctor.comparison import learned
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Severity
from foldnet.insight.doctor.unit_weights import all_zero
from foldnet.insight.sites import Site

ENOUGH = 30
"""Different rows from which a unit may be judged: one that is active on a tenth of the rows is silent on 30 rows in 1
of 24 cases, and on 20 in 1 of 8."""
FEWEST = 3
"""Different rows from which a whole network may be judged: with two, half of all ReLU units would be silent on both in
a quarter of all cases."""


WORKS = 0.8
"""A network works that explains so much of what a constant leaves unexplained, of squares or of wrong classes."""


def unless_it_works(context: Context, severity: Severity) -> Severity:
    """A note where the network does its task: its units are then good enough for that.

    Where it gives one result for all rows, that no fit does better is no excuse, unless the targets are all the same.
    """
    if gives_one_result(context):
        return "note" if _is_right_constant(context) else severity
    known = learned(context)
    return "note" if known or (known is None and _explains(context)) else severity


def gives_one_result(context: Context) -> bool:
    """Whether the network gives the same for all of several different rows."""
    measured = context.measurement
    return (
        measured is not None
        and measured.distinct >= FEWEST
        and all((value == value[:1]).all() for value in measured.outputs())
    )


def _is_right_constant(context: Context) -> bool:
    task = context.task
    if task is None or not task.constant or context.measurement is None:
        return False
    predicted = task.predicted(context.measured.outputs()[0])
    return bool(np.allclose(predicted, task.targets, rtol=0.01, atol=0.01))


def _explains(context: Context) -> bool:
    """For tasks that no simple fit can be held against: few rows, many classes, targets that are the inputs."""
    task = context.task
    if task is None or context.measurement is None or not context.trained:
        return False
    score = task.score(task.predicted(context.measured.outputs()[0]))
    return score.value - score.constant >= WORKS * (1 - score.constant) > 0


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
