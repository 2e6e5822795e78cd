"""Checks of a normalization's axis against the layers around it, and against the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from foldnet.insight.doctor.finding import Finding, error, warning
from foldnet.insight.doctor.patient import Patient, Place, activation_of, pass_through
from foldnet.insight.doctor.registry import FILE, Check
from foldnet.layers.base import Array
from foldnet.layers.core import Dense, Embedding
from foldnet.layers.normalization import BatchNormalization
from foldnet.layers.reshaping import Flatten

ACROSS_FEATURES: tuple[Any, ...] = (Dense, Embedding)
"""Layers whose result has its features on the last axis."""


def data_format(patient: Patient) -> Iterator[Finding]:
    """axis=-1 among layers with channels_first, or axis=1 among layers with channels_last."""
    for place, layer, kept in _single(patient):
        for neighbour in _neighbours(patient, place):
            said = getattr(neighbour.layer, "data_format", None)
            # Flatten stores channels_last whether anybody chose it or not.
            if said is None or (said == "channels_last" and isinstance(neighbour.layer, Flatten)):
                continue
            right = 1 if said == "channels_first" else len(place.shape) - 1
            if kept != right and kept in (1, len(place.shape) - 1):
                yield error(
                    place.path,
                    f"axis={layer.axis!r} keeps statistics along axis {kept}, but {neighbour.path!r} has its "
                    "channels on "
                    f"axis {right} ({said}): the layer normalizes positions and not channels.",
                    f"BatchNormalization(axis={right if right == 1 else -1}), and train again.",
                    axis=kept, channels_axis=right, statistics=place.shape[kept] or 0,
                    channels=place.shape[right] or 0,
                )  # fmt: skip
                break


def not_channels(patient: Patient) -> Iterator[Finding]:
    """Statistics for each row of a batch, or for each position where the features lie elsewhere."""
    for place in patient.normalizations:
        layer = cast(BatchNormalization, place.layer)
        if 0 in layer.kept_axes(len(place.shape)):
            yield error(
                place.path,
                f"axis={layer.axis!r} keeps statistics for each row of the batch, so a row's result depends on "
                "its place "
                "in the batch, and no other batch size can be used.",
                "axis names what keeps statistics of its own, the opposite of NumPy's axis: use axis=-1.",
                rows=int(place.shape[0] or 0), features=int(place.shape[-1] or 0),
            )  # fmt: skip
    for place, layer, kept in _single(patient):
        rank = len(place.shape)
        if kept in (0, rank - 1):
            continue
        before = patient.place.get(place.inputs[0]) if place.inputs else None
        while before is not None and (pass_through(before) or _bends(before)) and before.inputs:
            before = patient.place.get(before.inputs[0])
        seen: dict[str, Any] = {
            "axis": kept, "statistics": place.shape[kept] or 0, "features": place.shape[-1] or 0,
        }  # fmt: skip
        measured = patient.measurement
        apart = None if measured is None else _apart(measured.value(place.inputs[0]), kept)
        if apart is not None:
            seen |= {"means_apart_along_axis": apart[0], "means_apart_along_last_axis": apart[1]}
        by_layer = before is not None and isinstance(before.layer, ACROSS_FEATURES)
        by_data = apart is not None and apart[1] > 1 and apart[1] > 10 * apart[0]
        if by_layer or by_data:
            why = f"{before.path!r} puts its features on" if by_layer and before else "the data differ along"
            yield warning(
                place.path,
                f"axis={layer.axis!r} keeps statistics for each of {place.shape[kept]} positions, but {why} the "
                "last axis, "
                "whose features are so mixed into one mean.",
                "BatchNormalization(axis=-1), and train again.", **seen,
            )  # fmt: skip


def _single(patient: Patient) -> Iterator[tuple[Place, BatchNormalization, int]]:
    """Normalizations of rank 3 and more that keep one axis."""
    for place in patient.normalizations:
        layer = cast(BatchNormalization, place.layer)
        kept = layer.kept_axes(len(place.shape))
        if len(place.shape) >= 3 and len(kept) == 1:
            yield place, layer, kept[0]


def _bends(place: Place) -> bool:
    return activation_of(place.layer) is not None and not place.layer.specs


def _neighbours(patient: Patient, place: Place) -> Iterator[Place]:
    """The nearest layers before and after that are not elementwise."""
    before = patient.place.get(place.inputs[0]) if place.inputs else None
    while before is not None and (pass_through(before) or _bends(before)) and before.inputs:
        before = patient.place.get(before.inputs[0])
    if before is not None:
        yield before
    waiting = patient.readers(place.path)
    for _ in patient.places:
        onward = [r for p in waiting if pass_through(p) or _bends(p) for r in patient.readers(p.path)]
        yield from (p for p in waiting if not (pass_through(p) or _bends(p)))
        waiting = onward


def _apart(x: Array, kept: int) -> tuple[float, float]:
    """How far the means lie apart along the kept axis and along the last, in deviations within both."""
    others = tuple(a for a in range(x.ndim) if a not in (kept, x.ndim - 1))
    means = x.mean(axis=others)
    within = float(np.sqrt(x.var(axis=others).mean()))
    if within == 0:
        return 0.0, 0.0
    return float(means.mean(axis=1).std() / within), float(means.mean(axis=0).std() / within)


CHECKS = (
    Check("axis-and-data-format", FILE, "axis against channels_first or channels_last", data_format),
    Check("axis-not-channels", FILE, "statistics for rows or positions", not_channels),
)
