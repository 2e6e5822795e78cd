"""The figures of a report: lines and axes as data, for HTML and for plots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.watch.run_files import Run, RunLayer

CHANNELS = 8
"""The largest number of channels drawn per layer; more lines cannot be distinguished."""
RECORDS = 400
"""The largest number of records per line."""


@dataclass(frozen=True)
class Line:
    """One line; ``faint`` is for the background line of a pair with the same ``colour``."""

    name: str
    values: Array
    colour: int
    faint: bool = False


@dataclass(frozen=True)
class Figure:
    """Lines over the steps of a run.

    Attributes:
        title: in a few words.
        about: a one-sentence description.
        logarithmic: the scale of the values.
    """

    title: str
    about: str
    steps: Array
    lines: tuple[Line, ...]
    logarithmic: bool = False


def thinned(run: Run) -> Array:
    """Indices of the records to draw: evenly spread, with the first, the last, and those with logs."""
    count = len(run.steps)
    logged = np.zeros(count, bool)
    for values in run.logs.values():
        logged |= ~np.isnan(values)
    chosen = _even(np.arange(count), RECORDS)
    ends = [place for layer in run.layers if (place := _last_known(layer)) is not None]
    return np.union1d(np.union1d(chosen, ends), _even(np.flatnonzero(logged), RECORDS // 2)).astype(np.int64)


def _even(places: Array, most: int) -> Array:
    if len(places) <= most:
        return places
    return places[np.unique(np.linspace(0, len(places) - 1, most).round().astype(np.int64))]


def log_figures(run: Run, places: Array) -> list[Figure]:
    """Loss curves first, then one figure for each other metric, with and without ``val_``."""
    figures = []
    names = [n for n in run.logs if not n.startswith("val_") and n != "learning_rate"]
    names += [n.removeprefix("val_") for n in run.logs if n.startswith("val_")]
    for name in sorted(dict.fromkeys(names), key=lambda n: (n != "loss", n)):
        lines = [
            Line(label, run.logs[key][places], colour)
            for colour, (key, label) in enumerate([(name, "training"), (f"val_{name}", "validation")])
            if key in run.logs
        ]
        positive = all((line.values[np.isfinite(line.values)] > 0).all() for line in lines)
        figures.append(
            Figure(
                name,
                "On the training data and, where given, the validation data.",
                run.steps[places],
                tuple(lines),
                positive and name.endswith("loss"),
            )
        )
    return figures


def layer_figures(run: Run, layer: RunLayer, places: Array) -> list[Figure]:
    """Means, variances, and the distance of the moving statistics from the batches'."""
    steps = run.steps[places]
    drawn = _even(np.arange(len(layer.recorded)), CHANNELS)
    shift, ratio = distances(layer)
    means, variances = (
        tuple(
            Line(f"channel {layer.recorded[c]}{' of the batches' * faint}", values[places, c], i, faint)
            for i, c in enumerate(drawn)
            for values, faint in ((batch, True), (moving, False))
        )
        for moving, batch in (
            (layer.moving_mean, layer.batch_mean), (layer.moving_variance, layer.batch_variance)
        )
    )  # fmt: skip
    positive = bool((layer.moving_variance > 0).all())
    return [
        Figure("Mean", "Moving mean (strong) and mean of the batches (faint), by channel.", steps, means),
        Figure(
            "Variance", "Moving variance (strong) and variance of the batches (faint), by channel.", steps,
            variances, positive,
        ),
        Figure(
            "Distance", "How far the moving mean is from the batches' mean, in standard deviations.", steps,
            (
                Line("largest channel", _largest(shift)[places], 1),
                Line("median channel", _median(shift)[places], 0),
            ),
        ),
        Figure(
            "Ratio", "Moving variance over the batches' variance; 1 is where they agree.", steps,
            (
                Line("largest channel", _largest(ratio)[places], 1),
                Line("median channel", _median(ratio)[places], 0),
            ),
            True,
        ),
    ]  # fmt: skip


def distances(layer: RunLayer) -> tuple[Array, Array]:
    """Distance of the means in standard deviations, and ratio of the variances, of shape (records, channels)."""
    spread = layer.batch_variance + layer.epsilon
    return (
        np.abs(layer.moving_mean - layer.batch_mean) / np.sqrt(spread),
        (layer.moving_variance + layer.epsilon) / spread,
    )


def _largest(values: Array) -> Array:
    known = np.isfinite(values)
    return np.where(known.any(axis=1), np.where(known, values, -np.inf).max(axis=1), np.nan)


def _median(values: Array) -> Array:
    # Rows without any known value are left out, because their median would cause a warning.
    result = np.full(len(values), np.nan)
    known = np.isfinite(values).any(axis=1)
    result[known] = np.nanmedian(values[known], axis=1)
    return result


def left_over(run: Run, layer: RunLayer) -> float:
    """The share of the moving statistics that still comes from the start of the run."""
    return float(layer.momentum ** (layer.calls * (run.steps[-1] - run.first_step)))


@dataclass(frozen=True)
class Latest:
    """The last numbers of a layer's charts.

    Attributes:
        step: at which they were recorded.
        median: distance of the means, of the middle channel.
        largest: likewise of the channel with the largest distance.
        ratio: of the variances, of the middle channel.
    """

    step: int
    median: float
    largest: float
    ratio: float


def latest(run: Run, layer: RunLayer) -> Latest | None:
    """The last values in a layer's charts; None if no batch was recorded."""
    place = _last_known(layer)
    if place is None:
        return None
    shift, ratio = (values[place : place + 1] for values in distances(layer))
    return Latest(
        int(run.steps[place]), float(_median(shift)[0]), float(_largest(shift)[0]), float(_median(ratio)[0])
    )


def _last_known(layer: RunLayer) -> int | None:
    known = np.flatnonzero(np.isfinite(distances(layer)[0]).any(axis=1))
    return int(known[-1]) if len(known) else None


def in_words(run: Run, layer: RunLayer) -> list[str]:
    """A layer's numbers in sentences."""
    left = left_over(run, layer)
    steps = int(run.steps[-1] - run.first_step)
    words = [
        f"After {steps:,} steps at momentum {layer.momentum:g}, {share(left)} of each moving statistic is still "
        "what it was at the start."
    ]
    if left > 0.01:
        moves = layer.calls * np.log(layer.momentum) if 0 < layer.momentum < 1 else 0.0
        needed = int(np.ceil(np.log(0.01) / moves)) if moves else 0
        words.append(
            f"They are not settled: 1 % is reached after {needed:,} steps. Train longer, lower the momentum, or run "
            "foldnet recalibrate."
            if needed
            else "They never settle at this momentum."
        )
    now = latest(run, layer)
    if now is not None:
        words.append(
            f"At step {now.step:,}, the last recorded, the moving mean of the middle channel is {now.median:.3g} "
            f"standard deviations from the batch's (the farthest channel's {now.largest:.3g}), and the moving variance "
            f"{now.ratio:.3g} times its."
        )
    return words


def share(number: float) -> str:
    """A share in per cent, to three digits."""
    return "less than 0.01 %" if number < 1e-4 else f"{100 * number:.3g} %"
