"""Why weights became NaN or infinite: what of the data and the settings can do that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FoldnetError
from foldnet.initializers import Constant, Ones, RandomNormal, RandomUniform, get
from foldnet.insight.doctor.checks.data import LARGE, first_readers
from foldnet.insight.doctor.checks.losses import CATEGORICAL, output_activation
from foldnet.insight.doctor.checks.rates import rate_of
from foldnet.insight.doctor.compile_settings import optimizer_of
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.ranges import value_range
from foldnet.insight.doctor.unit_weights import unit_columns
from foldnet.layers.core import Dense

LARGE_TARGETS = 100.0
"""Targets of this size make a first step of more than 1 with SGD's learning rate of 0.01 and a squared error."""
NEAR = 0.5
"""Batches of a few rows have moments that are larger than those of all rows by up to about this factor."""
GROWS = 1000.0
"""By so much values must grow at the start: glorot_uniform and he_normal keep their size within a factor of a few."""
DEEP = 10
"""So many layers with weights without any normalization: a factor of 2 in each is a factor of 1,000 in all."""
CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")
MOST_ROWS = 1024
"""Rows that the largest moment is computed from."""
TURNS = 50
"""Turns of the power iteration: it is within a percent unless the next moment is nearly as large, and then, too."""


@dataclass(frozen=True)
class Cause:
    """What probably made weights NaN: in words, how to mend it, and the numbers."""

    words: str
    remedy: str
    evidence: dict[str, Any]


def causes(context: Context) -> Iterator[Cause]:
    """What can have made weights NaN, the most certain first."""
    for find in FINDERS:
        cause = find(context)
        if cause is not None:
            yield cause


def _rows(context: Context) -> Cause | None:
    measured = context.measurement
    if measured is None or not measured.not_finite:
        return None
    return Cause(
        f"NaN or infinity in the data: {measured.not_finite} of their rows hold some, and one row is enough",
        "Drop these rows, or fill what is missing; a weight of 0 does not help, since 0 times NaN is NaN.",
        {"rows_left_out": measured.not_finite, "rows_used": measured.rows},
    )


def _targets(context: Context) -> Cause | None:
    targets = context.targets
    if targets is None or not targets.size or np.isfinite(targets).all():
        return None
    bad = int((~np.isfinite(targets.reshape(len(targets), -1))).any(axis=1).sum())
    return Cause(
        f"NaN or infinity in the targets: {bad} of them, and one is enough",
        "Drop these rows.",
        {"targets_not_finite": bad},
    )


def _logarithm(context: Context) -> Cause | None:
    """A loss that takes the logarithm of a value below 0, or divides by a sum that is 0."""
    for end, loss in zip(context.outputs, context.losses, strict=False):
        if loss is None or loss.from_logits:
            continue
        site, activation = output_activation(context, end)
        low, _ = value_range(site.layer.ends_with)
        if loss.name == "poisson" and low < 0:
            does = "takes the logarithm of the output"
        elif loss.name in CATEGORICAL and (low < 0 or activation.startswith("relu")):
            does = "divides the output by its sum, which may be 0,"
        else:
            continue
        return Cause(
            f"{loss.name} {does} and {activation} gives {'values below 0' if low < 0 else '0'}",
            "Use an activation that fits the loss: exponential or softplus for poisson, softmax for classes.",
            {"smallest_output_possible": float(low)},
        )
    return None


def _rate(context: Context) -> Cause | None:
    rate, limit = rate_of(context), largest_rate(context)
    if rate is None or limit is None or rate.value <= limit * NEAR:
        return None
    remedy, numbers = f"Lower the learning rate to {limit / 10:.1g}.", {}
    if (scale := _inputs(context)) is not None:
        remedy = scale.remedy
        scaled = largest_rate(context, normalized=True)
        if scaled is not None and rate.value > scaled * NEAR:
            remedy = (
                f"{remedy} Also lower the learning rate to {scaled / 10:.1g}: normalized inputs allow about "
            )
            remedy += f"{scaled:.2g} at most."
            numbers = {"largest_learning_rate_normalized": scaled}
    return Cause(
        f"the learning rate of {rate.value:g} is {'above' if rate.value > limit else 'too near to'} {limit:.2g}, about "
        "the largest with which SGD and a squared error can settle on inputs of this size",
        remedy,
        {"learning_rate": rate.value, "largest_learning_rate": limit, **numbers},
    )


def largest_rate(context: Context, *, normalized: bool = False) -> float | None:
    """The learning rate above which gradient descent on a mean squared error cannot settle, from the inputs alone.

    A mean over k outputs of squared errors of a linear layer has the second derivatives 2 / k · S, where S are the
    second moments of its input x, with a 1 for the bias: S = mean of x xᵀ. Descent diverges along the eigenvector of
    the largest eigenvalue λ above 2 / (2 λ / k) = k / λ (LeCun, Bottou, Orr, Müller 1998, "Efficient BackProp", section
    5: 2 / λmax of the second derivatives); with momentum m above (1 + m) times that (Polyak 1964, "Some methods of
    speeding up the convergence of iteration methods"). For one layer and all rows in one batch this is exact. Small
    batches have larger moments at times, and under other layers the second derivatives of the first one are also
    multiplied by what follows, so that it is about the size of the limit.

    Args:
        context: with data.
        normalized: for the same inputs with a mean of 0 and a variance of 1 in each column.

    Returns:
        The limit; None where it does not hold: another optimizer or loss, clipped gradients, no Dense at the input.
    """
    name, settings = optimizer_of(context)
    losses = {None if loss is None else loss.name for loss in context.losses}
    if name.lower() != "sgd" or losses != {"mean_squared_error"} or any(settings.get(c) for c in CLIPS):
        return None
    momentum = settings.get("momentum") or 0.0
    units = sum(int(end.shape[-1] or 1) for end in context.outputs)
    limits = [
        units / moment * (1 + momentum)
        for moment in (
            _largest_moment(_normalized(value) if normalized else value, layer.use_bias)
            for layer, value in _first_inputs(context)
        )
        if moment > 0
    ]
    return min(limits, default=None)


def _first_inputs(context: Context) -> Iterator[tuple[Dense, Array]]:
    """The Dense layers that read an input, and what they read, one row for each; only finite values."""
    if context.measurement is None:
        return
    for path, reader, _ in first_readers(context):
        if isinstance(reader.layer, Dense):
            value = context.measured.value(path).astype(np.float64)
            value = value.reshape(-1, value.shape[-1])
            if len(value) and np.isfinite(value).all():
                yield reader.layer, value


def _normalized(value: Array) -> Array:
    """Rows with a mean of 0 and a variance of 1 in each column; a constant column becomes 0."""
    deviation = value.std(axis=0)
    return np.asarray((value - value.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0))


def _largest_moment(value: Array, bias: bool) -> float:
    """The largest eigenvalue of the second moments of rows, with a column of 1 for the bias, by a power iteration.

    >>> _largest_moment(np.array([[3.0, 0.0], [-3.0, 1.0]]), bias=False) > 9
    True
    """
    rows = value[:: 1 + len(value) // MOST_ROWS]
    if bias:
        rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    vector = np.asarray(np.random.default_rng(0).normal(size=rows.shape[1]))
    moment = 0.0
    for _ in range(TURNS):
        length = float(np.linalg.norm(vector))
        if length == 0:
            break
        image = rows @ (vector / length)
        moment = float((image**2).mean())
        vector = np.asarray(rows.T @ image / len(rows))
    return moment


def _size(value: Array) -> float:
    """The largest root mean square of a column."""
    finite = np.where(np.isfinite(value), value, 0.0).reshape(-1, value.shape[-1])
    return float(np.sqrt((finite**2).mean(axis=0)).max(initial=0))


def _inputs(context: Context) -> Cause | None:
    largest = max((_size(value) for _, value in _first_inputs(context)), default=0.0)
    if largest <= LARGE:
        return None
    return Cause(
        f"the inputs are not scaled: a column has values of about {largest:.3g}",
        "Put a Normalization layer first, adapted to the training data.",
        {"largest_column": largest},
    )


def _target_size(context: Context) -> Cause | None:
    targets = context.counted_targets
    name = context.losses[0].name if context.losses and context.losses[0] else ""
    if targets is None or targets.ndim == 0 or not targets.size or name in CATEGORICAL:
        return None
    largest = _size(targets.reshape(len(targets), -1))
    if largest <= LARGE_TARGETS:
        return None
    return Cause(
        f"the targets are not scaled: they are about {largest:.3g}, and so are the first gradients",
        "Divide the targets by their deviation, or predict their logarithm.",
        {"largest_target": largest},
    )


def _depth(context: Context) -> Cause | None:
    layers = [s.layer for s in context.sites if s.layer.specs and s.layer.normalizes_by is None]
    if len(layers) < DEEP or any(s.layer.normalizes_by is not None for s in context.sites):
        return None
    return Cause(
        f"{len(layers)} layers follow each other without any normalization, so values and gradients may grow with "
        "each",
        "BatchNormalization or LayerNormalization between the layers.",
        {"layers_without_normalization": len(layers)},
    )


def _exponentials(context: Context) -> Cause | None:
    """Hidden exponentials: a value of 5 is 148 after one, and too large for float32 after two."""
    outputs = {output_activation(context, end)[0].path for end in context.outputs}
    ends = [s.layer.ends_with for s in context.sites if s.path not in outputs]
    count = sum(end is not None and end[0] == "exponential" for end in ends)
    if not count:
        return None
    return Cause(
        f"the exponential activation of {count} hidden layers, which makes large values larger than any number",
        "Use relu, tanh or elu in hidden layers.",
        {"hidden_exponentials": count},
    )


def _first_weights(context: Context) -> Cause | None:
    """Kernels that start so large that values grow from layer to layer."""
    growth = 1.0
    for layer in dict.fromkeys(site.layer for site in context.sites):
        columns = unit_columns(layer)
        size = None if columns is None else first_size(getattr(layer, "kernel_initializer", None))
        if columns is not None and size is not None:
            growth *= max(1.0, size * len(columns) ** 0.5)
    if growth < GROWS:
        return None
    return Cause(
        f"kernels that start large: the first weights make values about {growth:.2g} times larger on their way",
        "Let kernels start as glorot_uniform or he_normal do, which keep the size of values.",
        {"growth": growth},
    )


def first_size(initializer: object) -> float | None:
    """The root mean square of a kernel's first values, where a setting gives it; None if the layer's width does.

    >>> round(first_size({"class_name": "RandomUniform", "config": {"minval": -3.0, "maxval": 3.0}}) ** 2, 9)
    3.0
    """
    try:
        first = get(initializer)
    except FoldnetError:
        return None
    if isinstance(first, Ones):
        return 1.0
    if isinstance(first, Constant):
        return float(np.sqrt(np.mean(np.square(np.asarray(first.value, np.float64)))))
    if isinstance(first, RandomNormal):
        return float(np.hypot(first.mean, first.stddev))
    if isinstance(first, RandomUniform):
        low, high = float(first.minval), float(first.maxval)
        return float(np.sqrt((low * low + low * high + high * high) / 3))
    return None


FINDERS: tuple[Callable[[Context], Cause | None], ...] = (
    _rows, _targets, _logarithm, _exponentials, _first_weights, _rate, _inputs, _target_size, _depth,
)  # fmt: skip
