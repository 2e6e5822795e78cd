"""Checks of the data against the network: scaling, and predictions that depend on other rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, error, warning
from foldnet.insight.doctor.registry import CANDIDATE, DATA, Check
from foldnet.insight.rows import read_rows
from foldnet.insight.sites import Site
from foldnet.layers.base import Layer
from foldnet.layers.core import Dense, Embedding
from foldnet.layers.normalization import BatchNormalization

LARGE, SMALL = 20.0, 0.02
ROWS_FOR_SIZES = 5
"""Rows from which the size of values is known well enough: by a factor of LARGE two rows would do, but one column of a
few rows may be 0 in all of them."""
ROWS_FOR_STATISTICS = 30
"""Rows from which a mean and a deviation may be compared with those of the training."""


def input_scale(context: Context) -> Iterator[Finding]:
    """Inputs scaled twice, or not at all."""
    for path, reader, normalized in first_readers(context):
        value = context.measured.value(path)
        raw = isinstance(reader.layer, Dense) and not normalized
        few = len(value) < (ROWS_FOR_SIZES if raw else ROWS_FOR_STATISTICS)
        if few or value.dtype.kind != "f" or isinstance(reader.layer, Embedding):
            continue
        if raw:
            yield from _raw(reader.path, value)
        elif reader.layer.normalizes_by == "batch":
            yield from _against_statistics(reader, context)
        elif normalized:
            mean, deviation = _columns(value)
            yield from _misfit(reader.path, mean, deviation, "its Normalization")


def first_readers(context: Context) -> Iterator[tuple[str, Site, bool]]:
    """For each input the first call that learns from it, what that reads, and whether a Normalization made it."""
    for start in context.sites:
        if start.operands:
            continue
        normalized, site = False, start
        while len(readers := context.readers(site.path)) == 1 and _prepares(readers[0].layer):
            site = readers[0]
            normalized = normalized or site.layer.normalizes_by == "data"
        for reader in context.readers(site.path)[:1]:
            yield site.path, reader, normalized


def _prepares(layer: Layer) -> bool:
    """Whether a layer scales or moves the data before the first one that learns."""
    scales = layer.scales_values and layer.normalizes_by != "batch"
    return scales or layer.identity_in_prediction or layer.moves_values


def _columns(value: Array) -> tuple[Array, Array]:
    axes = tuple(range(value.ndim - 1))
    return value.mean(axis=axes), value.std(axis=axes)


def _against_statistics(site: Site, context: Context) -> Iterator[Finding]:
    layer = cast(BatchNormalization, site.layer)
    weights = layer.named_weights
    if not (weights["moving_variance"] + layer.epsilon > 0).all() or not context.trained:
        return
    if (weights["moving_mean"] == 0).all() and (weights["moving_variance"] == 1).all():
        return  # never updated; another check reports this
    drift = context.measured.drift(site.path)
    stored = np.sqrt(weights["moving_variance"].astype(np.float64).reshape(drift.mean.shape) + layer.epsilon)
    off = (drift.mean - weights["moving_mean"].reshape(drift.mean.shape)) / stored
    yield from _misfit(
        site.path, off.reshape(-1), (np.sqrt(drift.variance) / stored).reshape(-1), "its statistics"
    )


def _misfit(path: str, mean: Array, deviation: Array, what: str) -> Iterator[Finding]:
    """Values that should have mean 0 and deviation 1 but do not."""
    live = deviation > 0
    if not live.any():
        return
    off, wide = float(np.median(np.abs(mean[live]))), float(np.median(deviation[live]))
    if off < 10 and 1 / LARGE < wide < LARGE:
        return
    twice = wide <= 1 / LARGE
    said = "scaled a second time" if twice else "not scaled as the training data were"
    yield error(
        path,
        f"The data look {said}: after {what} they should have mean 0 and deviation 1, but have {off:.3g} and "
        f"{wide:.3g}.",
        "Give the data as the network was trained on, prepared once; keep the preparation inside the network "
        "(Normalization).",
        typical_mean=off, typical_deviation=wide, columns=int(live.sum()),
    )  # fmt: skip


def _raw(path: str, value: Array) -> Iterator[Finding]:
    """Unscaled values that go into the first Dense layer."""
    size = np.sqrt((value**2).mean(axis=tuple(range(value.ndim - 1))))
    live = size[size > 0]
    if not live.size:
        if size.size:
            yield error(
                path,
                "Every input is 0 in all rows, as when pixels are divided with // instead of /: there is nothing to "
                "learn from.",
                "Look at the data just before they go into the network.", largest_column=0.0, columns=int(size.size),
            )  # fmt: skip
        return
    largest, smallest = float(live.max()), float(live.min())
    if largest > LARGE:
        yield warning(
            path,
            f"The inputs are not scaled: a column has values of about {largest:.3g}, and the smallest column of "
            f"{smallest:.3g}, so the large columns dominate the first layer.",
            "Put a Normalization layer first, adapted to the training data, and train again.",
            largest_column=largest, smallest_column=smallest, columns=int(size.size),
        )  # fmt: skip
    elif largest < SMALL:
        yield warning(
            path,
            f"The inputs are tiny (no column above {largest:.3g}), as when they are divided twice: the "
            f"first layer gives little more than its bias.",
            "Scale the data once, as for training.", largest_column=largest, columns=int(size.size),
        )  # fmt: skip


def other_rows(context: Context) -> Iterator[Finding]:
    """A prediction function whose result for a row depends on the other rows."""
    from foldnet.lowering.lower import lower

    function: Callable[[Any], Any] = context.candidate
    rows = [a[:16] for a in read_rows(lower(context.network), context.x)]
    if len(rows[0]) < 2:
        raise InputError("at least two rows are needed to see whether one depends on the other")

    def answer(part: slice) -> Array:
        parts = [a[part] for a in rows]
        return np.asarray(function(parts[0] if len(parts) == 1 else parts), np.float64)

    together = answer(slice(None))
    alone = np.concatenate([answer(slice(i, i + 1)) for i in range(len(rows[0]))])
    if together.shape != alone.shape:
        raise InputError(
            f"the prediction function gives {together.shape} for {len(rows[0])} rows, and {alone.shape} row by row"
        )
    again = answer(slice(None))
    with np.errstate(invalid="ignore"):
        largest = float(np.nanmax(np.abs(together - alone), initial=0))
        noise = float(np.nanmax(np.abs(together - again), initial=0))
    scale = float(np.nanmax(np.abs(together), initial=0)) or 1.0
    if largest > 1e-4 * scale:
        cause = "it is random (Dropout on)" if noise > 1e-4 * scale else "it normalizes by the batch"
        yield error(
            "",
            f"The given function gives another answer for a row alone than for the same row among "
            f"{len(rows[0])}: "
            f"{cause}, so it "
            "runs in training mode.",
            "model(x, training=False) or model.predict(x); in PyTorch model.eval().",
            largest_difference=largest, largest_answer=scale, difference_when_repeated=noise,
        )  # fmt: skip


CHECKS = (
    Check(
        "input-scale", DATA, "inputs scaled twice or not at all", input_scale, measures=True, excuse="learned"
    ),
    Check("depends-on-other-rows", CANDIDATE, "predictions that depend on the batch", other_rows),
)
