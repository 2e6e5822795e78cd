"""All known mistakes with a network: those that ``verify`` must be able to see, and those it can name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from foldnet.graph.graph import Graph
from foldnet.insight.sites import Site
from foldnet.insight.verify.mistakes.base import Mistake, Suspect
from foldnet.insight.verify.mistakes.between import between_layers
from foldnet.insight.verify.mistakes.in_dense import of_dense
from foldnet.insight.verify.mistakes.in_normalization import of_normalization
from foldnet.insight.verify.mistakes.whole import of_layer
from foldnet.insight.verify.recipes import Multiplying, Normalizing, recipe_of

__all__ = ["Mistake", "Suspect", "mistakes_of", "suspects_in"]


def mistakes_of(site: Site, graph: Graph) -> Iterator[Mistake]:
    """The mistakes that concern only this layer call."""
    recipe = recipe_of(site)
    if isinstance(recipe, Normalizing):
        yield from of_normalization(site, recipe)
    elif isinstance(recipe, Multiplying):
        yield from of_dense(recipe)
    yield from of_layer(site, graph)


def suspects_in(sites: Sequence[Site], graph: Graph) -> list[Suspect]:
    """Every mistake in a network, including those between layers."""
    alone = [Suspect(site, mistake) for site in sites for mistake in mistakes_of(site, graph)]
    return [*alone, *between_layers(sites, graph)]
