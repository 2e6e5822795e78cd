"""Transpositions and a product over the last axis: that has to stay the last."""

from __future__ import annotations

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.matrix.op import Dense
from foldnet.operations.turns import Order, Rule, Turned


def _dense(graph: Graph, node: Node[Dense], order: Order) -> Turned | None:
    return Turned(node.op, order) if order[-1] == len(order) - 1 else None


RULES: dict[type[Op], Rule] = {Dense: _dense}
