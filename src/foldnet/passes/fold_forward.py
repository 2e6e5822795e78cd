"""Fold a scaling before a linear operation into its weights."""

from __future__ import annotations

import numpy as np

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op, fused_activation
from foldnet.operations.folds import fold_of
from foldnet.passes.moves import moved_from, way_forward
from foldnet.passes.precision import costs_precision
from foldnet.passes.rewriting import Rewrite, Uses, exhaust, fresh_weights, joined, kind_of


def fold_forward(graph: Graph) -> Graph:
    """Fold each scaling into the linear operation after it, past operations that commute with it.

    For a Dense: ``((x - m) s + o) W + b = x (diag(s) W) + (b + (o - m s) W)``, computed in float64.
    """
    return exhaust(graph, plan)


def plan(graph: Graph, uses: Uses, node: Node[Op]) -> Rewrite | str | None:
    """The operation that does both, or the reason why there is none."""
    scaling = fold_of(node.op).scaling
    if scaling is None:
        return None
    activation = fused_activation(node.op)
    if activation is not None:
        return f"the activation {activation} comes after it"
    way = way_forward(graph, uses, node, scaling(graph, node))
    if isinstance(way, str):
        return way
    after = way.end
    assert after is not None, "a way forward ends at a node"
    linear = fold_of(after.op).linear
    if linear is None:
        return f"what follows it, {kind_of(after)}, takes no scaling into its weights"
    reason = uses.shared_because(node) or uses.shared_because(after)
    if reason:
        return reason
    with np.errstate(all="ignore"):
        folded = linear.before(graph, after, way.scaling)
    if isinstance(folded, str):
        return folded
    reason = costs_precision(folded)
    if reason:
        return reason
    layer = joined(node, after)
    constants = fresh_weights(graph, layer, folded.weights)
    ahead, x = moved_from(graph, node.output, node.inputs[0], way.passed)
    merged = Node(after.op, (x, *constants), after.output, layer)
    return Rewrite((node, *way.passed, after), merged, constants, tuple(ahead))
