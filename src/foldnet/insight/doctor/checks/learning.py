"""Checks of what a network has learned, against fits in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.doctor.checks.rates import hardly_moved
from foldnet.insight.doctor.comparison import (
    FEWEST,
    NOTHING,
    SURE,
    comparable,
    compare,
    copies_inputs,
    learned,
)
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, error, graded, warning
from foldnet.insight.doctor.registry import TARGETS, Check
from foldnet.insight.doctor.simple_fits import fitted, hidden_columns
from foldnet.insight.doctor.task import Score
from foldnet.insight.sites import Site
from foldnet.layers.core import Dense

HALF = 0.5
"""A last layer fitted again must leave less than this share of what was unexplained."""
LAST_LAYER = 0.02
"""And gain so much of R2: of a nearly perfect fit, half of the rest is nothing."""
LAST_CLASSES = 0.05
"""By so much of accuracy a last layer fitted again must be better."""


def learns_less(context: Context) -> Iterator[Finding]:
    """A network that does worse than a regression in closed form, or than a constant."""
    found = context.comparison
    if found is None:
        yield from _worse_than_a_constant(context)
        return
    remedy = (
        "First look at the other findings. Then at the learning rate and the number of epochs, at the scale of "
        "inputs and targets, and whether each row still has its own target."
    )
    if found.found_nothing:
        own, other = _said(found.network), _said(found.fit)
        if found.ranks is not None and not found.clear:  # one class is so rare that accuracy says nothing
            own, other = (f"AUC {share:.2f}" for share in (found.ranks.network, found.ranks.fit))
        yield error(
            "",
            f"It explains nothing of the targets ({own}), which a ridge regression predicts for rows that it has not "
            f"seen ({other}).",
            remedy, **found.evidence(),
        )  # fmt: skip
    elif found.clear:
        # What is frozen was not to learn, and the rest can only do what that leaves.
        yield graded(
            "note" if _is_frozen(context) else "warning", "",
            f"It predicts these targets worse ({_said(found.network)}) than a ridge regression predicts them for "
            f"rows that it has not seen ({_said(found.fit)}).",
            remedy, **found.evidence(),
        )  # fmt: skip


def _is_frozen(context: Context) -> bool:
    """Whether a layer keeps its kernel in training."""
    return any(not site.layer.trainable and "kernel" in site.layer.named_weights for site in context.sites)


def _worse_than_a_constant(context: Context) -> Iterator[Finding]:
    """For few rows: a network that is no better than the most frequent class, or the mean."""
    task = comparable(context)
    if task is None or len(np.unique(task.samples)) >= FEWEST or copies_inputs(context, task):
        return
    predicted = task.predicted(context.measured.outputs()[0])
    score = task.score(predicted)
    if task.kind == "numbers":
        middle = np.abs(task.targets - np.median(task.targets, axis=0)).mean()
        nothing = score.value < NOTHING and np.abs(predicted - task.targets).mean() >= middle * (1 - NOTHING)
    else:
        chance = task.balanced(np.broadcast_to(_most_frequent(task.targets), task.targets.shape))
        nothing = score.value <= score.constant and task.balanced(predicted) <= chance
    if nothing:
        seen: dict[str, Any] = {
            f"network_{score.name}": score.value, f"constant_{score.name}": score.constant, "rows": score.rows,
        }  # fmt: skip
        yield warning(
            "",
            f"It predicts these rows no better than a constant does ({_said(score)}).",
            "If it was trained on these rows, it has learned nothing: look at the other findings, at the learning rate "
            "and the number of epochs, and at the scale of inputs and targets.",
            **seen,
        )  # fmt: skip


def _most_frequent(targets: Array) -> Array:
    """The most frequent class, or of each column of labels the more frequent value."""
    if targets.ndim == 2:
        return (targets.mean(axis=0) > 0.5).astype(np.int64)
    names, counts = np.unique(targets, return_counts=True)
    return np.asarray(names[counts.argmax()])


def _said(score: Score) -> str:
    return f"R2 {score.value:.2f}" if score.name == "R2" else f"accuracy {score.value:.1%}"


def last_layer(context: Context) -> Site | None:
    """The Dense that makes the output, but for an activation and what moves values."""
    site = context.outputs[0]
    while not isinstance(site.layer, Dense):
        passes = site.layer.moves_values or site.layer.identity_in_prediction or not site.layer.specs
        if not passes or len(site.operands) != 1 or site.operands[0] not in context.site:
            return None
        site = context.site[site.operands[0]]
    return site


def not_finished(context: Context) -> Iterator[Finding]:
    """A last layer that could do much more with the values that it gets, or kernels that have hardly moved."""
    found = [*_hardly_moved(context)] or _last_layer_behind(context)
    yield from found


def _last_layer_behind(context: Context) -> Iterator[Finding]:
    task, site = comparable(context), last_layer(context)
    if task is None or site is None or len(np.unique(task.samples)) < FEWEST or copies_inputs(context, task):
        return
    if not site.layer.trainable:
        return  # it was not to be trained at all
    if site.operands[0] not in context.site or not context.site[site.operands[0]].operands:
        return  # a single layer, which learns-less-than-a-simple-fit compares
    values = context.measured.value(site.operands[0])
    if len(values) * task.steps != len(task.usable) or values.ndim != len(context.outputs[0].shape):
        return
    fit = fitted(hidden_columns(task.by_row(values)), task)
    if fit is None:
        return
    found = compare(context, task, fit)
    if found.network.name == "R2":
        halved = 1 - found.fit.value < HALF * (1 - found.network.value)
        behind = found.better and halved and found.gain > max(LAST_LAYER, SURE * found.error)
    else:
        behind = found.better and found.gain > max(LAST_CLASSES, SURE * found.error)
    if behind:
        seen = found.evidence()
        yield warning(
            site.path,
            f"The training has stopped too early: this layer makes {_said(found.network)} of the values that it gets, "
            f"and fitted to them in one step it predicts rows that it has not seen with {_said(found.fit)}.",
            "Train for more epochs, or with a larger learning rate; bring targets of large numbers to a scale of "
            "about 1.",
            **seen, inputs=int(values.shape[-1]),
        )  # fmt: skip


def _hardly_moved(context: Context) -> Iterator[Finding]:
    journey = hardly_moved(context)
    if journey is None or learned(context) is not False:
        return
    yield warning(
        journey.path,
        f"In {journey.steps} steps at a learning rate of {journey.rate:g}, {journey.optimizer} can move a weight by "
        f"about {journey.rate * journey.steps:.2g}, and this kernel's weights are of the size {journey.size:.2g}: it "
        "is still nearly as it was at the start.",
        "Train for more epochs, or with a larger learning rate.",
        steps=journey.steps, learning_rate=journey.rate, largest_movement=journey.rate * journey.steps,
        kernel_rms=journey.size,
    )  # fmt: skip


CHECKS = (
    Check(
        "learns-less-than-a-simple-fit",
        TARGETS,
        "worse than a regression in closed form",
        learns_less,
        measures=True,
    ),
    Check("training-not-finished", TARGETS, "training that stopped too early", not_finished, measures=True),
)
