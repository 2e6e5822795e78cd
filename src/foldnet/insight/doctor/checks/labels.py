"""Checks of the targets against the loss and the output that they are given to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.doctor.checks.losses import BINARY, CATEGORICAL, PROBABILITIES, output_activation
from foldnet.insight.doctor.context import Context, LossSetting
from foldnet.insight.doctor.finding import Finding, error, graded, note, percent, warning
from foldnet.insight.doctor.ranges import value_range
from foldnet.insight.doctor.registry import TARGETS, Check
from foldnet.insight.doctor.task import form_of

SPARSE = ("sparse_categorical_crossentropy", "categorical_generalized_cross_entropy")
"""Losses that take class numbers."""
DISTRIBUTIONS = (
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "kl_divergence",
    "categorical_hinge",
)
"""Losses whose targets are rows that add up to 1."""
LOSS_RANGES = {
    **dict.fromkeys((*BINARY, *DISTRIBUTIONS), (0.0, 1.0)),
    **dict.fromkeys(("poisson", "mean_squared_logarithmic_error"), (0.0, inf)),
}  # fmt: skip
"""The targets that a loss is defined for, whatever the output's activation."""

FEW = 30
"""With fewer rows, what all of them have in common may be chance, or the caller's choice of rows."""
MANY = 0.05
"""The share of unfit targets above which they are the rule, and not mistakes in the data."""
ROUNDED = 0.05
"""How far a row of probabilities may be from adding up to 1: ten classes with two decimals each."""


@dataclass(frozen=True)
class Labels:
    """The targets of the only output, beside the loss that they are for.

    Attributes:
        path: of the output's layer.
        activation: its last one.
        units: the size of its last axis.
        loss: as compiled; None if there is none, or if it is the user's own.
        rows: finite targets, ``(rows, columns)``: one column for class numbers, else one for each unit.
        class_numbers: whether there is one target for several units.
        samples: the number of rows of data with such targets.
    """

    path: str
    activation: str
    units: int
    loss: LossSetting | None
    rows: Array
    class_numbers: bool
    samples: int

    @property
    def loss_name(self) -> str:
        """The name of the loss's function; empty for None."""
        return "" if self.loss is None else self.loss.name

    @cached_property
    def binary(self) -> bool:
        """Whether all are 0 or 1, and both occur."""
        return bool(((self.rows == 0) | (self.rows == 1)).all()) and 0 < float(self.rows.mean()) < 1

    @cached_property
    def one_hot(self) -> bool:
        """Whether each row has a single 1 among zeros."""
        return self.rows.shape[1] > 1 and self.binary and bool((self.rows.sum(axis=1) == 1).all())

    @cached_property
    def whole(self) -> bool:
        """Whether all are whole numbers."""
        return bool((self.rows == np.floor(self.rows)).all())


def labels_of(context: Context) -> Labels | None:
    """The targets; None if they do not fit the output, or if no row of them is finite."""
    end = context.outputs[0]
    targets = context.counted_targets
    if targets is None or targets.ndim == 0 or not targets.size or len(end.shape) < 2:
        return None
    found = form_of(targets, end.shape)
    if found is None:
        return None
    formed, class_numbers, _ = found
    rows = formed.reshape(-1, formed.shape[-1])
    loss = context.losses[0] if context.losses else None
    ignored = None if loss is None else loss.settings.get("ignore_class")
    usable = np.isfinite(rows).all(axis=1)
    if ignored is not None and class_numbers:
        usable &= rows[:, 0] != ignored
    if not usable.any():
        return None
    site, activation = output_activation(context, end)
    rows = rows if usable.all() else rows[usable]
    return Labels(
        site.path,
        activation,
        int(end.shape[-1] or 0),
        loss,
        rows,
        class_numbers,
        min(len(targets), len(rows)),
    )


def _equals_inputs(context: Context) -> bool:
    """Whether the targets are the inputs, as those of an autoencoder."""
    x, y = context.x, context.y
    if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
        return False
    if x.shape == y.shape and context.weights is not None:
        x, y = x[context.weights.counts], y[context.weights.counts]
    return x.shape == y.shape and bool(np.array_equal(x, y))


# -- labels-and-loss ----------------------------------------------------------------------------------------


def labels_and_loss(context: Context) -> Iterator[Finding]:
    """Labels in a form that the loss does not take, or takes for something else: the first that is wrong."""
    loss = context.losses[0] if context.losses else None
    if loss is None or loss.settings.get("axis", -1) != -1:
        return
    unfit = _unfit_shape(context, loss)
    if unfit is not None:
        yield unfit
        return
    labels = context.labels
    if labels is None or _equals_inputs(context):
        return
    for rule in RULES:
        found = rule(labels)
        if found is not None:
            yield found
            return


def _unfit_shape(context: Context, loss: LossSetting) -> Finding | None:
    """Another number of targets than outputs: losses refuse it, or compare each output with the same target."""
    targets, end = context.targets, context.outputs[0]
    if targets is None or targets.ndim == 0 or not targets.size or len(end.shape) < 2 or not end.shape[-1]:
        return None
    if context.row_count not in (None, len(targets)):
        return None  # which unusable-targets reports
    found = form_of(targets, end.shape)
    units, columns = int(end.shape[-1]), int(targets.shape[-1]) if targets.ndim > 1 else 1
    numbers = found is not None and found[1]
    if found is not None and numbers == (loss.name in SPARSE and units > 1):
        return None
    if units == 1 and loss.name in CATEGORICAL:
        return None  # a loss over one unit, which loss-and-activation reports
    shapes = f"The targets have the shape {_shown(targets.shape)} and the output {_shown(end.shape)}"
    if found is not None and not numbers:
        said = f"{loss.name} takes one class number for each row, not one value for each of {units} classes."
        way = "Give class numbers (y.argmax(axis=-1)), or use categorical_crossentropy for these rows."
    elif numbers and loss.name in DISTRIBUTIONS:
        said = f"{loss.name} takes one value for each of the {units} classes, not one number for each row."
        way = "Use sparse_categorical_crossentropy for class numbers, or give to_categorical(y) to this loss."
    else:
        said = "a loss that does not refuse this compares several values with the same one."
        way = "Give targets of the output's shape, or as many units as there are targets in a row."
    return error(
        output_activation(context, end)[0].path, f"{shapes}: {said}", f"{way} Then train again.",
        targets_in_a_row=columns, units=units,
    )  # fmt: skip


def _shown(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join(["rows", *("any" if n is None else str(n) for n in shape[1:])]) + ")"


def _fractions(labels: Labels) -> Finding | None:
    """Class numbers that are not whole."""
    if not labels.class_numbers or labels.loss_name not in SPARSE or labels.whole:
        return None
    share = float((labels.rows != np.floor(labels.rows)).mean())
    return error(
        labels.path,
        f"{labels.loss_name} takes class numbers, but {percent(share)} of the targets are not whole: the fraction is "
        "cut off, and what is learned are other classes.",
        "Give the class numbers as they were before scaling; for numbers use a linear output and mse. Train again.",
        not_whole=share, smallest_target=float(labels.rows.min()), largest_target=float(labels.rows.max()),
    )  # fmt: skip


def _not_one(labels: Labels) -> Finding | None:
    """Rows for a softmax that do not add up to 1."""
    if labels.class_numbers or labels.units < 2 or labels.loss_name not in DISTRIBUTIONS:
        return None
    signed = labels.loss_name == "categorical_hinge"  # of which no other check knows the range
    if not signed and (labels.rows.min() < 0 or labels.rows.max() > 1):
        return None  # target-out-of-reach
    sums = labels.rows.sum(axis=1)
    empty = ~labels.rows.any(axis=1)
    off = (np.abs(sums - 1) > ROUNDED) & ~empty
    share, nothing = float(off.mean()), float(empty.mean())
    seen: dict[str, Any] = {
        "rows_not_adding_up": share,
        "rows_of_zeros": nothing,
        "largest_sum": float(sums.max()),
    }
    if share > 0:
        make = error if share > MANY else warning
        return make(
            labels.path,
            f"{labels.loss_name} takes rows that add up to 1, which {percent(share)} of the targets do not, while "
            "the predictions always do: with several classes in a row none of them can become 1.",
            "For labels that may occur together use sigmoid and binary_crossentropy. Train again.", **seen,
        )  # fmt: skip
    if nothing > 0:
        return note(
            labels.path,
            f"{percent(nothing)} of the targets are rows of zeros, which add nothing to {labels.loss_name}.",
            "Nothing, if these rows are to be left out; else give them a class of their own.", **seen,
        )  # fmt: skip
    return None


def _exclusive(labels: Labels) -> Finding | None:
    """Classes of which each row has one, learned as labels that may occur together."""
    if labels.loss_name not in BINARY or labels.units < 3 or labels.activation == "softmax":
        return None
    if labels.class_numbers or not labels.one_hot:
        return None
    return graded(
        "warning" if labels.samples >= FEW else "note", labels.path,
        f"Each of {labels.samples:,} rows has exactly one of {labels.units} classes, but {labels.loss_name} learns "
        "each class alone: the probabilities do not add up to 1, and zeros outweigh ones.",
        "Use softmax and categorical_crossentropy, and train again.",
        units=labels.units, rows=labels.samples, zeros_for_each_one=labels.units - 1,
    )  # fmt: skip


def _class_by_error(labels: Labels) -> Finding | None:
    """Labels of 0 and 1 in a loss of numbers."""
    exclusive = labels.rows.shape[1] == 1 or labels.one_hot
    if labels.class_numbers or not exclusive or not labels.binary:
        return None
    ones = float(labels.rows.mean())
    if labels.loss_name == "mean_absolute_error":
        return warning(
            labels.path,
            "mean_absolute_error of labels 0 and 1 is lowest at the more frequent one, not at its probability: "
            "where the inputs leave doubt, the rarer class is never predicted.",
            "Use a crossentropy (sigmoid and binary_crossentropy, softmax and categorical_crossentropy). Train "
            "again.",
            share_of_ones=ones, units=labels.units,
        )  # fmt: skip
    if labels.loss_name == "mean_squared_error" and labels.activation in PROBABILITIES:
        return note(
            labels.path,
            f"mean_squared_error of labels through {labels.activation} learns slowly from rows that are quite wrong: "
            "there the slope is almost 0.",
            "A crossentropy has its largest slope there.", share_of_ones=ones, units=labels.units,
        )  # fmt: skip
    return None


def _zeros_in_percent(labels: Labels) -> Finding | None:
    """Errors in percent of targets that are 0."""
    if labels.loss_name != "mean_absolute_percentage_error":
        return None
    zeros = float((labels.rows == 0).mean())
    if not 0 < zeros < 1:
        return None
    return graded(
        "error" if labels.binary else "warning", labels.path,
        f"mean_absolute_percentage_error divides by the target, and {percent(zeros)} of the targets are 0: these rows "
        "weigh ten million times as much as one with the target 1.",
        "Use mse or mae for numbers that may be 0, and a crossentropy for labels. Train again.",
        zeros=zeros, largest_target=float(labels.rows.max()),
    )  # fmt: skip


def _no_sides(labels: Labels) -> Finding | None:
    """Other numbers than -1 and 1 (or 0 and 1, which are converted) in a hinge."""
    if labels.loss_name not in ("hinge", "squared_hinge"):
        return None
    other = float((~np.isin(labels.rows, (-1.0, 0.0, 1.0))).mean())
    if other == 0:
        return None
    return graded(
        "error" if other > MANY else "warning", labels.path,
        f"{labels.loss_name} takes the labels -1 and 1 (or 0 and 1), and {percent(other)} of the targets are others.",
        "Give -1 and 1; for several classes use softmax and a crossentropy, for numbers mse. Train again.",
        other_numbers=other, smallest_target=float(labels.rows.min()), largest_target=float(labels.rows.max()),
    )  # fmt: skip


RULES: tuple[Callable[[Labels], Finding | None], ...] = (
    _fractions, _not_one, _exclusive, _class_by_error, _zeros_in_percent, _no_sides,
)  # fmt: skip
"""What may be wrong between labels and loss; the first that is, is the cause that is named."""


# -- target-out-of-reach ------------------------------------------------------------------------------------


def target_out_of_reach(context: Context) -> Iterator[Finding]:
    """Targets that the output's activation cannot give, or that the loss is not defined for."""
    labels = context.labels
    if labels is None or "hinge" in labels.loss_name:
        return
    units, sparse = labels.units, labels.loss_name in SPARSE
    if labels.class_numbers and (not sparse or not labels.whole):
        return  # which labels-and-loss reports, if there is a loss
    if sparse:
        low, high = 0.0, float(units - 1)
    else:
        low, high = value_range(output_activation(context, context.outputs[0])[0].layer.ends_with)
        least, most = LOSS_RANGES.get(labels.loss_name, (-inf, inf))
        low, high = max(low, least), min(high, most)
    outside = float(((labels.rows < low) | (labels.rows > high)).mean())
    if outside > 0:
        make = error if outside > MANY else warning
        yield make(
            labels.path,
            f"{percent(outside)} of the targets lie outside {low:g} to {high:g}, the range of {labels.activation} "
            "(with this loss).",
            _into_range(labels),
            outside=outside, smallest_target=float(labels.rows.min()), largest_target=float(labels.rows.max()),
        )  # fmt: skip


def _into_range(labels: Labels) -> str:
    smallest, largest = float(labels.rows.min()), float(labels.rows.max())
    if labels.loss_name in SPARSE:
        if (smallest, largest) == (1, labels.units):
            return "Class numbers start at 0: give y - 1, and train again."
        return "Give the numbers of the classes from 0, with a unit for each class, and train again."
    if labels.loss_name in BINARY and np.isin(labels.rows, (-1.0, 1.0)).all():
        return "Give 0 and 1 for -1 and 1: (y + 1) / 2. Train again."
    if labels.loss_name in BINARY and labels.units == 1 and labels.whole and smallest >= 0:
        return "For class numbers use a unit for each class, softmax and sparse_categorical_crossentropy. Train again."
    if labels.loss_name in BINARY:
        return "For numbers use a linear output and mse, or bring the targets into this range. Train again."
    return "Use a linear output, or bring the targets into this range."


CHECKS = (
    Check(
        "target-out-of-reach", TARGETS, "targets the output cannot give", target_out_of_reach, excuse="all"
    ),
    Check(
        "labels-and-loss", TARGETS, "labels in a form the loss does not take", labels_and_loss, excuse="all"
    ),
)
