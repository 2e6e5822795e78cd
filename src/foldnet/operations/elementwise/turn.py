"""Transpositions and elementwise functions: they come in any order."""

from __future__ import annotations

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.elementwise.op import Binary, Unary, Where
from foldnet.operations.turns import Order, Rule, Turned, elementwise


def _function(graph: Graph, node: Node[Unary], order: Order) -> Turned | None:
    """The caller's own function may treat axes differently."""
    return elementwise(graph, node, order) if node.op.function.function is None else None


RULES: dict[type[Op], Rule] = {Unary: _function, Binary: elementwise, Where: elementwise}
