"""Whether a network does its task, so that what a check guesses from other signs is refuted."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from foldnet.insight.doctor.comparison import learned, simple_comparison
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Severity
from foldnet.insight.doctor.registry import Excuse

FEWEST = 3
"""Different rows from which a whole network may be judged: with two, half of all ReLU units would be silent on both in
a quarter of all cases."""

WORKS, ALL = 0.8, 0.999
"""A network works that explains so much of what a constant leaves unexplained, of squares or of wrong classes, and does
all of its task if it explains so much."""


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


def _explains(context: Context, share: float = WORKS) -> bool:
    """Whether the network explains so much of the targets.

    For tasks that no simple fit can be held against, too: few rows, many classes, targets that are the inputs.
    """
    task = context.task
    if task is None or context.measurement is None or not context.trained:
        return False
    score = task.score(task.predicted(context.measured.outputs()[0]))
    return score.value - score.constant >= share * (1 - score.constant) > 0


def unless_it_does_all(context: Context, severity: Severity) -> Severity:
    """A note where the network leaves next to nothing of its task undone.

    For what makes learning worse without preventing it: a network that is as good as a simple fit might then be better.
    """
    if gives_one_result(context):
        return "note" if _is_right_constant(context) else severity
    return "note" if _explains(context, ALL) else severity


def unless_it_learned_something(context: Context, severity: Severity) -> Severity:
    """The same as ``unless_it_works``, but that no fit finds anything either is no excuse."""
    found = context.comparison
    return (
        severity if found is not None and not found.network_explains else unless_it_works(context, severity)
    )


def unless_no_curve_helps(context: Context, severity: Severity) -> Severity:
    """The same as ``unless_it_does_all``; a note, too, where a fit with curves is no better than a network without any.

    Of images and sequences a simple fit says little, so this is for inputs of one column for each unit alone.
    """
    if unless_it_does_all(context, severity) == "note":
        return "note"
    flat = all(len(site.shape) == 2 for site in context.sites)
    found = simple_comparison(context, curves=True) if flat else None
    return "note" if found is not None and found.network_explains and not found.clear else severity


EXCUSES: Mapping[Excuse, Callable[[Context, Severity], Severity]] = {
    "none": lambda context, severity: severity,
    "learned": unless_it_learned_something,
    "all": unless_it_does_all,
    "curves": unless_no_curve_helps,
}
"""What a check says above a note, where the network does its task."""
