"""Checks of the channels of convolutional networks: both data formats in one network, statistics of pixels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from math import prod
from typing import cast

from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, error, note, warning
from foldnet.insight.doctor.registry import FILE, Check
from foldnet.insight.sites import Site
from foldnet.layers.normalization import BatchNormalization


def format_of(site: Site) -> str | None:
    """Where a layer has its channels; None if its result does not depend on it."""
    said: str | None = getattr(site.layer, "data_format", None)
    # Flatten has a format that only says in which order it reads; by default it reads as the values lie.
    return None if site.layer.moves_values and len(site.shape) == 2 else said


def _keeps_axes(site: Site) -> bool:
    """Whether the axes of a layer's result are those of its inputs, so that its channels are where they were."""
    if site.layer.identity_in_prediction:
        return True
    same = all(len(shape) == len(site.shape) for shape in site.input_shapes)
    works_on_values = site.layer.ends_with is not None and not site.layer.specs
    return (
        same
        and not site.layer.moves_values
        and (works_on_values or site.layer.joins_inputs or site.layer.normalizes_by is not None)
    )


def _before(context: Context, site: Site) -> Iterator[Site]:
    """The nearest layers before a call that say where their channels are, with the same axes."""
    waiting, met = list(site.operands), set[str]()
    while waiting:
        path = waiting.pop()
        found = context.site.get(path)
        if found is None or path in met:
            continue
        met.add(path)
        if format_of(found) is not None:
            yield found
        elif _keeps_axes(found):
            waiting += found.operands


def _after(context: Context, site: Site) -> Iterator[Site]:
    """The nearest layers after a call that say where their channels are, with the same axes."""
    waiting, met = context.readers(site.path), set[str]()
    while waiting:
        found = waiting.pop()
        if found.path in met:
            continue
        met.add(found.path)
        if format_of(found) is not None:
            yield found
        elif _keeps_axes(found):
            waiting = waiting + context.readers(found.path)


def mixed_formats(context: Context) -> Iterator[Finding]:
    """A layer with channels_first that reads what one with channels_last gives, or the reverse."""
    for site in context.sites:
        own = format_of(site)
        other = next((s for s in _before(context, site) if own and format_of(s) != own), None)
        if other is None or own is None:
            continue
        axes = {said: 1 if said == "channels_first" else len(site.input_shapes[0]) - 1 for said in _FORMATS}
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
        kept = tuple(layer.kept_axes(rank))
        near = next(chain(_before(context, site), _after(context, site)), None)
        if near is None or 0 in kept:
            continue
        channels = 1 if format_of(near) == "channels_first" else rank - 1
        # One axis at either end is the matter of axis-and-data-format.
        if len(kept) == 1 and kept[0] in (1, rank - 1):
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
            f"BatchNormalization(axis={channels if channels == 1 else -1}), and train again.",
            statistics=count, channels=site.shape[channels] or 0, channels_axis=channels, axes_kept=len(kept),
        )  # fmt: skip


CHECKS = (
    Check("mixed-data-formats", FILE, "channels_first and channels_last together", mixed_formats),
    Check(
        "statistics-of-positions", FILE, "statistics of pixels instead of channels", statistics_of_positions
    ),
)
