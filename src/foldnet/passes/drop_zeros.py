"""A bias or a mean that is zero everywhere needs no arithmetic."""

from __future__ import annotations

import numpy as np

from foldnet.graph.graph import Graph, Node
from foldnet.operations.affine.op import Affine
from foldnet.operations.matrix.op import Dense
from foldnet.passes.rewriting import Rewrite, Uses, exhaust


def drop_zeros(graph: Graph) -> Graph:
    """Remove a Dense's zero bias and an Affine's zero shift."""
    return exhaust(graph, plan)


def plan(graph: Graph, uses: Uses, node: Node) -> Rewrite | None:
    """The node without its last operand, where that is all zeros."""
    optional = isinstance(node.op, Dense | Affine) and len(node.inputs) == 1 + node.op.weights[1]
    if not optional or np.any(graph.constants[node.inputs[-1]]):
        return None
    return Rewrite((node,), Node(node.op, node.inputs[:-1], node.output, node.layer))
