"""Checks of a normalization's axis against the layers around it, and against the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.doctor.checks.channel_shapes import contradicting
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, error, warning
from foldnet.insight.doctor.registry import FILE, Check
from foldnet.insight.sites import Site
from foldnet.layers.normalization import BatchNormalization


def data_format(context: Context) -> Iterator[Finding]:
    """axis=-1 among layers with channels_first, or axis=1 among layers with channels_last."""
    wrong = {found.site.path for found in contradicting(context)}  # the matter of channels-and-shape
    for site, layer, kept in _single(context):
        for neighbour in _neighbours(context, site):
            if neighbour.path in wrong:
                continue
            said = getattr(neighbour.layer, "data_format", None)
            # Flatten stores channels_last by default, so it is no evidence.
            if said is None or (said == "channels_last" and neighbour.layer.moves_values):
                continue
            first, last = 1 + site.along, len(site.shape) - 1
            right = first if said == "channels_first" else last
            if kept != right and kept in (first, last):
                yield error(
                    site.path,
                    f"axis={layer.axis!r} keeps statistics along axis {kept}, but {neighbour.path!r} has its "
                    "channels on "
                    f"axis {right} ({said}): the layer normalizes positions instead of channels.",
                    f"BatchNormalization(axis={1 if right == first else -1}), and train again.",
                    axis=kept, channels_axis=right, statistics=site.shape[kept] or 0,
                    channels=site.shape[right] or 0,
                )  # fmt: skip
                break


def not_channels(context: Context) -> Iterator[Finding]:
    """Statistics for each row of a batch, or for each position while the features are on another axis."""
    for site in context.normalizations:
        layer = cast(BatchNormalization, site.layer)
        if 0 in site.kept_axes:
            yield error(
                site.path,
                f"axis={layer.axis!r} keeps statistics for each row of the batch, so a row's result depends on "
                "its place "
                "in the batch, and no other batch size can be used.",
                "axis names the axis that keeps separate statistics, the opposite of NumPy's axis: use axis=-1.",
                rows=int(site.shape[0] or 0), features=int(site.shape[-1] or 0),
            )  # fmt: skip
    for site, layer, kept in _single(context):
        rank = len(site.shape)
        if kept in (0, rank - 1):
            continue
        before = context.site.get(site.operands[0]) if site.operands else None
        while (
            before is not None and (before.layer.identity_in_prediction or _bends(before)) and before.operands
        ):
            before = context.site.get(before.operands[0])
        seen: dict[str, Any] = {
            "axis": kept, "statistics": site.shape[kept] or 0, "features": site.shape[-1] or 0,
        }  # fmt: skip
        measured = context.measurement
        apart = None if measured is None else _apart(measured.value(site.operands[0]), kept)
        if apart is not None:
            seen |= {"means_apart_along_axis": apart[0], "means_apart_along_last_axis": apart[1]}
        by_layer = before is not None and before.layer.features_last
        by_data = apart is not None and apart[1] > 1 and apart[1] > 10 * apart[0]
        if by_layer or by_data:
            why = f"{before.path!r} puts its features on" if by_layer and before else "the data differ along"
            yield warning(
                site.path,
                f"axis={layer.axis!r} keeps statistics for each of {site.shape[kept]} positions, but {why} the "
                "last axis, "
                "so that different features share one mean.",
                "BatchNormalization(axis=-1), and train again.", **seen,
            )  # fmt: skip


def _single(context: Context) -> Iterator[tuple[Site, BatchNormalization, int]]:
    """Normalizations of rank 3 and more that keep one axis."""
    for site in context.normalizations:
        layer = cast(BatchNormalization, site.layer)
        kept = site.kept_axes
        if len(site.shape) - site.along >= 3 and len(kept) == 1:
            yield site, layer, kept[0]


def _bends(site: Site) -> bool:
    return site.layer.ends_with is not None and not site.layer.specs


def _neighbours(context: Context, site: Site) -> Iterator[Site]:
    """The nearest layers before and after that are not elementwise."""
    before = context.site.get(site.operands[0]) if site.operands else None
    while before is not None and (before.layer.identity_in_prediction or _bends(before)) and before.operands:
        before = context.site.get(before.operands[0])
    if before is not None:
        yield before
    waiting = context.readers(site.path)
    for _ in context.sites:
        onward = [
            r for p in waiting if p.layer.identity_in_prediction or _bends(p) for r in context.readers(p.path)
        ]
        yield from (p for p in waiting if not (p.layer.identity_in_prediction or _bends(p)))
        waiting = onward


def _apart(x: Array, kept: int) -> tuple[float, float]:
    """The distance of the means along the kept axis and along the last axis, in deviations within both."""
    others = tuple(a for a in range(x.ndim) if a not in (kept, x.ndim - 1))
    means = x.mean(axis=others)
    within = float(np.sqrt(x.var(axis=others).mean()))
    if within == 0:
        return 0.0, 0.0
    return float(means.mean(axis=1).std() / within), float(means.mean(axis=0).std() / within)


CHECKS = (
    Check("axis-and-data-format", FILE, "axis against channels_first or channels_last", data_format),
    Check("axis-not-channels", FILE, "statistics for rows or positions", not_channels, excuse="all"),
)
