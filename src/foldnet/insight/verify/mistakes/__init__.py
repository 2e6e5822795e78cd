"""All known mistakes with a network: those that ``verify`` must be able to see, and those it can name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from foldnet.graph.graph import Graph
from foldnet.insight.sites import Site
from foldnet.insight.verify.mistakes.base import Mistake, Suspect
from foldnet.insight.verify.mistakes.between import between_layers, masking_left_out
from foldnet.insight.verify.mistakes.in_dense import of_dense
from foldnet.insight.verify.mistakes.in_normalization import of_normalization
from foldnet.insight.verify.mistakes.in_operations import in_operations, without_masks
from foldnet.insight.verify.mistakes.whole import of_layer
from foldnet.insight.verify.recipes import Multiplying, Normalizing, recipe_of

__all__ = ["Mistake", "Suspect", "suspects_in", "suspects_of"]


def suspects_of(sites: Sequence[Site], graph: Graph) -> list[Suspect]:
    """Every mistake with a single layer call, and with a layer's mask."""
    alone = [
        suspect
        for site in sites
        for suspect in (*(Suspect(site, m) for m in _of_whole(site, graph)), *in_operations(site, graph))
    ]
    return [*alone, *masking_left_out(sites, alone)]


def _of_whole(site: Site, graph: Graph) -> Iterator[Mistake]:
    """Those that change the layer's result."""
    recipe = recipe_of(site)
    if isinstance(recipe, Normalizing):
        yield from of_normalization(site, recipe)
    elif isinstance(recipe, Multiplying):
        yield from of_dense(recipe)
    yield from of_layer(site, graph)
    yield from without_masks(site, graph)


def suspects_in(sites: Sequence[Site], graph: Graph) -> list[Suspect]:
    """Every mistake in a network, including those between layers."""
    return [*suspects_of(sites, graph), *between_layers(sites, graph)]
