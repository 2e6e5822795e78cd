"""Checks of the targets themselves, and of metrics that count them wrongly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from math import isfinite

import numpy as np

from foldnet.insight.doctor.checks.labels import FEW, ROUNDED, SPARSE
from foldnet.insight.doctor.checks.losses import BINARY, output_activation
from foldnet.insight.doctor.context import Context, metric_names
from foldnet.insight.doctor.finding import Finding, error, graded, note, percent
from foldnet.insight.doctor.registry import GIVEN, LOSS, TARGETS, Check

ACCURACIES = ("accuracy", "acc", "binary_accuracy", "categorical_accuracy")
"""Metrics that compare a prediction's class with the target's."""
BESIDE = 3.0
"""How far rows are moved to where other classes may be: good networks part classes that lie a few deviations apart."""
OTHERS = 0.01
"""The share of other classes from which a network knows others; in doubt it is no error."""
MOSTLY_RIGHT = 0.2
"""The largest share of other answers to the rows themselves."""
OTHER_NUMBERS, OFTEN = 0.05, 0.25
"""How far from a target, as a share of it (of 1 if it is 0), a number is another answer, and how many must be."""
ROWS_OF_A_CLASS = 5
"""So many rows for each class must there be on average before a class that never occurs is worth a word."""


def constant_targets(context: Context) -> Iterator[Finding]:
    """Targets that are the same for every row."""
    targets = context.counted_targets
    if targets is None or targets.ndim == 0 or len(targets) < 2 or not targets[0].size:
        return
    if not bool((targets == targets[0]).all()):
        return
    loss = context.losses[0] if context.losses else None
    # The user's own loss may not look at the targets, and a network that has others knows more.
    excused = len(targets) < FEW or loss is None or knows_other_answers(context)
    value = float(targets.reshape(-1)[0])
    yield graded(
        "note" if excused else "error", output_activation(context, context.outputs[0])[0].path,
        f"The targets of all {len(targets):,} rows are the same, so nothing can be learned from them but "
        f"this one answer.",
        "Look at how the targets were made: the wrong column, a comparison that is never true, rows of one class "
        "only.",
        rows=len(targets), target=value if isfinite(value) else 0.0,
    )  # fmt: skip


def knows_other_answers(context: Context) -> bool:
    """Whether a network gives the only answer of these targets to their rows, but has others, too.

    Then the rows are a part of those that it was trained on. A good network gives all rows of a class the same answer,
    and others to rows beside them: those that lie ``BESIDE`` times as far on the other side of the mean. One that has
    learned a single class gives that there, too.
    """
    task = context.task
    if task is None or not task.constant or not context.trained or context.measurement is None:
        return False
    output = context.measured.outputs()[0]
    if task.kind == "numbers":
        answers, size = task.by_row(output), np.abs(task.targets[0])
        near = OTHER_NUMBERS * np.where(size == 0, 1, size)
        around = np.abs(answers.mean(axis=0) - task.targets[0]) < near + answers.std(axis=0) / 2
        return bool(around.all() and (np.abs(answers - task.targets) > near).mean() > OFTEN)
    here, there = (
        float((task.predicted(o) != task.targets).mean())
        for o in (output, context.measured.beside(BESIDE)[0])
    )
    return here < MOSTLY_RIGHT and max(here, there) > OTHERS


def classes_missing(context: Context) -> Iterator[Finding]:
    """Units whose class never occurs."""
    labels = context.labels
    if labels is None or labels.units < 2 or len(labels.rows) < ROWS_OF_A_CLASS * labels.units:
        return
    if labels.class_numbers and labels.whole and labels.loss_name in (*SPARSE, ""):
        present = np.unique(labels.rows)
        if not 0 <= present.min() <= present.max() < labels.units:
            return  # target-out-of-reach, of which this follows
    elif labels.one_hot:
        present = np.flatnonzero(labels.rows.any(axis=0))
    else:
        return
    if not 1 < len(present) < labels.units:
        return
    missing = sorted(set(range(labels.units)) - set(present.tolist()))
    first, count = missing[0], len(missing)
    never = (
        f"1 of {labels.units} classes never occurs in the targets: {first}, which is therefore never predicted."
        if count == 1
        else f"{count} of {labels.units} classes never occur in the targets (the first is {first}), so they are never "
        "predicted."
    )
    yield note(
        labels.path,
        never,
        "Nothing, if the rows are a part of the data; else leave out their units, or look whether the numbers of "
        "the classes start at 0.",
        classes_without_rows=count, units=labels.units, first_of_them=first,
    )  # fmt: skip


def metric_does_not_fit(context: Context) -> Iterator[Finding]:
    """An accuracy that counts something else than right answers."""
    named = [m for m in context.metrics if m in ACCURACIES]
    loss = context.losses[0] if context.losses else None
    if not named or loss is None or len(context.outputs) != 1:
        return
    labels = context.labels
    site, activation = output_activation(context, context.outputs[0])
    units = int(context.outputs[0].shape[-1] or 0)
    one_by_one = units == 1 or named[0] == "binary_accuracy"
    if labels is not None and not labels.class_numbers:
        sums = labels.rows.sum(axis=1)
        if one_by_one:
            unfit = ~np.isin(labels.rows, (0.0, 1.0)).all(axis=1)
        else:
            unfit = (np.abs(sums - 1) > ROUNDED) | (labels.rows < 0).any(axis=1)
        share = float(unfit.mean())
        if share > 0:
            counted = "targets of 0 and 1" if one_by_one else "rows with one class each"
            yield note(
                site.path,
                f"The metric {named[0]} counts right answers for {counted}, which {percent(share)} of the targets are "
                "not: its number says nothing about these rows.",
                "For numbers mae or R2Score; for labels that occur together binary_accuracy or F1Score.",
                unfit=share, units=units,
            )  # fmt: skip
            return
    unfit_ones = [(name, t) for name, t in _thresholds(context.metric_entries) if t != 0]
    if one_by_one and loss.name in BINARY and loss.from_logits and activation == "linear" and unfit_ones:
        name, threshold = unfit_ones[0]
        yield note(
            site.path,
            f"The metric {name} compares the output with {threshold:g}, but the output are logits, whose "
            "middle is 0.",
            "Use BinaryAccuracy(threshold=0).", units=units, threshold=threshold,
        )  # fmt: skip


def _thresholds(entry: object) -> Iterator[tuple[str, float]]:
    """Each accuracy among metrics, and what it compares the output with; entries as in ``Context.metric_entries``."""
    if isinstance(entry, Mapping) and "class_name" not in entry:
        entry = list(entry.values())
    if isinstance(entry, list | tuple):
        for part in entry:
            yield from _thresholds(part)
    else:
        settings = entry.get("config") if isinstance(entry, Mapping) else None
        given = (
            settings.get("threshold") if isinstance(settings, Mapping) else getattr(entry, "threshold", None)
        )
        threshold = float(given) if isinstance(given, int | float) else 0.5
        yield from ((name, threshold) for name in metric_names(entry) if name in ACCURACIES)


def unusable_targets(context: Context) -> Iterator[Finding]:
    """Targets that are texts, NaN, or not as many as there are rows."""
    if context.y is None or len(context.network.outputs) != 1:
        return
    targets = context.targets
    site, _ = output_activation(context, context.outputs[0])
    if targets is None:
        shape = _shape_without_rows(context.y)
        if shape is not None:
            yield error(
                site.path, f"There is not one target for each row: the targets have the shape {shape}.",
                "Give one target for each row.", targets=shape[0] if shape else 1,
            )  # fmt: skip
            return
        yield note(
            site.path, "The targets are not numbers, so nothing can be compared with them.",
            "Give them as the network was trained on them: numbers, class numbers or one-hot rows.",
            targets=len(context.y) if isinstance(context.y, Sized) else 1,
        )  # fmt: skip
        return
    count = context.row_count
    if count is not None and targets.ndim and len(targets) != count:
        yield error(
            site.path,
            f"There {_are(len(targets))} for {count:,} rows, so it is not known which belong together.",
            "Give one target for each row.", targets=len(targets), rows=count,
        )  # fmt: skip
        return
    bad = int((~np.isfinite(targets)).sum())
    if not bad:
        return
    # Of a network that has become NaN, not-finite says that this is the cause.
    known = bool(context.losses) and context.losses[0] is not None
    yield graded(
        "error" if known and not context.trained else "note", site.path,
        f"{bad:,} of {targets.size:,} targets are NaN or infinite: a training step with one of them makes "
        "every weight NaN.",
        "Leave out these rows, or fill in their targets.", not_finite=bad, targets=int(targets.size),
    )  # fmt: skip


def _are(targets: int) -> str:
    return "is 1 target" if targets == 1 else f"are {targets:,} targets"


def _shape_without_rows(y: object) -> tuple[int, ...] | None:
    """The shape of a single number, or of an array that holds none; None for everything else."""
    try:
        found = np.asarray(y)
    except ValueError:  # rows of different lengths
        return None
    single = found.ndim == 0 and found.dtype.kind in "biuf"
    return found.shape if single or not found.size else None


CHECKS = (
    Check("constant-targets", TARGETS, "targets that never vary", constant_targets),
    Check("classes-missing", TARGETS, "classes that never occur", classes_missing),
    Check("unusable-targets", GIVEN, "targets that are texts, NaN, or not one a row", unusable_targets),
    Check("metric-does-not-fit", LOSS, "an accuracy of numbers or logits", metric_does_not_fit),
)
