"""Fuse an elementwise activation into the op before it."""

from __future__ import annotations

from dataclasses import replace

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Fusable, Op
from foldnet.passes.rewriting import Rewrite, Uses, exhaust, joined


def fuse_activations(graph: Graph) -> Graph:
    """Move each elementwise activation into the op before it, where nothing else reads that op's result."""
    return exhaust(graph, plan)


def plan(graph: Graph, uses: Uses, node: Node[Op]) -> Rewrite | None:
    """The op before an activation, with the activation in it."""
    before = uses.producer.get(node.inputs[0])
    activation = node.op.as_activation
    if activation is None or before is None:
        return None
    if not isinstance(before.op, Fusable) or before.op.activation is not None:
        return None
    if before.op.mixes and any(v in graph.constants for v in before.inputs):
        return None  # arithmetic with constants may still fold, and has a note if it does not
    if uses.kept_because(before.output, node):
        return None
    op = replace(before.op, activation=activation)
    return Rewrite((before, node), Node(op, before.inputs, node.output, joined(before, node)))
