"""Explain a BatchNormalization: axes, statistics, weights, updates, and the calculation for one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.data_formats import channel_axis
from foldnet.insight.explain.explanation import Block, Code, Steps, Table, Words
from foldnet.layers.normalization import BatchNormalization
from foldnet.layers.tensors import Shape
from foldnet.literals import DataFormat

ROLES = {
    "gamma": "scales the normalized value; training finds it",
    "beta": "is added at the end; training finds it",
    "moving_mean": "the mean seen in training; prediction subtracts it",
    "moving_variance": "the variance seen in training; prediction divides by its root",
}


MASKED = (
    "Its input has a mask: in training, positions that are masked do not count in mean and variance. They are "
    "normalized like all others."
)


def normalization_blocks(
    layer: BatchNormalization,
    shape: Shape,
    x: Array | None,
    row: int,
    channel: int,
    said: DataFormat | None = None,
    masked: bool = False,
    mask: Array | None = None,
) -> list[Block]:
    """Everything about one call.

    Args:
        layer: built.
        shape: of its input, batch axis first.
        x: rows of its input; with them, the calculation for one row is shown.
        row: which.
        channel: which of its channels, counted in memory order.
        said: where the layers around it have their channels, if they say so.
        masked: whether a mask comes with its input.
        mask: that mask, for these rows.
    """
    blocks = [*axis_blocks(layer, shape, said, masked), *weight_blocks(layer)]
    if x is not None and x.size:
        value = _value(layer, x, layer.kept_axes(len(shape)), row, channel)
        blocks += [*([_training_steps(value, x, mask)] if layer.trainable else []), _prediction_steps(value)]
    return blocks


def axis_blocks(
    layer: BatchNormalization, shape: Shape, said: DataFormat | None = None, masked: bool = False
) -> list[Block]:
    """Which axes keep statistics and which are averaged over, and the same in NumPy; of a built layer.

    ``said`` is where the layers around it have their channels, if they say so; ``masked``: its input has a mask.
    """
    kept = layer.kept_axes(len(shape))
    reduced = tuple(a for a in range(len(shape)) if a not in kept)
    return [
        *_axes(layer, shape, kept, reduced, said),
        *([Words(MASKED)] if masked else []),
        _numpy(layer, shape, kept, reduced, masked),
        *_reading(shape, kept, reduced, said),
    ]


def weight_blocks(layer: BatchNormalization) -> list[Block]:
    """The four vectors, the updates of the moving statistics, and the effect of epsilon."""
    return [*_weights(layer), *_update(layer), *_epsilon(layer)]


def axis_words(shape: Shape, axes: Sequence[int]) -> str:
    """Axes in words: ``axis 0 (the rows of the batch) and axis 1 (size 8)``."""
    names = [
        f"axis {a} ({'the rows of the batch' if a == 0 else 'any size' if shape[a] is None else f'size {shape[a]}'})"
        for a in axes
    ]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _axes(
    layer: BatchNormalization,
    shape: Shape,
    kept: tuple[int, ...],
    reduced: tuple[int, ...],
    said: DataFormat | None,
) -> list[Block]:
    channels = prod(layer.specs[0].shape)
    spread = _spread(shape, kept)
    right = None if said is None or len(shape) == 2 else channel_axis(said, len(shape))
    if len(kept) > 1:
        each, same = (
            "a place of the axes that are kept",
            "only the values at the same place of these axes use",
        )
    elif right in (None, kept[0]):
        each, same = "a channel", "every value of a channel uses"
    else:
        each, same = f"a position on axis {kept[0]}", "every value at a position uses"
    many = f"{channels:,} means and {channels:,} variances, one of each {each}"
    return [
        Words(
            f"axis={layer.axis!r} names the axes that KEEP separate statistics: {axis_words(shape, kept)}. Mean and "
            f"variance are taken over all the rest: {axis_words(shape, reduced)}. That is the complement of "
            "NumPy's axis, which names what is averaged over."
        ),
        Words(
            f"So there are {many}. They have shape {layer.specs[0].shape} and are spread over x as "
            f"{_tuple_text(spread)}: {same} the same mean and variance."
        ),
    ]


def _numpy(
    layer: BatchNormalization, shape: Shape, kept: tuple[int, ...], reduced: tuple[int, ...], masked: bool
) -> Code:
    axes = _tuple_text(reduced)
    names = {w.name for w in layer.specs}
    keep = "" if kept == (len(kept) + len(reduced) - 1,) else ", keepdims=True"
    where = ", where=mask[..., None]" if masked else ""
    # Vectors of an axis that is not the last must be reshaped to broadcast.
    laid = f".reshape{_tuple_text(_spread(shape, kept))}" if len(kept) == 1 and keep else ""
    end = f" * gamma{laid}" * ("gamma" in names) + f" + beta{laid}" * ("beta" in names)
    return Code(
        "The same numbers in NumPy, as training computes them:",
        (
            f"mean = x.mean(axis={axes}{keep}{where})",
            f"variance = x.var(axis={axes}{keep}{where})",
            f"y = (x - mean) / np.sqrt(variance + {layer.epsilon:g}){end}",
        ),
    )


def _reading(
    shape: Shape, kept: tuple[int, ...], reduced: tuple[int, ...], said: DataFormat | None
) -> list[Block]:
    rank = len(shape)
    if rank == 2:
        return [Words(
            "On a table this is StandardScaler's arithmetic: one mean and one variance a column, taken down the "
            "rows (its mean_ and var_, NumPy's axis=0). It does not normalize each row by itself; that would be "
            "LayerNormalization."
        )]  # fmt: skip
    if reduced == (0,):
        return [Words(
            "Only the batch is averaged over: every position of a row has its own mean and variance, as "
            "StandardScaler would give on the rows laid out flat."
        )]  # fmt: skip
    if said is not None and len(kept) == 1:
        right = channel_axis(said, rank)
        channels = f"the layers around it have their channels on axis {right} ({said})"
        if kept == (right,):
            return [Words(
                f"This is the convolutional recipe: {channels}, and a channel's statistics are taken over the batch "
                "and over every position."
            )]  # fmt: skip
        return [Words(
            f"This is not the convolutional recipe: {channels}, and axis {kept[0]} holds positions, so all channels "
            f"at a position share one mean and one variance. axis={right if right == 1 else -1} keeps those of the "
            "channels."
        )]  # fmt: skip
    if kept == (rank - 1,):
        return [Words(
            "With channels last this is the convolutional recipe: a channel's statistics are taken over the batch "
            "and over every position. If the data has its channels first, use axis=1 instead."
        )]  # fmt: skip
    if kept == (1,):
        return [Words(
            "With channels first this is the convolutional recipe: a channel's statistics are taken over the batch "
            "and over every position. If the data has its channels last, use axis=-1 instead."
        )]  # fmt: skip
    return []


def _weights(layer: BatchNormalization) -> list[Block]:
    rows = []
    for spec in layer.specs:
        trained = (
            "trained" if spec.trainable and layer.trainable else "frozen" if spec.trainable else "not trained"
        )
        role = ROLES.get(spec.name, "kept for batch renormalization; prediction does not use it")
        rows.append((spec.name, str(spec.shape), trained, role))
    channels, count = prod(layer.specs[0].shape), layer.count_params()
    trained_count = sum(prod(s.shape) for s in layer.specs if s.trainable and layer.trainable)
    absent = [n for n, there in (("gamma", layer.scale), ("beta", layer.center)) if not there]
    product = f"{len(layer.specs)} × {channels:,} = {count:,}"
    text = f"{channels:,} numbers in each: {product} parameters, {trained_count:,} trained."
    if absent:
        switches = " and ".join({"gamma": "scale=False", "beta": "center=False"}[n] for n in absent)
        text += f" {switches}: there is no {' and no '.join(absent)}."
    if not layer.trainable:
        text += " trainable=False: training changes none of them, the moving statistics included."
    return [Table(("weight", "shape", "", "what it is"), tuple(rows)), Words(text)]


def _update(layer: BatchNormalization) -> list[Block]:
    if not layer.trainable:
        return [Words(
            "The layer is frozen: it uses its moving statistics in training, too, and does not update them."
        )]  # fmt: skip
    m = layer.momentum
    left = ", ".join(f"{m**n:.0%} after {n}" for n in (10, 100, 500))
    return [
        Code(
            "After each training batch, not by the gradient:",
            (
                f"moving_mean = moving_mean * {m:g} + batch_mean * {1 - m:.6g}",
                f"moving_variance = moving_variance * {m:g} + batch_variance * {1 - m:.6g}",
            ),
        ),
        Words(
            f"They start at 0 and 1, and a share of that start remains: {left} batches. At prediction time they do not "
            "move, so a row gives the same result alone or among a million."
        ),
    ]


def _epsilon(layer: BatchNormalization) -> list[Block]:
    variance = layer.named_weights["moving_variance"].astype(np.float64)
    if not variance.size:
        return []
    least = float(variance.min())
    total = least + layer.epsilon
    if total <= 0:
        return [Words(
            f"The smallest moving variance is {number(least)}, and with epsilon = {layer.epsilon:g} that is not "
            "positive: it has no root, so this layer cannot predict. Train it again, or re-estimate its statistics."
        )]  # fmt: skip
    return [Words(
        f"epsilon = {layer.epsilon:g} is added to the variance inside the root, and is not part of moving_variance. "
        f"The smallest moving variance is {number(least)}, so epsilon is "
        f"{100 * layer.epsilon / total:.3g} % of the sum under the root."
    )]  # fmt: skip


# -- one value, step by step ----------------------------------------------------------------------------------


def _spread(shape: Shape, kept: tuple[int, ...]) -> tuple[int, ...]:
    return tuple((n or 1) if a in kept else 1 for a, n in enumerate(shape))


@dataclass(frozen=True)
class _Value:
    """One value of the input: where it is, and the layer's weights for its channel."""

    layer: BatchNormalization
    kept: tuple[int, ...]
    index: tuple[int, ...]
    channel: tuple[int, ...]
    weights: Mapping[str, float]
    x: float

    def steps(self, mean: float, variance: float) -> list[tuple[str, str]]:
        """The value normalized by these statistics, step by step."""
        value = self.x - mean
        steps = [(f"x = {number(self.x)}, less the mean {number(mean)}", number(value))]
        value /= float(np.sqrt(variance + self.layer.epsilon))
        steps.append((f"÷ sqrt({number(variance)} + {self.layer.epsilon:g})", number(value)))
        if "gamma" in self.weights:
            value *= self.weights["gamma"]
            steps.append((f"× gamma {number(self.weights['gamma'])}", number(value)))
        if "beta" in self.weights:
            value += self.weights["beta"]
            steps.append((f"+ beta {number(self.weights['beta'])}", number(value)))
        return steps

    @property
    def place(self) -> str:
        """The channel as text."""
        return f"channel {self.channel[0] if len(self.channel) == 1 else self.channel}"


def _value(layer: BatchNormalization, x: Array, kept: tuple[int, ...], row: int, channel: int) -> _Value:
    chosen = np.unravel_index(channel, [x.shape[a] for a in kept])
    place = dict(zip(kept, (int(i) for i in chosen), strict=True))
    index = (row, *(place.get(a, 0) for a in range(1, x.ndim)))
    spread = _spread(x.shape, kept)
    at = tuple(place.get(a, 0) for a in range(x.ndim))
    weights = {name: float(w.reshape(spread)[at]) for name, w in layer.named_weights.items()}
    return _Value(layer, kept, index, tuple(place.values()), weights, float(x[index]))


def _training_steps(value: _Value, x: Array, mask: Array | None) -> Steps:
    same = tuple(i if a in value.kept else slice(None) for a, i in enumerate(value.index))
    shared = x[same].astype(np.float64)
    if mask is not None:
        shared = shared[np.broadcast_to(mask[..., np.newaxis] != 0, x.shape)[same]]
    mean, variance = (float(shared.mean()), float(shared.var())) if shared.size else (0.0, 0.0)
    seen = ", ".join(number(float(v)) for v in shared.reshape(-1)[:5]) + (", …" if shared.size > 5 else "")
    first = (f"{value.place}: {seen}", f"mean {number(mean)}, variance {number(variance)}")
    title = f"In training, if these {len(x):,} rows were the batch; the value of row {value.index[0]}:"
    return Steps(title, (first, *value.steps(mean, variance)))


def _prediction_steps(value: _Value) -> Steps:
    mean, variance = value.weights["moving_mean"], value.weights["moving_variance"]
    first = (f"{value.place}: moving statistics", f"mean {number(mean)}, variance {number(variance)}")
    return Steps(
        f"At prediction time, the same value of row {value.index[0]}:", (first, *value.steps(mean, variance))
    )


def number(value: float) -> str:
    """A number for reading: four digits, a true minus sign.

    >>> number(-2.0), number(2 / 3)
    ('−2', '0.6667')
    """
    return f"{value:.4g}".replace("-", "−")


def _tuple_text(axes: Sequence[int]) -> str:
    return str(tuple(axes))
