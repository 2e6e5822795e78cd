"""Dropout and its kin are nothing at prediction time: take out every op that gives back its operand."""

from __future__ import annotations

import numpy as np

from foldnet.graph.graph import Graph, Node
from foldnet.operations.affine.op import Affine
from foldnet.operations.elementwise.op import Unary
from foldnet.operations.structure.op import Cast, Concatenate, Identity, Reshape, Transpose
from foldnet.passes.rewriting import without


def drop_identities(graph: Graph) -> Graph:
    """Remove identities, affines of scale 1 and offset 0, reshapes and transposes that change nothing."""
    return without(graph, is_identity)


def is_identity(graph: Graph, node: Node) -> bool:
    """Whether a node gives back its first operand."""
    op = node.op
    x = graph.types[node.inputs[0]]
    match op:
        case Identity():
            return True
        case Unary():
            return op.function.name == "linear" and op.function.function is None
        case Cast():
            return op.dtype == x.dtype
        case Transpose():
            return op.permutation == tuple(range(len(op.permutation)))
        case Reshape():
            return None not in x.shape[1:] and op.output_shape(x.shape) == x.shape
        case Affine():
            scale, *others = (graph.constants[v] for v in node.inputs[1:])
            return op.activation is None and bool((scale == 1).all() and not any(np.any(o) for o in others))
        case Concatenate():
            return len(node.inputs) == 1
    return False
