"""Drop biases and means that are zero everywhere."""

from __future__ import annotations

import numpy as np

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.folds import fold_of
from foldnet.passes.rewriting import Rewrite, Uses, exhaust


def drop_zeros(graph: Graph) -> Graph:
    """Remove operands that are added or subtracted and are zero: a Dense's bias, an Affine's shift."""
    return exhaust(graph, plan)


def plan(graph: Graph, uses: Uses, node: Node[Op]) -> Rewrite | None:
    """The node without its last operand, if that is all zeros."""
    place = fold_of(node.op).zeros
    if place is None or len(node.inputs) != place + 1 or np.any(graph.constants[node.inputs[-1]]):
        return None
    return Rewrite((node,), Node(node.op, node.inputs[:-1], node.output, node.layer))
