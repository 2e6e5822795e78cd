"""Checks of what a network has learned, against fits in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from foldnet.insight.doctor.checks.losses import output_activation
from foldnet.insight.doctor.checks.rates import hardly_moved, rate_of
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
from foldnet.insight.doctor.finding import Finding, Severity, graded, number, warning
from foldnet.insight.doctor.registry import TARGETS, Check
from foldnet.insight.doctor.simple_fits import fitted, hidden_columns
from foldnet.insight.doctor.task import Score, has_own_loss
from foldnet.insight.sites import Site
from foldnet.layers.base import Layer
from foldnet.layers.core import Dense

HALF = 0.5
"""A last layer fitted again must leave less than this share of what was unexplained."""
LAST_LAYER = 0.02
"""And gain so much of R2: of a nearly perfect fit, half of the rest is nothing."""
LAST_CLASSES = 0.05
"""By so much of accuracy a last layer fitted again must be better."""
KERNELS = ("kernel", "depthwise", "pointwise", "recurrent", "embeddings")
"""What a constraint on weights that multiply is named after."""
SCALED = (
    "If so, give targets of the same scale here, or scale the output back. If not, bring the targets to a scale of "
    "about 1 and train again, or train for more epochs."
)


def learns_less(context: Context) -> Iterator[Finding]:
    """A network that does worse than a regression in closed form, or than a constant."""
    found = context.comparison
    if found is None:
        yield from _worse_than_a_constant(context)
        return
    remedy = _remedy(context)
    if found.other_scale and found.found_nothing:
        yield graded(
            _limited(context, "error"), "", _apart(context), f"{SCALED} {remedy}", **found.evidence()
        )
    elif found.found_nothing:
        backwards = found.ranks is not None and found.ranks.backwards
        severity: Severity = "error" if backwards else _limited(context, "error")
        own, other = _said(found.network), _said(found.fit)
        if found.ranks is not None and not found.clear:  # one class is so rare that accuracy says nothing
            own, other = (f"AUC {share:.2f}" for share in (found.ranks.network, found.ranks.fit))
        yield graded(
            severity, "",
            f"It explains nothing of the targets ({own}), which a ridge regression predicts for rows that it has not "
            f"seen ({other}).",
            remedy, **found.evidence(),
        )  # fmt: skip
    elif found.clear:
        # What is frozen was not to learn, and the rest can only do what that leaves.
        yield graded(
            "note" if _is_frozen(context) else _limited(context, "warning"), "",
            f"It predicts these targets worse ({_said(found.network)}) than a ridge regression predicts them for "
            f"rows that it has not seen ({_said(found.fit)}).",
            remedy, **found.evidence(),
        )  # fmt: skip


def _apart(context: Context) -> str:
    """Where the output and the targets lie."""
    task = context.task
    assert task is not None
    output = task.by_row(context.measured.outputs()[0])
    own, wanted = (f"{number(v.mean())} (deviation {number(v.std())})" for v in (output, task.targets))
    return (
        f"Output and targets have other scales: the output is about {own}, the targets about {wanted}; were the "
        "targets scaled for the training?"
    )


def _remedy(context: Context) -> str:
    """What to look at, and what of this network may excuse it."""
    parts = [
        "Other findings, if there are any, often name the cause. Otherwise look at the learning rate and the number of "
        "epochs, at the scale of inputs and targets, and whether each row still has its own target. If it was trained "
        "with sample_weight or class_weight, give them here, too."
    ]
    if has_own_loss(context):
        parts.append(
            "The loss is one of your own: if its best output is something else than the target, such as a quantile or "
            "a variance, all is well."
        )
    if _is_constrained(context):
        parts.append("Some kernels have a constraint, which limits what can be learned.")
    if _is_frozen(context):
        parts.append(
            "Some layers are frozen: if what they give is not enough, let some of them learn (trainable=True)."
        )
    return " ".join(parts)


def _limited(context: Context, severity: Severity) -> Severity:
    """A note where the network was trained for something else than the targets, or must not reach them."""
    return "note" if has_own_loss(context) or _is_constrained(context) else severity


def _is_constrained(context: Context) -> bool:
    """Whether training must keep a kernel within limits, such as numbers that are not negative."""
    return any(_has_constraint(site.layer) for site in context.sites)


def _has_constraint(layer: Layer) -> bool:
    settings = [f"{kernel}_constraint" for kernel in KERNELS]
    inner = layer.with_inner_layers
    return any(getattr(each, name, None) is not None for each in inner for name in settings)


def _is_frozen(context: Context) -> bool:
    """Whether a layer keeps its kernel in training."""
    return any(not site.layer.trainable and "kernel" in site.layer.named_weights for site in context.sites)


def _worse_than_a_constant(context: Context) -> Iterator[Finding]:
    """For few rows: a network that is no better than the most frequent class, or the mean."""
    task = comparable(context)
    if task is None or task.samples_of_equal_weight >= FEWEST or copies_inputs(context, task):
        return
    predicted = task.predicted(context.measured.outputs()[0])
    score = task.score(predicted)
    if task.kind == "numbers":
        middle = task.distance(task.constant_answer())
        nothing = score.value < NOTHING and task.distance(predicted) >= middle * (1 - NOTHING)
    else:
        chance = task.balanced(np.broadcast_to(task.constant_answer(), task.targets.shape))
        nothing = score.value <= score.constant and task.balanced(predicted) <= chance
    if nothing:
        seen: dict[str, Any] = {
            f"network_{score.name}": score.value, f"constant_{score.name}": score.constant, "rows": score.rows,
        }  # fmt: skip
        yield graded(
            _limited(context, "warning"), "",
            f"It predicts these rows no better than a constant does ({_said(score)}).",
            "If it was trained on these rows, it has learned nothing: look at other findings, if there are any, at the "
            "learning rate and the number of epochs, and at the scale of inputs and targets.",
            **seen,
        )  # fmt: skip


def _said(score: Score) -> str:
    # + 0.0 makes 0.00 of -0.00
    return f"R2 {round(score.value, 2) + 0.0:.2f}" if score.name == "R2" else f"accuracy {score.value:.1%}"


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
    if task is None or site is None or task.samples_of_equal_weight < FEWEST or copies_inputs(context, task):
        return
    if not site.layer.trainable or _has_constraint(site.layer) or site.layer.bias_constraint is not None:
        return  # it was not to be trained at all, or not to reach this fit
    if task.units == 1 and output_activation(context, context.outputs[0])[1] == "softmax":
        return  # its output is always 1
    rate = rate_of(context)
    if rate is not None and rate.value <= 0:
        return  # more epochs at this rate change nothing
    if site.operands[0] not in context.site or not context.site[site.operands[0]].operands:
        return  # a single layer, which learns-less-than-a-simple-fit compares
    values = context.measured.value(site.operands[0])
    if len(values) * task.steps != len(task.usable) or values.ndim != len(context.outputs[0].shape):
        return
    fit = fitted(hidden_columns(task.by_row(values)), task)
    if fit is None:
        return
    found = compare(context, task, fit)
    if found.other_scale or not found.fit_explains:
        return
    if found.network.name == "R2":
        halved = 1 - found.fit.value < HALF * (1 - found.network.value)
        behind = found.better and halved and found.gain > max(LAST_LAYER, SURE * found.error)
    else:
        behind = found.better and found.gain > max(LAST_CLASSES, SURE * found.error)
    if behind:
        seen = found.evidence()
        own = has_own_loss(context)
        yield graded(
            "note" if own else "warning", site.path,
            f"The training has stopped too early: this layer makes {_said(found.network)} of the values that it gets, "
            f"and fitted to them in one step it predicts rows that it has not seen with {_said(found.fit)}.",
            "Train for more epochs, or with a larger learning rate; bring targets of large numbers to a scale of "
            "about 1." + (" If your own loss asks for something else than targets, all is well." if own else ""),
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
