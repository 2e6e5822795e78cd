"""Checks of the channels of convolutional networks: both data formats in one network, statistics of pixels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from math import prod
from typing import cast

from foldnet.insight.data_formats import after, before, channel_axis, format_of
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, error, note, warning
from foldnet.insight.doctor.registry import FILE, Check
from foldnet.layers.normalization import BatchNormalization


def mixed_formats(context: Context) -> Iterator[Finding]:
    """A layer with channels_first that reads what one with channels_last gives, or the reverse."""
    for site in context.sites:
        own = format_of(site)
        other = next((s for s in before(site, context.site) if own and format_of(s) != own), None)
        if other is None or own is None:
            continue
        last = len(site.input_shapes[0]) - 1
        axes = {said: 1 + site.along if said == "channels_first" else last for said in _FORMATS}
        wrong = axes[own]
        right = axes[str(format_of(other))]
        yield error(
            site.path,
            f"It has data_format={own!r}, but {other.path!r}, whose values it reads, has {format_of(other)!r}: it "
            "takes positions for channels.",
            f"Give both the same data_format, {format_of(other)!r} for example, or put Permute between; then train "
            "again.",
            channels_axis=right, axis_taken_for_channels=wrong, channels=site.input_shapes[0][right] or 0,
            positions_taken_for_channels=site.input_shapes[0][wrong] or 0,
        )  # fmt: skip


_FORMATS = ("channels_first", "channels_last")


def statistics_of_positions(context: Context) -> Iterator[Finding]:
    """Statistics for each pixel, row or column of an image where a convolution has channels."""
    for site in context.normalizations:
        layer, rank = cast(BatchNormalization, site.layer), len(site.shape)
        kept, first_axis = site.kept_axes, 1 + site.along
        near = next(chain(before(site, context.site), after(site, context.readers)), None)
        if near is None or 0 in kept:
            continue
        channels = site.along + channel_axis(format_of(near) or "channels_last", rank - site.along)
        # One axis at either end is the matter of axis-and-data-format.
        if len(kept) == 1 and kept[0] in (first_axis, rank - 1):
            continue
        count = prod(site.shape[a] or 1 for a in kept)
        first = site.operands[0] in {s.path for s in context.sites if s.layer.is_input}
        say = note if first else warning
        yield say(
            site.path,
            f"axis={layer.axis!r} keeps {count:,} statistics, one for each "
            f"{'pixel' if len(kept) > 1 else 'position on one axis'}, but {near.path!r} uses the same kernel at all "
            f"positions and has its {site.shape[channels] or 0} channels on axis {channels}."
            + (" It scales the network's input, where that may be meant." if first else ""),
            f"BatchNormalization(axis={1 if channels == first_axis else -1}), and train again.",
            statistics=count, channels=site.shape[channels] or 0, channels_axis=channels, axes_kept=len(kept),
        )  # fmt: skip


CHECKS = (
    Check("mixed-data-formats", FILE, "channels_first and channels_last together", mixed_formats),
    Check(
        "statistics-of-positions", FILE, "statistics of pixels instead of channels", statistics_of_positions
    ),
)
