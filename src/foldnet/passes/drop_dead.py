"""Drop nodes that no output needs."""

from __future__ import annotations

from foldnet.graph.graph import Graph, with_nodes


def drop_dead(graph: Graph) -> Graph:
    """Remove the nodes that no output depends on."""
    needed = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if node.output in needed:
            needed.update(node.inputs)
            kept.append(node)
    return graph if len(kept) == len(graph.nodes) else with_nodes(graph, reversed(kept))
