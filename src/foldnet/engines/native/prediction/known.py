"""The C of predictions that this process has seen: emitting it takes as long as thousands of predictions.

Searches and cross-validation freeze networks that differ in nothing but their weights, one after the other.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from foldnet.codegen.graph_key import graph_key
from foldnet.codegen.size_names import lengths_of
from foldnet.engines.native.compiler import machine
from foldnet.engines.native.prediction.source import Source, emit
from foldnet.engines.native.prediction.strategies import Strategy
from foldnet.graph.graph import Graph
from foldnet.recent_cache import RecentCache

MOST = 64
"""Graphs to remember; the one that was asked for longest ago goes first."""

_known: RecentCache[tuple[Source, tuple[str, ...], tuple[int, ...]]] = RecentCache(MOST)


def known_source(graph: Graph, strategy: Strategy | None = None) -> Source:
    """The graph's C for this machine, emitted only if no graph like it was asked for lately.

    Args:
        graph: as for ``emit``. One whose sizes depend on lengths is always emitted, as that adds conditions to it.
        strategy: as for ``emit``.

    Raises:
        UnsupportedError: as ``emit`` does.
    """
    simd = machine().simd
    if lengths_of(graph) is not None:
        return emit(graph, simd=simd, strategy=strategy)
    names: dict[str, int] = {}
    key: Hashable = (graph_key(graph, names), simd, strategy)
    found = _known.get(key)
    if found is None:
        made = emit(graph, simd=simd, strategy=strategy)
        at = {id(node): place for place, node in enumerate(graph.nodes)}
        found = replace(made, faults=()), tuple(names), tuple(at[id(node)] for node in made.faults)
        _known.put(key, found)
    source, then, faults = found
    now = dict(zip(then, names, strict=True))
    return replace(
        source,
        layout=tuple(replace(part, name=now[part.name]) for part in source.layout),
        faults=tuple(graph.nodes[place] for place in faults),
    )
