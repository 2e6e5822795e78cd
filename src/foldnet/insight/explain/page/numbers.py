"""A normalization's calculation, step by step, for some rows and channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, assert_never

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.explain.explanation import Steps
from foldnet.insight.explain.normalization import number
from foldnet.insight.explain.sharing import axes_of
from foldnet.layers.base import Layer
from foldnet.layers.traits import NormalizationRule

ROWS, CHANNELS = 24, 48
"""The largest number of rows and of channels on a page; the requested row and channel are always included."""


StepKind = Literal["less", "plus", "times", "over", "root"]


@dataclass(frozen=True)
class Step:
    """One operation on the value.

    Attributes:
        kind: ``less``, ``plus``, ``times`` or ``over`` (divided by) a number, or ``root``: divided by the root of a
            number and epsilon.
        name: of the number.
        values: rows × channels.
        epsilon: added inside the root.
    """

    kind: StepKind
    name: str
    values: Array
    epsilon: float = 0.0


@dataclass(frozen=True)
class Trail:
    """The steps of a layer's calculation in one mode, for several rows and channels.

    Attributes:
        title: with ``{row}`` where the row's number belongs.
        first: the origin of the statistics, one text per channel; with ``{row}`` likewise.
        statistics: their names and values, rows × channels.
        steps: in order.
    """

    title: str
    first: tuple[str, ...]
    statistics: tuple[tuple[str, Array], ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Numbers:
    """The values of a layer's input, and their steps through it.

    Attributes:
        rows: numbers of the rows.
        channels: numbers of the channels, in memory order of the channel axes.
        labels: of the channels.
        x: rows × channels.
        trails: in training, then at prediction time; one where both are the same.
        row: index in ``rows`` of the one to show first.
        channel: likewise.
        note: what is left out, if anything.
    """

    rows: tuple[int, ...]
    channels: tuple[int, ...]
    labels: tuple[str, ...]
    x: Array
    trails: tuple[Trail, ...]
    row: int
    channel: int
    note: str

    def steps(self, trail: Trail, row: int, channel: int) -> Steps:
        """A trail as text, for indices in ``rows`` and ``channels``. The page's script writes the same."""
        value = float(self.x[row, channel])
        known = ", ".join(f"{name} {number(float(v[row, channel]))}" for name, v in trail.statistics)
        at = str(self.rows[row])
        lines = [(trail.first[channel].replace("{row}", at), known)]
        start = f"x = {number(value)}, "
        for step in trail.steps:
            v = float(step.values[row, channel])
            with np.errstate(all="ignore"):
                value, words = _RULES[step.kind](np.float64(value), v, step)
            lines.append((start + words, number(value)))
            start = ""
        return Steps(trail.title.replace("{row}", at), tuple(lines))

    def data(self) -> dict[str, Any]:
        """Plain data for the page's script."""
        trails = [
            {
                "title": t.title,
                "first": t.first,
                "statistics": [[name, _plain(v)] for name, v in t.statistics],
                "steps": [[s.kind, s.name, _plain(s.values), s.epsilon, f"{s.epsilon:g}"] for s in t.steps],
            }
            for t in self.trails
        ]
        return {"rows": self.rows, "x": _plain(self.x), "trails": trails}


def _less(value: float, v: float, step: Step) -> tuple[float, str]:
    return value - v, f"less the {step.name} {number(v)}"


def _root(value: float, v: float, step: Step) -> tuple[float, str]:
    return value / np.sqrt(np.float64(v + step.epsilon)), f"÷ sqrt({number(v)} + {step.epsilon:g})"


def _over(value: float, v: float, step: Step) -> tuple[float, str]:
    return value / np.float64(v), f"÷ the {step.name} {number(v)}"


def _times(value: float, v: float, step: Step) -> tuple[float, str]:
    return value * v, f"× {step.name} {number(v)}"


def _plus(value: float, v: float, step: Step) -> tuple[float, str]:
    return value + v, f"+ {step.name} {number(v)}"


_RULES: dict[StepKind, Callable[[Any, float, Step], tuple[float, str]]] = {
    "less": _less, "root": _root, "over": _over, "times": _times, "plus": _plus,
}  # fmt: skip


def numbers_of(
    layer: Layer, x: Array, row: int = 0, channel: int = 0, mask: Array | None = None
) -> Numbers | None:
    """The numbers of a built normalization for rows of its input; None where there are no values.

    Args:
        layer: of a kind that ``is_normalization`` knows.
        x: rows of its input.
        row: to show first.
        channel: likewise; the last one if the layer has fewer.
        mask: of the input, if a batch's statistics leave out what it says.
    """
    if not x.size:
        return None
    x = x.astype(np.float64)
    axes = axes_of(layer, x.ndim)
    sizes = [x.shape[a] for a in axes]
    count = int(np.prod(sizes))
    row, channel = row % len(x), min(channel, count - 1)
    rows, channels = _some(len(x), ROWS, row), _some(count, CHANNELS, channel)
    places = [tuple(int(i) for i in np.unravel_index(c, sizes)) if sizes else () for c in channels]
    spots = [tuple(dict(zip(axes, p, strict=True)).get(a, 0) for a in range(1, x.ndim)) for p in places]

    def pick(array: Array) -> Array:
        spread = np.broadcast_to(array, x.shape)
        return np.array([[spread[(r, *spot)] for spot in spots] for r in rows], np.float64)

    labels = tuple(str(p) if len(p) > 1 else str(c) for c, p in zip(channels, places, strict=True))
    note = ""
    if len(rows) < len(x) or len(channels) < count:
        note = f"This page holds {len(rows)} of {len(x):,} rows and {len(channels):,} of {count:,} channels."
    with np.errstate(all="ignore"):
        trails = _trails(layer, x, axes, spots, labels, pick, mask)
    return Numbers(rows, channels, labels, pick(x), trails, rows.index(row), channels.index(channel), note)


Pick = Callable[[Array], Array]


def _trails(
    layer: Layer,
    x: Array,
    axes: tuple[int, ...],
    spots: Sequence[tuple[int, ...]],
    labels: Sequence[str],
    pick: Pick,
    mask: Array | None,
) -> tuple[Trail, ...]:
    found = layer.normalization_rule(x.shape)
    assert found is not None, "only for normalizations"
    match found.source:
        case "batch":
            return _of_batch(layer, x, axes, spots, labels, pick, mask)
        case "data":
            return (_of_data(layer, x, labels, pick, found.epsilon),)
        case "row":
            return (_of_row(layer, found, x, labels, pick, _end(_spread_weights(layer, x, axes), pick)),)
        case _:
            assert_never(found.source)


def _spread_weights(layer: Layer, x: Array, axes: tuple[int, ...]) -> dict[str, Array]:
    """The weights in float64, with axes of size 1 for those of x that they do not have."""
    spread = tuple(n if a in axes else 1 for a, n in enumerate(x.shape))
    return {k: v.astype(np.float64).reshape(spread) for k, v in layer.named_weights.items() if v.ndim}


def _end(weights: Mapping[str, Array], pick: Pick) -> list[Step]:
    ends: list[tuple[StepKind, str]] = [("times", "gamma"), ("plus", "beta")]
    return [Step(k, n, pick(weights[n])) for k, n in ends if n in weights]


def _of_batch(
    layer: Layer,
    x: Array,
    axes: tuple[int, ...],
    spots: Sequence[tuple[int, ...]],
    labels: Sequence[str],
    pick: Pick,
    mask: Array | None,
) -> tuple[Trail, ...]:
    """By the statistics of a batch in training, and by the moving ones at prediction time."""
    weights = _spread_weights(layer, x, axes)
    end = _end(weights, pick)
    over = tuple(a for a in range(x.ndim) if a not in axes)
    counts = np.broadcast_to(True if mask is None else mask[..., np.newaxis] != 0, x.shape)
    same = [tuple(slice(None) if a in over else (0, *spot)[a] for a in range(x.ndim)) for spot in spots]
    seen = [_seen(x[place][counts[place]]) for place in same]
    count = np.maximum(counts.sum(over, keepdims=True), 1)
    mean = np.where(counts, x, 0).sum(over, keepdims=True) / count
    variance = np.square(np.where(counts, x - mean, 0)).sum(over, keepdims=True) / count
    first = tuple(f"channel {c}: {s}" for c, s in zip(labels, seen, strict=True))
    training = _standard(
        f"In training, if these {len(x):,} rows were the batch; the value of row {{row}}:",
        first, pick(mean), pick(variance), layer.epsilon, end,
    )  # fmt: skip
    prediction = _standard(
        "At prediction time, the same value of row {row}:" if layer.trainable else _BOTH,
        tuple(f"channel {c}: moving statistics" for c in labels),
        pick(weights["moving_mean"]), pick(weights["moving_variance"]), layer.epsilon, end,
    )  # fmt: skip
    return (training, prediction) if layer.trainable else (prediction,)


def _of_row(
    layer: Layer, found: NormalizationRule, x: Array, labels: Sequence[str], pick: Pick, end: Sequence[Step]
) -> Trail:
    """A row by its own statistics."""
    axes, first = found.axes, tuple(f"row {{row}}, channel {c}" for c in labels)
    if found.groups is not None:
        mean, variance = (pick(m) for m in _group_moments(x, axes[0], found.groups))
        return _standard(_BOTH, first, mean, variance, found.epsilon, end)
    square = np.square(x).sum(axis=axes, keepdims=True)
    match found.measure:
        case "deviation":
            mean, variance = (pick(f(axis=axes, keepdims=True)) for f in (x.mean, x.var))
            return _standard(_BOTH, first, mean, variance, found.epsilon, end)
        case "spread":
            variance = pick(x.var(axis=axes, keepdims=True))
            steps = (Step("root", "variance", variance, found.epsilon), *end)
            return Trail(_BOTH, first, (("variance", variance),), steps)
        case "length":
            length = pick(np.maximum(np.sqrt(square), found.epsilon))
            return Trail(_BOTH, first, (("length", length),), (Step("over", "length", length),))
        case "mean square":
            mean = pick(square / np.prod([x.shape[a] for a in axes]))
            scale = layer.named_weights["scale"].astype(np.float64)
            last = Step("times", "scale", pick(scale.reshape((1,) * (x.ndim - scale.ndim) + scale.shape)))
            steps = (Step("root", "mean square", mean, found.epsilon), last)
            return Trail(_BOTH, first, (("mean square", mean),), steps)


_BOTH = "In training and at prediction time, the value of row {row}:"


def _standard(
    title: str, first: tuple[str, ...], mean: Array, variance: Array, epsilon: float, end: Sequence[Step]
) -> Trail:
    steps = (Step("less", "mean", mean), Step("root", "variance", variance, epsilon), *end)
    return Trail(title, first, (("mean", mean), ("variance", variance)), steps)


def _of_data(layer: Layer, x: Array, labels: Sequence[str], pick: Pick, epsilon: float) -> Trail:
    mean, variance = layer.statistics(x.shape)
    deviation = pick(np.maximum(np.sqrt(variance), epsilon))
    steps = (Step("less", "mean", pick(mean)), Step("over", "standard deviation", deviation))
    if layer.invert:
        steps = (Step("times", "standard deviation", deviation), Step("plus", "mean", pick(mean)))
    first = tuple(f"channel {c}: statistics of the training data" for c in labels)
    return Trail(_BOTH, first, (("mean", pick(mean)), ("standard deviation", deviation)), steps)


def _group_moments(x: Array, axis: int, groups: int) -> tuple[Array, Array]:
    size = x.shape[axis]
    laid = x.reshape(*x.shape[:axis], groups, size // groups, *x.shape[axis + 1 :])
    over = tuple(a for a in range(1, laid.ndim) if a != axis)
    return (
        np.broadcast_to(laid.mean(over, keepdims=True), laid.shape).reshape(x.shape),
        np.broadcast_to(laid.var(over, keepdims=True), laid.shape).reshape(x.shape),
    )


def _seen(shared: Array) -> str:
    flat = shared.reshape(-1)
    return ", ".join(number(float(v)) for v in flat[:5]) + (", …" if flat.size > 5 else "")


def _some(count: int, most: int, wanted: int) -> tuple[int, ...]:
    first = list(range(min(count, most)))
    return tuple(first if wanted in first else [*first[:-1], wanted])


def _plain(array: Array) -> list[Any]:
    """Rows of numbers, only one if all are the same; NaN and infinities become text."""
    rows = [[v if isfinite(v) else str(v) for v in map(float, row)] for row in array]
    return rows[:1] if all(row == rows[0] for row in rows) else rows
