"""What targets and output are: numbers, classes or labels, a row for each sample or step; scores of predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.doctor.checks.losses import BINARY, CATEGORICAL, PROBABILITIES, output_activation
from foldnet.insight.doctor.weights import mean_one

if TYPE_CHECKING:
    from foldnet.insight.doctor.context import Context

Kind = Literal["numbers", "two classes", "classes", "labels"]

SURE = 0.9
"""The least largest share of a row of soft targets that stands for one class: label smoothing of 0.1 leaves that."""
MOST_CLASSES = 10_000
"""More label values than this are numbers in an unfortunate loss, not classes."""
MOST_STEPS = 65_536
"""The largest number of steps (pixels) that count as rows; samples beyond it are left out."""


@dataclass(frozen=True)
class Score:
    """How good a prediction is.

    Attributes:
        name: ``"accuracy"``, or ``"R2"``: the share of the squares around each column's mean that is explained.
        value: 1 is perfect; NaN if a prediction is not finite.
        error: its standard error; samples count as independent, the steps of a sample do not.
        constant: what the best constant prediction has: the share of the most frequent class, or 0.
        rows: how many.
    """

    name: Literal["accuracy", "R2"]
    value: float
    error: float
    constant: float
    rows: int


@dataclass(frozen=True)
class Task:
    """What a network with one output is to predict, and for which rows that is known.

    Attributes:
        kind: ``"numbers"``; ``"two classes"`` (in one unit or in two); ``"classes"``, of which each row has one;
            ``"labels"``, of which each row has any number.
        targets: one row for each usable sample or step: numbers in columns; classes as whole numbers ``(rows,)``;
            labels as 0 and 1 in columns. Samples and steps with NaN or infinity are left out.
        classes: how many there are: units of the output, and more if the targets name more; 0 for numbers.
        units: of the output.
        from_logits: whether the output are logits: numbers without limit, which become probabilities in the loss.
        cut: of one unit or of labels: the class is 1 where the output is above this.
        samples: for each row the place of its sample among the samples that were measured.
        steps: how many steps a sample has; 1 without an axis of steps.
        usable: for each sample and step whether it is among the rows.
        weights: how much each row counts; above 0, with a mean of 1. Rows of weight 0 are left out.
    """

    kind: Kind
    targets: Array
    classes: int
    units: int
    from_logits: bool
    cut: float
    samples: Array
    steps: int
    usable: Array
    weights: Array

    @property
    def rows(self) -> int:
        """How many rows have a target."""
        return len(self.targets)

    @property
    def constant(self) -> bool:
        """Whether all rows have the same target."""
        return self.rows == 0 or bool((self.targets == self.targets[0]).all())

    @property
    def samples_of_equal_weight(self) -> float:
        """How many samples of one weight say as much: (sum of the weights)² / (sum of their squares).

        Kish 1965, "Survey Sampling", section 11.7. Where all rows count the same, it is the number of samples.
        """
        by_sample = np.bincount(self.samples, self.weights)
        return float(by_sample.sum() ** 2 / (by_sample**2).sum()) if self.rows else 0.0

    def mean(self, values: Array) -> Array:
        """The mean of each column of values of the rows, as much as these count."""
        return np.asarray(np.average(values, axis=0, weights=self.weights))

    def distance(self, predicted: Array) -> float:
        """How far predicted numbers are from the targets on average."""
        return float(self.mean(np.abs(predicted - self.targets)).mean())

    def by_row(self, values: Array) -> Array:
        """Values of the measured samples, one row for each row of the task: ``(rows, columns)``.

        Args:
            values: with the axis of samples first, then that of steps if there is one.
        """
        flat = values.reshape(len(self.usable), -1)
        return np.asarray(flat[self.usable])

    def predicted(self, output: Array) -> Array:
        """What an output says, in the form of the targets: numbers, or classes and labels as whole numbers."""
        values = self.by_row(output)
        if self.kind == "numbers":
            return values
        if self.kind == "labels":
            return (values > self.cut).astype(np.int64)
        if self.units == 1:
            return (values[:, 0] > self.cut).astype(np.int64)
        return np.asarray(values.argmax(axis=1))

    def score(self, predicted: Array) -> Score:
        """The score of a prediction in the form of the targets."""
        bad, total = self._losses(predicted), self._spread()
        if self.kind == "numbers":
            rest = _share(bad, total)
            return Score("R2", 1 - rest, self._error(bad - rest * total, total), 0.0, self.rows)
        rest = _share(bad, total)
        error = self._error(bad - rest * total, total)
        return Score("accuracy", 1 - rest, error, self.most_frequent(), self.rows)

    def gain(self, better: Array, worse: Array) -> tuple[float, float]:
        """By how much one prediction scores more than another on the same rows, and the standard error of that."""
        total = self._spread()
        saved = self._losses(worse) - self._losses(better)
        gain = _share(saved, total)
        return gain, self._error(saved - gain * total, total)

    def most_frequent(self) -> float:
        """The share of the most frequent class; for labels the mean of it over the columns."""
        if self.kind == "labels":
            share = self.mean(self.targets)
            return float(np.maximum(share, 1 - share).mean())
        return float(self._classes()[1].max(initial=0)) / max(self.rows, 1)

    def constant_answer(self) -> Array:
        """The constant prediction with the fewest errors: the median of numbers, and the most frequent class."""
        if self.kind == "numbers":
            return _medians(self.targets, self.weights)
        if self.kind == "labels":
            return (self.mean(self.targets) > 0.5).astype(np.int64)
        names, counts = self._classes()
        return np.asarray(names[counts.argmax()])

    def _classes(self) -> tuple[Array, Array]:
        """The classes that occur, and how much their rows count together."""
        names, places = np.unique(self.targets, return_inverse=True)
        return names, np.bincount(places, self.weights)

    def balanced(self, predicted: Array) -> float:
        """The accuracy of classes or labels with every class that occurs counted the same, however rare it is."""
        if self.kind == "labels":
            columns = zip(self.targets.T, predicted.T, strict=True)
            return float(np.mean([self._balanced(t, p) for t, p in columns]))
        return self._balanced(self.targets, predicted)

    def _balanced(self, targets: Array, predicted: Array) -> float:
        right = self.weights * (predicted == targets)
        classes = (targets == c for c in np.unique(targets))
        return float(np.mean([right[c].sum() / self.weights[c].sum() for c in classes]))

    def _losses(self, predicted: Array) -> Array:
        """What each row's prediction gets wrong, times its weight: squares, or the share of wrong classes."""
        if self.kind == "numbers":
            return np.asarray(self.weights * ((predicted - self.targets) ** 2).sum(axis=1))
        wrong = (predicted != self.targets).astype(np.float64)
        return self.weights * (wrong.mean(axis=1) if wrong.ndim == 2 else wrong)

    def _spread(self) -> Array:
        """What would be wrong at most: the squares of each row around the mean times its weight, for classes 1."""
        if self.kind != "numbers" or not self.rows:
            return self.weights
        return np.asarray(self.weights * ((self.targets - self.mean(self.targets)) ** 2).sum(axis=1))

    def _error(self, influence: Array, total: Array) -> float:
        """The standard error of a ratio of sums from each row's influence on it, added up by samples."""
        whole = total.sum()
        if not whole > 0:
            return float("nan")
        by_sample = np.bincount(self.samples, influence)
        return float(np.sqrt((by_sample**2).sum()) / whole)


def _share(part: Array, total: Array) -> float:
    whole = float(total.sum())
    return float(part.sum()) / whole if whole > 0 else float("nan")


def _medians(values: Array, weights: Array) -> Array:
    """The weighted median of each column; between two values their middle, as without weights."""
    order = np.argsort(values, axis=0, kind="stable")
    below = np.cumsum(weights[order], axis=0) - len(values) / 2  # the weights have a mean of 1
    ordered = np.take_along_axis(values, order, axis=0)
    first, last = (below > -1e-9).argmax(axis=0), (below > 1e-9).argmax(axis=0)
    columns = np.arange(values.shape[1])
    return np.asarray((ordered[first, columns] + ordered[last, columns]) / 2)


def task_of(context: Context) -> Task | None:
    """What the network is to predict; None without targets that are numbers, or where they do not fit the output.

    The rows are those of ``context.measurement`` if the network can be computed on the data, else all.
    """
    targets = context.targets
    shape = context.outputs[0].shape
    if targets is None or targets.ndim == 0 or not len(targets) or not shape[1:]:
        return None
    measured = context.measurement
    if measured is not None:
        if len(targets) <= measured.picked[-1]:
            return None
        targets = targets[measured.picked]
        shape = measured.outputs()[0].shape
    form = form_of(targets, shape)
    if form is None:
        return None
    targets, sparse, steps = form
    count = max(1, min(len(targets), MOST_STEPS // steps))
    values = targets[:count].reshape(count * steps, -1)
    usable = np.isfinite(values).all(axis=1)
    if steps > 1:
        usable &= ~_padded(context, (len(targets), steps))[:count].reshape(-1)
    weights = _weights(context, (len(targets), *shape[1:-1]))[:count].reshape(-1)
    usable &= weights > 0
    if not usable.any():
        return None
    found = _kind(context, values[usable], int(shape[-1] or 0), sparse)
    if found is None:
        return None
    kind, answers, classes, cut = found
    samples, weights = np.repeat(np.arange(count), steps)[usable], weights[usable]
    usable = np.concatenate([usable, np.zeros((len(targets) - count) * steps, np.bool_)])
    return Task(
        kind, answers, classes, int(shape[-1] or 0), _from_logits(context), cut, samples, steps, usable,
        mean_one(weights),
    )  # fmt: skip


def _weights(context: Context, shape: tuple[int | None, ...]) -> Array:
    """How much each sample and step counts: ``(samples, steps)``."""
    sizes = tuple(int(n or 1) for n in shape)
    weights = context.weights
    if weights is not None and context.measurement is not None:
        weights = replace(weights, values=weights.values[context.measured.picked])
    known = weights is not None and len(weights.values) == sizes[0]
    return (weights.spread(sizes) if weights is not None and known else np.ones(sizes)).reshape(sizes[0], -1)


def has_own_loss(context: Context) -> bool:
    """Whether the network was trained for the user's own loss, such as that of a quantile or of a variance.

    What its output should be is then not known: nothing says that it is near the targets.
    """
    if not context.losses or context.losses[0] is not None:
        return False
    trainer = context.network._trainer
    if trainer is not None:
        return any(loss is not None for loss in trainer.compiled.losses)
    return bool((context.network.compile_config or {}).get("loss"))


def _padded(context: Context, shape: tuple[int, int]) -> Array:
    """For each sample and step, whether a mask made from the inputs leaves it out, so that no loss saw it."""
    padded = np.zeros(shape, np.bool_)
    for site in context.sites if context.measurement is not None else ():
        filler = site.layer.masked_value
        start = context.site.get(site.operands[0]) if filler is not None and site.operands else None
        if start is not None and not start.operands:
            values = context.measured.value(start.path)
            fills = (values == filler).reshape(*values.shape[:2], -1).all(axis=2)
            padded |= fills if fills.shape == shape else False
    return padded


def form_of(targets: Array, shape: tuple[int | None, ...]) -> tuple[Array, bool, int] | None:
    """Targets with the output's axes, whether they are class numbers, and the number of steps; None if they do not fit.

    Targets may lack a last axis of 1, or have one that the output does not have, as in Keras.
    """
    leading, units = shape[1:-1], shape[-1]

    def fits(found: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
        return len(found) == len(wanted) and all(b in (None, a) for a, b in zip(found, wanted, strict=True))

    steps = int(np.prod(targets.shape[1 : 1 + len(leading)]))
    if steps < 1:
        return None
    if fits(targets.shape[1:], shape[1:]):
        return targets, False, steps
    one_each = fits(targets.shape[1:], leading) or fits(targets.shape[1:], (*leading, 1))
    if not one_each:
        return None
    return targets.reshape(*targets.shape[: 1 + len(leading)], 1), units != 1, steps


def _kind(context: Context, values: Array, units: int, sparse: bool) -> tuple[Kind, Array, int, float] | None:
    """The kind of task, the targets as answers, the number of classes, and the cut."""
    loss = context.losses[0] if context.losses else None
    name = "" if loss is None else loss.name
    if sparse:
        whole = (values == np.floor(values)).all() and values.min() >= 0 and values.max() < MOST_CLASSES
        takes_numbers = name not in (*CATEGORICAL, "") and "hinge" not in name
        if not whole or takes_numbers or has_own_loss(context):
            return None
        labels = values[:, 0].astype(np.int64)
        classes = max(units, int(labels.max()) + 1)
        return "two classes" if classes == 2 else "classes", labels, classes, 0.0
    low, high = float(values.min()), float(values.max())
    if units == 1:
        signed = bool(np.isin(values, (-1.0, 1.0)).all()) and low < 0
        binary = bool(np.isin(values, (0.0, 1.0)).all())
        if not (signed or binary) or name == "poisson":
            return "numbers", values, 0, 0.0
        return "two classes", (values[:, 0] > 0).astype(np.int64), 2, _cut(context, signed)
    exclusive = low >= 0 and bool(
        (np.abs(values.sum(axis=1) - 1) < 1e-4).all() and (values.max(axis=1) >= SURE - 1e-4).all()
    )
    signed = bool(np.isin(values, (-1.0, 1.0)).all()) and low < 0
    if exclusive or (signed and "hinge" in name and ((values > 0).sum(axis=1) == 1).all()):
        return "two classes" if units == 2 else "classes", values.argmax(axis=1), units, 0.0
    if signed or (low >= 0 and high <= 1 and bool(np.isin(values, (0.0, 1.0)).all())):
        return "labels", (values > 0).astype(np.int64), units, _cut(context, signed)
    return "numbers", values, 0, 0.0


def _from_logits(context: Context) -> bool:
    """Whether the loss says so, or takes probabilities of a linear output, which stand in as such."""
    loss = context.losses[0] if context.losses else None
    if loss is None or loss.name not in CATEGORICAL + BINARY:
        return False
    return loss.from_logits and output_activation(context, context.outputs[0])[1] not in PROBABILITIES


def _cut(context: Context, signed: bool) -> float:
    """Halfway between the two targets of a unit, or 0 for logits and hinges."""
    loss = context.losses[0] if context.losses else None
    if output_activation(context, context.outputs[0])[1] in PROBABILITIES:
        return 0.5
    hinge = loss is not None and "hinge" in loss.name
    return 0.0 if signed or hinge or _from_logits(context) else 0.5
