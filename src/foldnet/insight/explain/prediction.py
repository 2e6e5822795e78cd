"""The whole network as NumPy code, for writing your own prediction function."""

from __future__ import annotations

from foldnet.errors import FoldnetError
from foldnet.graph.graph import Graph
from foldnet.insight.explain.explanation import Block, Program, Words
from foldnet.insight.sites import opened, sites_of
from foldnet.lowering.lower import lower
from foldnet.network import Network


def prediction_blocks(network: Network, graph: Graph | None = None) -> tuple[Block, ...]:
    """The code, or the reason why there is none.

    Args:
        network: built.
        graph: its lowering for prediction, if already available.
    """
    from foldnet.export.numpy_snippet import numpy_snippet

    try:
        graph = lower(network) if graph is None else graph
        layers = {site.path: site.layer for site in opened(sites_of(network, graph))}
        lines = numpy_snippet(network, graph, layers)
    except FoldnetError as error:
        return (Words(f"This network has no such code: {error}"),)
    said = "This is all of it; foldnet.verify(predict, model, x) says whether it is right."
    if graph.texts:
        said = "This is all of it; foldnet.freeze(model).to_numpy(path) writes it with the tables of texts."
    return (Program(said, tuple(lines)),)
