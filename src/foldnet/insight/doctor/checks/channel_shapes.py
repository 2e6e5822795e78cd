"""A check of the first windows against the shape of what they read: which axis looks like the one of the channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.insight.data_formats import format_of, read_by
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, Severity, graded
from foldnet.insight.doctor.registry import FILE, Check
from foldnet.insight.sites import Site
from foldnet.literals import DataFormat

FEW = (1, 3, 4)
"""How many channels pictures and spectrograms have: grey, colours, colours and transparency."""
SPACE = 8
"""The fewest positions of an axis that is taken for one of space: sensors and short windows have fewer."""
LONGEST = 4
"""How many times longer an axis of a picture may be than another: pictures are rarely longer, arrays of sensors are."""
SMOOTH, ROUGH = 0.7, 0.3
"""The correlation of neighbours from which an axis is one of space or time, and below which it is none: pixels are
nearly equal to their neighbours, while the data of an axis of features speak against the shape."""
LONGER = 16
"""How many times longer than the short axis an axis of smooth values must be to be one of space or time."""
MOST_ROWS = 64
"""Rows that the correlation is measured on; each has many neighbours."""


@dataclass(frozen=True)
class Layout:
    """The axes of an input as a layer takes them, batch axis included.

    Attributes:
        channels: the axis that it takes for the channels.
        far: the axis at the other end, where the channels are in the other data format.
        space: the axes between.
    """

    channels: int
    far: int
    space: tuple[int, ...]


@dataclass(frozen=True)
class Contradiction:
    """A call whose data format does not fit its input.

    Attributes:
        site: the call.
        start: the input.
        layout: how it takes the input's axes.
        correlation: the correlation of neighbours along what it takes for channels; None without data.
        severity: how sure it is.
    """

    site: Site
    start: Site
    layout: Layout
    correlation: float | None
    severity: Severity


def contradicting(context: Context) -> Iterator[Contradiction]:
    """Of each input the first call with windows, if it takes an axis of space for the channels."""
    seen: set[str] = set()
    for site in context.sites:
        said, window = format_of(site), site.layer.window
        if said is None or window is None or max(window[0]) == 1:
            continue
        start = read_by(site, context.site)
        if start is None or start.path in seen:
            continue
        seen.add(start.path)
        layout = layout_of(said, site.along, len(start.shape))
        far, channels = start.shape[layout.far], start.shape[layout.channels]
        # A window of one position along the short axis is meant for another axis: that of time beside sensors.
        if far not in FEW or channels is None or window[0][0 if said == "channels_last" else -1] == 1:
            continue
        measured = context.measurement
        correlation = (
            None
            if measured is None
            else correlation_of_neighbours(measured.value(start.path), layout.channels)
        )
        severity = _severity(start, layout, correlation)
        if severity is not None:
            yield Contradiction(site, start, layout, correlation, severity)


def _severity(start: Site, layout: Layout, correlation: float | None) -> Severity | None:
    """How sure it is that the channels are on the far axis, whose size is that of channels; None if it is not."""
    far, channels = int(start.shape[layout.far] or 0), int(start.shape[layout.channels] or 0)
    space = [int(start.shape[a] or 0) for a in layout.space]
    smooth = correlation is not None and correlation >= SMOOTH and channels >= LONGER * far
    if min([channels, *space]) < SPACE:
        return None
    if not space:  # along one position a window meets nothing but padding
        return "warning" if smooth and far == 1 else "note" if smooth or far == 1 else None
    if max([channels, *space]) <= LONGEST * min([channels, *space]):
        return "note" if correlation is not None and correlation < ROUGH else "warning"
    return "note" if smooth else None


def layout_of(said: DataFormat, along: int, rank: int) -> Layout:
    """The axes as a data format names them, after those of steps around the layer."""
    first, last = 1 + along, rank - 1
    channels, far = (last, first) if said == "channels_last" else (first, last)
    return Layout(channels, far, tuple(range(first + 1, last)))


def against_shape(context: Context) -> Iterator[Finding]:
    """Windows that go along the channels, and take rows of pixels for channels."""
    for found in contradicting(context):
        site, start, layout = found.site, found.start, found.layout
        few, many = int(start.shape[layout.far] or 0), int(start.shape[layout.channels] or 0)
        seen: dict[str, Any] = {
            "channels_axis": layout.channels, "channels": many, "short_axis": layout.far, "positions": few,
        }  # fmt: skip
        if found.correlation is not None:
            seen["correlation_along_channels"] = found.correlation
        said = format_of(site)
        other = "channels_first" if said == "channels_last" else "channels_last"
        smooth = found.correlation is not None and found.correlation >= SMOOTH
        yield graded(
            found.severity, site.path,
            f"With {said} it takes axis {layout.channels} of {start.path!r} for {many} channels, and its windows go "
            f"along axis {layout.far} of {few}: by its shape {tuple(start.shape[1:])} the input has its channels "
            "there" + (", and neighbours on the other axis hardly differ, as pixels or steps do." if smooth else "."),
            f"data_format={other!r} in every layer, or np.moveaxis(x, {layout.far}, {layout.channels}) on the data and "
            "an Input of that shape; then train again.",
            **seen,
        )  # fmt: skip


def correlation_of_neighbours(x: Array, axis: int) -> float | None:
    """The correlation of neighbours along an axis, without the rows' means; None if nothing varies."""
    wide = x[np.linspace(0, len(x) - 1, min(len(x), MOST_ROWS)).round().astype(np.int64)].astype(np.float64)
    wide = np.moveaxis(wide - wide.mean(axis=tuple(range(1, wide.ndim)), keepdims=True), axis, -1)
    power = np.sqrt((wide[..., :-1] ** 2).sum() * (wide[..., 1:] ** 2).sum())
    return float((wide[..., :-1] * wide[..., 1:]).sum() / power) if power > 0 else None


CHECKS = (Check("channels-and-shape", FILE, "data_format against the input's shape", against_shape),)
