"""Whether the network learned its rows by heart: the loss on rows that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.doctor.checks.labels import SPARSE
from foldnet.insight.doctor.checks.losses import BINARY, CATEGORICAL
from foldnet.insight.doctor.context import Context, LossSetting
from foldnet.insight.doctor.finding import Finding, note, warning
from foldnet.insight.doctor.registry import VALIDATION, Check

RISE = 0.25
"""How far the validation loss must be above its own minimum: less is within what a restart changes."""
WORTH = 0.05
"""The least rise as a share of a constant prediction's loss: a loss that doubles near 0 does no harm."""
ERRORS = 3.0
"""The least rise in standard errors of the difference over the rows, or of the noise between epochs."""
FEWEST_EPOCHS = 5
FEWEST_ROWS = 20
SHARES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 1 / 3, 0.4, 0.5)
"""Usual values of ``validation_split``."""
SAME = 1e-3
"""How near a validation loss of the history is the network's own: rounding of float32 over an epoch."""
SHRUNK = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
"""How far predictions are moved toward the best constant one, where no history says what the loss once was."""
MOST_EPOCHS = 4000
"""So many evenly spread epochs are smoothed: a running median of all takes memory by the square of their number."""
MOST_VALUES = 2**18
"""So many predictions are moved: with more the answer is the same, and takes seconds."""
CENTRED = (
    *BINARY, *CATEGORICAL, "mean_squared_error", "mean_absolute_error", "mean_squared_logarithmic_error", "huber",
    "log_cosh", "poisson", "kl_divergence",
)  # fmt: skip
"""Losses for which the mean of the targets is a fair constant prediction."""
Weights = Literal["best", "last", "unknown"]
KNOWN: tuple[Weights, Weights] = ("best", "last")
REMEDY = (
    "EarlyStopping(restore_best_weights=True) on val_loss, fewer units, Dropout or a weight decay, or more rows. "
    "Train again."
)


# -- the history --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """The validation loss by epoch.

    Attributes:
        best: its minimum, noise between epochs smoothed out.
        last: its end, likewise.
        best_epoch: of the minimum, from 1.
        epochs: how many there are with a validation loss.
        raw: the values at the best epoch and at the last.
        rises: whether the end is above the minimum by more than noise while the training loss did not rise.
        compared: whether the history has a training loss for each of the epochs, so that this is known.
    """

    best: float
    last: float
    best_epoch: int
    epochs: int
    raw: tuple[float, float]
    rises: bool
    compared: bool


def curve_of(history: Mapping[str, list[float]] | None) -> Curve | None:
    """The validation loss of a history; None without one above 0 in at least five epochs."""
    if history is None or "val_loss" not in history:
        return None
    values = np.asarray(history["val_loss"])
    there = np.isfinite(values)
    values = values[there]
    if len(values) < FEWEST_EPOCHS or values.min() <= 0:
        return None
    spread = _spread(len(values))
    smooth = _smoothed(values[spread])
    place, best, last = int(smooth.argmin()), float(smooth.min()), float(smooth[-1])
    rises = last > (1 + RISE) * best and last - best > ERRORS * _noise(values)
    trained = np.asarray(history.get("loss", []))
    compared = len(trained) == len(there)
    if rises and compared:
        trained = _smoothed(trained[there][spread])
        rises = bool(trained[-1] <= trained[place])  # or training itself went wrong
    lowest = int(values.argmin())
    return Curve(
        best,
        last,
        int(np.flatnonzero(there)[lowest]) + 1,
        len(values),
        (float(values[lowest]), float(values[-1])),
        rises,
        compared,
    )


def _spread(count: int) -> Array:
    """The places of all epochs, or of MOST_EPOCHS evenly spread ones with the first and the last."""
    return np.linspace(0, count - 1, min(count, MOST_EPOCHS)).round().astype(np.int64)


def _noise(values: Array) -> float:
    """The deviation of the noise between epochs: from the steps but for the largest tenth, where the loss moves.

    For normal noise such steps are on average 0.93 deviations.
    """
    steps = np.sort(np.abs(np.diff(values)))
    return float(steps[: len(steps) - len(steps) // 10].mean()) / 0.93


def _smoothed(values: Array) -> Array:
    """The running median of a tenth of the epochs, at least 3; at the ends that of the first and last of them."""
    half = max(1, len(values) // 20)
    medians = np.median(np.lib.stride_tricks.sliding_window_view(values, 2 * half + 1), axis=1)
    return np.asarray(np.pad(medians, half, mode="edge"))


# -- the check ----------------------------------------------------------------------------------------------


def overfit(context: Context) -> Iterator[Finding]:
    """A validation loss that has risen above its own minimum, or that a more cautious prediction would lower."""
    curve = curve_of(context.history)
    held = _held_out(context)
    if curve is not None and not curve.rises:
        return
    if held is None:
        if curve is not None:
            yield from _by_history(context, curve)
    elif curve is not None:
        yield from _by_both(context, held, curve)
    else:
        yield from _by_rows(context, held)


def _held_out(context: Context) -> Context | None:
    """The validation rows in the place of the data, if there are enough of them, with targets that are numbers."""
    if context.validation_data is None:
        return None
    x, y, *weights = context.validation_data
    if any(given is not None and not np.any(given) for given in weights):
        return None  # all are 0: no row counts
    held = Context(context.network, x, y, sample_weight=weights[0] if weights else None)
    measured = held.measurement
    targets = held.targets
    if measured is None or measured.rows < FEWEST_ROWS or targets is None or not targets.ndim:
        return None
    return held if len(targets) > measured.picked[-1] and any(held.losses) else None


def _losses(context: Context) -> Array | None:
    """The loss of each row, times its weight among the rows, whose mean is 1."""
    measured = context.measurement
    return None if measured is None else measured.row_losses()


def _reported(context: Context, losses: Array, start: int = 0) -> float:
    """What ``fit`` reports as the loss of the rows from a place on.

    Keras divides by the number of rows, also of those of weight 0, and not by the sum of weights. Of the rows that
    ``validation_split`` keeps back it leaves out class weights.
    """
    measured, weights = context.measured, context.weights
    chosen = measured.picked >= start
    counted = measured.weights[chosen]
    if weights is None or (weights.by_class and start):
        return float((losses[chosen] / counted).mean())
    return float(losses[chosen].sum() / counted.sum() * weights.by_row[start:].mean())


def _penalty(context: Context) -> float:
    """What regularizers of weights add to the loss now."""
    layers = {id(site.layer): site.layer for site in context.sites}
    return float(sum(sum(layer.losses) for layer in layers.values()))


def _by_history(context: Context, curve: Curve) -> Iterator[Finding]:
    """What the history says, if the network still has the weights of its end."""
    weights = _which_weights(context, curve)
    if weights == "best":
        return
    make = warning if weights == "last" else note
    unless = " Unless the best weights were restored, the network has those of the end."
    doubt = "" if weights == "last" else unless
    trained = "while the training loss did not rise: the network learned its rows by heart"
    if not curve.compared:
        trained = (
            "and the history has no training loss for each of these epochs to compare it with: the network learned "
            "its rows by heart, or its training went wrong"
        )
    yield make(
        "",
        f"The validation loss ended {_above(curve.last, curve.best)} its minimum, {trained}.{doubt}",
        REMEDY if weights == "last" else f"Give validation_data to measure it. {REMEDY}",
        best_validation_loss=curve.best, last_validation_loss=curve.last, best_epoch=curve.best_epoch,
        epochs=curve.epochs,
    )  # fmt: skip


def _above(value: float, least: float) -> str:
    """
    >>> _above(1.5, 1.0), _above(1e308, 1e-3)
    ('50% above', 'more than 1,000 times above')
    """
    return f"{value / least - 1:.0%} above" if value / least <= 1000 else "more than 1,000 times above"


def _which_weights(context: Context, curve: Curve) -> Weights:
    """Whether the network has the weights of the end or of the best epoch, told by its loss on the rows.

    The last rows may be those that ``validation_split`` kept back; else the rows are those of the training, whose
    loss the history has.
    """
    losses = _losses(context)
    history = context.history or {}
    if losses is None or len(losses) < FEWEST_ROWS:
        return "unknown"
    penalty = _penalty(context)
    for start in _starts(context):
        tail = _reported(context, losses, start) + penalty
        for name, value in zip(KNOWN, curve.raw, strict=True):
            if abs(tail - value) < SAME * value:
                return name
    trained = np.asarray(history.get("loss", []))
    noisy = any(s.layer.identity_in_prediction and s.layer.specs == () and s.operands for s in context.sites)
    if not curve.compared or noisy:
        return "unknown"
    at_best, at_last = float(trained[curve.best_epoch - 1]), float(trained[-1])
    now = _reported(context, losses) + penalty
    if now < at_last + 0.25 * (at_best - at_last):
        return "last"
    return "best" if now > at_last + 0.75 * (at_best - at_last) else "unknown"


def _starts(context: Context) -> Iterator[int]:
    """Where the rows that a ``validation_split`` keeps back may begin."""
    count = context.row_count or 0
    for start in (int(np.floor(count * (1 - share))) for share in SHARES):
        if (context.measured.picked >= start).any():
            yield start


def _by_both(context: Context, held: Context, curve: Curve) -> Iterator[Finding]:
    """The loss on the validation rows now, against the lowest that the history has."""
    losses = _losses(held)
    if losses is None:
        return
    scale = _reported(held, held.measured.weights)
    now = _reported(held, losses) + _penalty(context)
    # Of other rows than those of the history no more is said than the history says.
    rise, risen = min(now, curve.last) - curve.best, curve.last - curve.best
    constant = _constant(held)
    least = 0.0 if constant is None else WORTH * scale * float(constant.mean())
    if not (
        rise > RISE * curve.best and rise > least and rise >= min(ERRORS * scale * _error(losses), risen)
    ):
        return
    yield warning(
        "",
        f"The loss on the validation rows is {_above(curve.best + rise, curve.best)} its minimum of epoch "
        f"{curve.best_epoch}: "
        "after that epoch the network learned its rows by heart.",
        REMEDY,
        validation_loss=now, best_validation_loss=curve.best, best_epoch=curve.best_epoch, epochs=curve.epochs,
        rows=len(losses),
    )  # fmt: skip


# -- validation rows without a history ----------------------------------------------------------------------


def _by_rows(context: Context, held: Context) -> Iterator[Finding]:
    """Predictions that are far too sure on new rows, and right on the trained ones.

    How low the loss once was is not known. A network that has learned noise has a much lower loss on new rows if its
    predictions are moved toward the constant one, as those of an earlier epoch are.
    """
    if context.measurement is None or context.targets is None or context.measured.rows < FEWEST_ROWS:
        return
    losses, trained, constant = _shrunk(held, 1.0), _shrunk(context, 1.0), _constant(held)
    if losses is None or trained is None or constant is None:
        return
    gap = float(losses.mean() - trained.mean())
    if not gap > ERRORS * float(np.hypot(_error(losses), _error(trained))):
        return
    better = min(
        (c for c in (_shrunk(held, share) for share in SHRUNK) if c is not None), key=np.mean, default=losses
    )
    saved = losses - better
    rise, lowest = float(saved.mean()), float(better.mean())
    if lowest <= 0 or not (rise > RISE * lowest and rise > WORTH * float(constant.mean())):
        return
    if not rise > ERRORS * _error(saved):
        return
    yield warning(
        "",
        f"The loss is {float(losses.mean()):.3g} on the validation rows and {float(trained.mean()):.3g} on the others, "
        f"and more cautious predictions would make it {lowest:.3g}: the network learned its rows by heart.",
        REMEDY,
        validation_loss=float(losses.mean()), training_loss=float(trained.mean()), cautious_validation_loss=lowest,
        constant_prediction_loss=float(constant.mean()), rows=len(losses),
    )  # fmt: skip


def _error(values: Array) -> float:
    return float(values.std(ddof=1)) / len(values) ** 0.5


def _constant(context: Context) -> Array | None:
    """The loss of each row if every prediction were the mean of the targets; None for losses without such a one."""
    return _shrunk(context, 0.0)


def _shrunk(context: Context, share: float) -> Array | None:
    """The loss of each row with predictions moved toward the mean of the targets.

    Args:
        context: with data.
        share: of the network's own prediction.

    Returns:
        One number for each row, or for evenly spread ones of them if there are more than MOST_VALUES predictions.
    """
    measured, setting = context.measured, context.losses[0]
    targets = context.targets
    if setting is None or setting.name not in CENTRED or targets is None or not targets.ndim:
        return None
    if len(targets) <= measured.picked[-1]:
        return None
    output = measured.outputs()[0]
    every = -(-output.size // MOST_VALUES)
    targets, output = targets[measured.picked][::every], output[::every]
    weights = measured.weights[::every]
    if setting.from_logits:
        output = _probabilities(setting, output)
        setting = LossSetting(setting.name, {**setting.settings, "from_logits": False})
    centre = _centre(setting, targets, output, weights)
    if centre is None or not np.isfinite(centre).all():
        return None
    return measured.weighted_losses(setting, targets, centre + share * (output - centre), every)


def _probabilities(setting: LossSetting, logits: Array) -> Array:
    if setting.name in BINARY:
        return np.asarray(1 / (1 + np.exp(-logits)))
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _centre(setting: LossSetting, targets: Array, output: Array, weights: Array) -> Array | None:
    """The mean of the targets in the output's last axis, as much as their rows count."""
    units = output.shape[-1]
    if setting.name in SPARSE:
        known = np.isfinite(targets) & (targets >= 0) & (targets < units)
        counted = np.broadcast_to(weights.reshape(-1, *(1,) * (targets.ndim - 1)), targets.shape)[known]
        counts = np.bincount(targets[known].astype(np.int64), counted, minlength=units)
        return np.asarray(counts / max(counts.sum(), 1))
    if targets.size != output.size or output.ndim < 2 or not output.size:
        return None
    columns = targets.reshape(-1, units)
    return np.asarray(np.average(columns, axis=0, weights=np.repeat(weights, len(columns) // len(weights))))


CHECKS = (Check("overfit", VALIDATION, "rows learned by heart", overfit),)
