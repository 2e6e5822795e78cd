"""Where the channels are at a layer's input: what the nearest layers say that have a data format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from foldnet.insight.sites import Site
from foldnet.literals import DataFormat


def format_of(site: Site) -> DataFormat | None:
    """Where a layer has its channels; None if its result does not depend on it."""
    said: DataFormat | None = getattr(site.layer, "data_format", None)
    # Flatten has a format that only says in which order it reads; by default it reads as the values lie.
    return None if site.layer.moves_values and len(site.shape) == 2 else said


def channel_axis(data_format: DataFormat, rank: int) -> int:
    """The axis of the channels, counted from the front."""
    return 1 if data_format == "channels_first" else rank - 1


def _nowhere(site: Site) -> bool:
    return False


def before(
    site: Site, by_path: Mapping[str, Site], also: Callable[[Site], bool] = _nowhere
) -> Iterator[Site]:
    """The nearest layers before a call that say where their channels are, with the same axes.

    Args:
        site: the call.
        by_path: all calls.
        also: which others count.
    """
    return _met(site, by_path, lambda found: format_of(found) is not None or also(found), _keeps_axes)


def read_by(site: Site, by_path: Mapping[str, Site]) -> Site | None:
    """The network's input that a call reads, with the same axes and nothing between that looks at several positions."""
    ways = _met(
        site, by_path, lambda found: found.layer.is_input, lambda found: _keeps_axes(found) or _at_one(found)
    )
    return next(ways, None)


def _met(
    site: Site, by_path: Mapping[str, Site], ends: Callable[[Site], bool], passes: Callable[[Site], bool]
) -> Iterator[Site]:
    """The calls before one on which a way back ends, on all ways through those that it passes."""
    waiting, met = list(site.operands), set[str]()
    while waiting:
        path = waiting.pop()
        found = by_path.get(path)
        if found is None or path in met:
            continue
        met.add(path)
        if ends(found):
            yield found
        elif passes(found):
            waiting += found.operands


def _at_one(site: Site) -> bool:
    """Whether it moves values with windows of one position."""
    window = site.layer.window
    return window is not None and max(*window[0], *window[1]) == 1 and not site.layer.specs


def after(
    site: Site, readers: Callable[[str], Sequence[Site]], also: Callable[[Site], bool] = _nowhere
) -> Iterator[Site]:
    """The nearest layers after a call that say where their channels are, with the same axes.

    Args:
        site: the call.
        readers: gives the calls that read the result of a path.
        also: which others count.
    """
    waiting, met = [*readers(site.path)], set[str]()
    while waiting:
        found = waiting.pop()
        if found.path in met:
            continue
        met.add(found.path)
        if format_of(found) is not None or also(found):
            yield found
        elif _keeps_axes(found):
            waiting += readers(found.path)


def formats_at_normalizations(sites: Iterable[Site]) -> dict[str, DataFormat]:
    """By path, the data format at each normalization of images, volumes or sequences, where a layer near it says one.

    Args:
        sites: of ``sites_of`` without a graph, so that operands are paths.
    """
    by_path = {site.path: site for site in sites}
    readers: dict[str, list[Site]] = {}
    for site in by_path.values():
        for path in site.operands:
            readers.setdefault(path, []).append(site)
    formats = {}
    for site in by_path.values():
        if site.layer.normalizes_by is None or len(site.shape) < 3:
            continue
        near = chain(before(site, by_path), after(site, lambda path: readers.get(path, [])))
        said = next((format_of(found) for found in near), None)
        if said is not None:
            formats[site.path] = said
    return formats


def _keeps_axes(site: Site) -> bool:
    """Whether the axes of a layer's result are those of its inputs, so that its channels are where they were."""
    if site.layer.identity_in_prediction:
        return True
    same = all(len(shape) == len(site.shape) for shape in site.input_shapes)
    works_on_values = site.layer.ends_with is not None and not site.layer.specs
    return (
        same
        and not site.layer.moves_values
        and (
            works_on_values
            or site.layer.scales_values
            or site.layer.joins_inputs
            or site.layer.normalizes_by is not None
        )
    )
