"""Checks of the channels of convolutional networks: both data formats in one network, statistics of pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, cast

from foldnet.insight.data_formats import after, before, channel_axis, format_of
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, error, note, warning
from foldnet.insight.doctor.registry import FILE, Check
from foldnet.insight.sites import Site
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
    """Statistics or gains for each pixel, row or step, where the layers beside have the same kernel everywhere."""
    for site in context.sites:
        near = next(_same_everywhere(context, site), None) if site.layer.normalizes_by is not None else None
        if near is None or len(site.shape) - site.along < 3:
            continue
        said = format_of(near) or "channels_last"
        channels = site.along + channel_axis(said, len(site.shape) - site.along)
        if site.layer.normalizes_by == "batch":
            yield from _of_batches(context, site, near, channels)
        elif site.layer.normalizes_by == "row":
            yield from _of_rows(site, near, channels)


def _same_everywhere(context: Context, site: Site) -> Iterator[Site]:
    """The nearest layers that use the same kernel at all positions: convolutions, pooling, recurrent layers."""
    yield from before(site, context.site, _goes_through_steps)
    yield from after(site, context.readers, _goes_through_steps)


def _goes_through_steps(site: Site) -> bool:
    return any(layer.is_recurrent for layer in site.layer.with_inner_layers)


def _of_batches(context: Context, site: Site, near: Site, channels: int) -> Iterator[Finding]:
    """A BatchNormalization with more statistics than channels."""
    layer, rank = cast(BatchNormalization, site.layer), len(site.shape)
    kept, first_axis = site.kept_axes, 1 + site.along
    # One axis at either end is the matter of axis-and-data-format and of axis-not-channels.
    if 0 in kept or (len(kept) == 1 and kept[0] in (first_axis, rank - 1)):
        return
    count, share = prod(site.shape[a] or 1 for a in kept), site.shape[channels] or 0
    others = [n for a, n in enumerate(site.shape) if a and a not in kept]
    first = site.operands[0] in {s.path for s in context.sites if s.layer.is_input}
    seen: dict[str, Any] = {
        "statistics": count, "channels": share, "channels_axis": channels, "axes_kept": len(kept),
        "weights": layer.count_params(), "weights_for_channels": layer.count_params() // count * share,
    }  # fmt: skip
    values = None if None in others else prod(int(n or 0) for n in others)
    if values is not None:
        seen |= {"values_a_row": values, "values_a_row_for_a_channel": values * count // max(share, 1)}
        if context.measurement is not None:
            seen["values_a_statistic"] = values * context.measurement.rows
    say = note if first else warning
    yield say(
        site.path,
        f"axis={layer.axis!r} keeps {count:,} statistics, one for each {_place(site, kept)}"
        f"{_counted(values)}, but {near.path!r} uses the same kernel at all positions and has its "
        f"{share} channels on axis {channels}."
        + (" It scales the network's input, where that may be meant." if first else ""),
        f"BatchNormalization(axis={1 if channels == first_axis else -1}), and train again.", **seen,
    )  # fmt: skip


def _place(site: Site, kept: Sequence[int]) -> str:
    if len(kept) == 1:
        return "position on one axis"
    return "pixel" if len(site.shape) - site.along > 3 else "step"


def _counted(values: int | None) -> str:
    if values is None:
        return ""
    return ", from one value of a row each" if values == 1 else f", from {values:,} values of a row each"


def _of_rows(site: Site, near: Site, channels: int) -> Iterator[Finding]:
    """A normalization of rows with a gain for each position: its statistics are fine, its weights are many."""
    count, share = site.layer.count_params(), site.shape[channels] or 0
    kinds = len(site.layer.specs)
    if kinds and count > kinds * share:
        yield note(
            site.path,
            f"It has {count:,} weights, {kinds} for each position, but {near.path!r} uses the same kernel at all "
            f"positions and has its {share} channels on axis {channels}: what it learns at one place it does not know "
            "at another.",
            "LayerNormalization() over the channels, or GroupNormalization(groups=1), which has the same statistics "
            "and weights for channels alone; then train again.",
            weights=count, weights_for_channels=kinds * share, channels=share, channels_axis=channels,
        )  # fmt: skip


CHECKS = (
    Check("mixed-data-formats", FILE, "channels_first and channels_last together", mixed_formats),
    Check(
        "statistics-of-positions",
        FILE,
        "statistics of pixels instead of channels",
        statistics_of_positions,
        excuse="all",
    ),
)
