"""Where masks go: which layer makes each, which layers use it, and where it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from foldnet.insight.sites import Site
from foldnet.layers.base import Layer
from foldnet.layers.recurrent import keeps_mask
from foldnet.lowering.lower import result_name


def uses_masks(layer: Layer) -> bool:
    """Whether a prediction depends on the mask of its input."""
    return layer.takes_mask and layer.normalizes_by is None


@dataclass
class Trails:
    """Where masks go.

    Attributes:
        made: the layer that made the mask of each value.
        lost: the calls whose results have no mask although an input has one, each with the layer that made it.
        used: by path, the calls that use a mask, each with the layer that made it.
        without_effect: the calls that have a mask and do not use it, because of how they are called.
    """

    made: dict[str, Site] = field(default_factory=dict)
    lost: list[tuple[Site, Site]] = field(default_factory=list)
    used: dict[str, Site] = field(default_factory=dict)
    without_effect: list[tuple[Site, Site]] = field(default_factory=list)


def follow(sites: Sequence[Site]) -> Trails:
    """The way of every mask through the calls of a network, which are in computing order."""
    found = Trails()
    for site in sites:
        masks = [found.made.get(path) for path in site.operands]
        maker = next((m for m in masks if m is not None), None)
        has = site.call.output_mask(*(m is not None for m in masks)) if site.operands else False
        if has:
            count = site.layer.masked_results
            names = [site.output, *(result_name(site.path, k) for k in range(1, count))]
            found.made |= dict.fromkeys(names, maker or site)
        if maker is None:
            continue
        if site.layer.takes_states_in_list and not keeps_mask(site.call):
            found.without_effect.append((site, maker))
        elif uses_masks(site.layer):
            found.used[site.path] = maker
        elif not has:
            found.lost.append((site, maker))
    return found
