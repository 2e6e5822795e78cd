"""The parts of an attention among the operations of a layer: its scores, its weights, its masks.

An attention is a softmax whose result multiplies another value in the same layer. Rules of single operations ask here
what an operation is for, because people get it wrong in ways that only make sense there.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op

DOT = ("dot", "dot, no weights")
"""Products of query and key in place of ``tanh(query + key)``: with the weights of the scores, and without."""

CONCAT = ("concat, scale inside", "concat, no scale")
"""The reverse: with the scale inside of the tanh, and without one."""


def readers(graph: Graph, node: Node[Op]) -> list[Node[Op]]:
    """The operations of the same layer that read a node's result."""
    return [n for n in graph.nodes if n.layer == node.layer and node.output in n.inputs]


def maker(graph: Graph, value: str, layer: str) -> Node[Op] | None:
    """The operation of a layer that computes a value."""
    return next((n for n in graph.nodes if n.layer == layer and n.output == value), None)


def attends(graph: Graph, node: Node[Op]) -> bool:
    """Whether a node is the softmax of an attention."""
    return node.op.weighs and any(multiplies_two(graph, n) for n in readers(graph, node))


def makes_scores(graph: Graph, node: Node[Op]) -> bool:
    """Whether the scores of an attention depend on a node in the same layer."""
    return any(attends(graph, n) for n in after_node(graph, node))


def in_attention(graph: Graph, node: Node[Op]) -> bool:
    """Whether a node belongs to a layer that is an attention."""
    return any(n.layer == node.layer and attends(graph, n) for n in graph.nodes)


def after_node(graph: Graph, node: Node[Op]) -> Iterator[Node[Op]]:
    """The operations of the same layer that depend on a node."""
    pending, met = readers(graph, node), {node.output}
    while pending:
        found = pending.pop()
        if found.output not in met:
            met.add(found.output)
            yield found
            pending.extend(readers(graph, found))


def multiplies_two(graph: Graph, node: Node[Op]) -> bool:
    """Whether a node sums products of two values, neither of which is a weight."""
    if any(v in graph.constants for v in node.inputs):
        return False
    found = node.op.summed(*(graph.types[v].shape for v in node.inputs))
    return found is not None and len(found.operands) == 2


def positions(shape: tuple[int, ...], earliest: int | None = None, latest: int | None = None) -> Array:
    """A mask of scores by how far the position of the query is behind that of the value.

    Args:
        shape: of the mask; its last two axes are the positions.
        earliest: the smallest distance that counts; None for no limit.
        latest: the largest.
    """
    apart = np.arange(shape[-2])[:, np.newaxis] - np.arange(shape[-1])
    counts = np.ones_like(apart, bool)
    counts = counts if earliest is None else counts & (apart >= earliest)
    counts = counts if latest is None else counts & (apart <= latest)
    return np.broadcast_to(counts, shape).astype(np.float64)
