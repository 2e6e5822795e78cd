"""A network beside fits in closed form on the same rows: which is better, and by how much more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.doctor.checks.losses import output_activation
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.ranges import value_range
from foldnet.insight.doctor.simple_fits import as_predicted, fitted, input_columns, ranking, with_bends
from foldnet.insight.doctor.task import Score, Task, has_own_loss
from foldnet.layers.core import Dense

FEWEST = 30
"""With fewer samples a fit of a hundred columns says nothing; the network is then only compared with a constant."""
NOTHING = 0.02
"""An R2 below this is nothing: what the noise of a few hundred rows looks like."""
SOMETHING = 0.1
"""By so much of R2 a fit must be better: random bends and noise make differences of a few hundredths."""
CLASSES = 0.05
"""By so much of accuracy a fit must be better."""
BLIND = 0.5
"""By so much of R2, where the fit finds nothing either: a network that has to learn noise is often a little worse than
the mean, and one that is far worse is sick."""
NO_BETTER = 2.0
"""An accuracy within so many standard errors of that of the most frequent class is no better."""
OTHER_SCALE = -10.0
"""An R2 below this: errors of more than three deviations of the targets, so that output and targets lie apart."""
SURE = 3.0
"""And by so many standard errors of the difference on the same rows: by chance one network in 700 is that far off."""


@dataclass(frozen=True)
class Ranks:
    """How well rows of two classes are ranked: the share of pairs in which the positive row has the larger value (AUC).

    Attributes:
        network: that of the network's output.
        fit: that of the fit.
        chance: the standard error of a ranking that says nothing.
    """

    network: float
    fit: float
    chance: float

    @property
    def found_nothing(self) -> bool:
        """Whether the network ranks by chance, or worse, and the fit clearly does not."""
        blind = self.network - 0.5 < max(NOTHING, SURE * self.chance)
        return blind and self.fit - self.network > max(SOMETHING, SURE * float(np.sqrt(2)) * self.chance)

    @property
    def backwards(self) -> bool:
        """Whether the network clearly gives the positive rows the smaller values, which no cost of errors asks for."""
        return 0.5 - self.network > max(SOMETHING, SURE * self.chance)


@dataclass(frozen=True)
class Comparison:
    """A network beside a fit on the same rows.

    Attributes:
        network: its score.
        fit: that of the fit.
        gain: by how much the fit is better.
        error: the standard error of that.
        better: whether the fit is also better by what else a network may be trained for.
        ranks: of two classes.
    """

    network: Score
    fit: Score
    gain: float
    error: float
    better: bool
    ranks: Ranks | None

    @property
    def clear(self) -> bool:
        """Whether the network loses by more than may happen to a healthy one."""
        numbers = SOMETHING if self.fit.value > SOMETHING else BLIND
        least = numbers if self.network.name == "R2" else CLASSES
        return self.better and self.gain > max(least, SURE * self.error)

    @property
    def found_nothing(self) -> bool:
        """Whether the network explains nothing, and the fit does.

        Where one class is rare, a constant has nearly all the accuracy there is, so ranks count, too.
        """
        if self.ranks is not None and self.ranks.found_nothing:
            return True
        below = self.network.value - self.network.constant < NO_BETTER * self.network.error
        nothing = self.network.value < NOTHING if self.network.name == "R2" else below
        return self.clear and nothing and self.fit_explains

    @property
    def fit_explains(self) -> bool:
        """Whether the fit itself explains something of the targets."""
        least = SOMETHING if self.fit.name == "R2" else max(CLASSES, SURE * self.fit.error)
        return self.fit.value - self.fit.constant > least

    @property
    def network_explains(self) -> bool:
        """Whether the network explains something of the targets, or ranks the rows of two classes."""
        least = SOMETHING if self.network.name == "R2" else SURE * self.network.error
        ranked = self.ranks is not None and self.ranks.network - 0.5 > max(
            SOMETHING, SURE * self.ranks.chance
        )
        return ranked or self.network.value - self.network.constant > least

    @property
    def other_scale(self) -> bool:
        """Whether output and targets lie so far apart that one of them must be of another scale."""
        return self.network.name == "R2" and self.network.value < OTHER_SCALE

    def evidence(self) -> dict[str, Any]:
        """Its numbers."""
        name = self.network.name
        seen: dict[str, Any] = {
            f"network_{name}": self.network.value, f"fit_{name}": self.fit.value,
            f"constant_{name}": self.network.constant, "standard_error": self.error, "rows": self.network.rows,
        }  # fmt: skip
        if self.ranks is not None:
            seen |= {"network_AUC": self.ranks.network, "fit_AUC": self.ranks.fit}
        return seen


def compare(context: Context, task: Task, fit: Array) -> Comparison:
    """A network's output beside fitted columns of answers."""
    output = context.measured.outputs()[0]
    if task.kind == "numbers":
        # An output that cannot be negative would win by that alone.
        fit = np.clip(fit, *value_range(output_activation(context, context.outputs[0])[0].layer.ends_with))
    network, simple = task.predicted(output), as_predicted(fit, task)
    if task.kind == "numbers" and has_own_loss(context):
        network = _on_a_line(network, task, 0, np.inf) + task.mean(task.targets) - task.mean(network)
    elif task.kind == "numbers" and _is_held_back(context):
        network = _on_a_line(network, task, 1, 2)
    gain, spread = task.gain(simple, network)
    return Comparison(
        task.score(network), task.score(simple), gain, spread, _better(context, task, simple, network),
        _ranks(task, fit, output),
    )  # fmt: skip


def _is_held_back(context: Context) -> bool:
    """Whether Dropout, noise or a penalty keeps the output closer to its mean than training alone would."""
    return any(
        site.layer.is_random
        or any(getattr(site.layer, f"{what}_regularizer", None) for what in ("kernel", "activity"))
        for site in context.sites
    )


def _on_a_line(values: Array, task: Task, least: float, most: float) -> Array:
    """Values as far from their own mean as brings them nearest to the targets, by a factor within limits."""
    mean, middle = task.mean(values), task.mean(task.targets)
    square = task.mean((values - mean) ** 2)
    slope = task.mean((values - mean) * (task.targets - middle)) / np.where(square > 0, square, 1)
    return np.asarray(mean + np.clip(slope, least, most) * (values - mean))


def _ranks(task: Task, fit: Array, output: Array) -> Ranks | None:
    if task.kind != "two classes":
        return None
    values, positive = task.by_row(output), task.targets == 1
    own, chance = ranking(values[:, -1] - (values[:, 0] if task.units == 2 else 0), positive, task.weights)
    return Ranks(own, ranking(fit[:, 0], positive, task.weights)[0], chance)


def _better(context: Context, task: Task, fit: Array, network: Array) -> bool:
    """Whether a fit is also better by what else a network may have been trained for.

    Classes: by the mean over classes, which is what class weights make better at the cost of accuracy. Numbers: by the
    mean distance and by the compiled loss, since R2 sees a few far targets above all.
    """
    if task.kind != "numbers":
        return task.balanced(fit) > task.balanced(network)
    if task.distance(fit) > task.distance(network):
        return False
    own, other = _own_loss(context, task, network), _own_loss(context, task, fit)
    return own is None or other is None or not own < other


def _own_loss(context: Context, task: Task, predicted: Array) -> float | None:
    """The compiled loss of numbers; None if it is unknown."""
    from foldnet.training import losses

    setting = context.losses[0]
    if setting is None:
        return None
    if task.targets.min() >= 0:  # for losses with a logarithm, whose value below 0 says nothing
        predicted = np.maximum(predicted, 0.05 * task.mean(task.targets).mean())
    rows = np.asarray(losses.FUNCTIONS[setting.name](task.targets, predicted, **setting.settings))
    return float(task.mean(rows).mean())


def simple_comparison(context: Context, *, curves: bool = False) -> Comparison | None:
    """The network beside the simple fit of its inputs; None where there is nothing to compare.

    Args:
        context: with data and targets.
        curves: whether a network that can only be a line is held against curves, too.
    """
    task = comparable(context)
    if task is None or task.samples_of_equal_weight < FEWEST or copies_inputs(context, task):
        return None
    columns = input_columns(context, task)
    if not columns.shape[1]:
        return None
    fit = fitted(with_bends(columns) if curves or not _is_linear(context) else columns, task)
    return None if fit is None else compare(context, task, fit)


def comparable(context: Context) -> Task | None:
    """The task, if there is something to learn and the output is finite: NaN is another check's."""
    task = context.task
    if task is None or task.constant or not context.trained or context.measurement is None:
        return None
    return task if np.isfinite(context.measured.outputs()[0]).all() else None


def copies_inputs(context: Context, task: Task) -> bool:
    """Whether the targets are the inputs, or these with less noise: an autoencoder, whose narrow middle no fit has."""
    if task.kind == "two classes" or task.kind == "classes":
        return False
    for start in context.sites:
        if start.operands:
            continue
        value = context.measured.value(start.path)
        if value.size != len(value) * task.steps * task.targets.shape[1]:
            continue
        x, y = task.by_row(value).astype(np.float64), task.targets.astype(np.float64)
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        if (x * y).sum() ** 2 > 0.25 * (x * x).sum() * (y * y).sum():
            return True
    return False


def _is_linear(context: Context) -> bool:
    """Whether a network is a line but for its last activation, so that bends are more than it was meant to find."""
    last = output_activation(context, context.outputs[0])[0].path
    for site in context.sites:
        layer = site.layer
        still = layer.moves_values or layer.identity_in_prediction or layer.scales_values or not site.operands
        straight = still or (isinstance(layer, Dense) and layer.ends_with in (None, ("linear", {})))
        if not straight and site.path != last:
            return False
    return isinstance(context.site[last].layer, Dense)


def learned(context: Context) -> bool | None:
    """Whether the network has learned at least what a simple fit finds; None if that cannot be told.

    For other checks: a network that does its task may have dead units or a strange setting all the same. One with a
    loss of the user's own may do its task without being near the targets.
    """
    found = context.comparison
    if found is None:
        return None
    return True if not (found.clear or found.found_nothing) else None if has_own_loss(context) else False
