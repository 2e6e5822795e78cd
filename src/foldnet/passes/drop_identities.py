"""Remove every op that returns its operand, such as Dropout at prediction time."""

from __future__ import annotations

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.folds import fold_of
from foldnet.passes.rewriting import without


def drop_identities(graph: Graph) -> Graph:
    """Remove identities, affines of scale 1 and offset 0, reshapes and transposes that change nothing."""
    return without(graph, is_identity)


def is_identity(graph: Graph, node: Node[Op]) -> bool:
    """Whether a node returns its first operand unchanged."""
    is_nothing = fold_of(node.op).is_nothing
    return is_nothing is not None and is_nothing(graph, node)
