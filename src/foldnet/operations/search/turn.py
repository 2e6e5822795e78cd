"""Transpositions and operations that search: they come in any order."""

from __future__ import annotations

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.search.op import Digitize, Hash, Lookup
from foldnet.operations.turns import Order, Rule, Turned


def _same(graph: Graph, node: Node[Digitize | Hash | Lookup], order: Order) -> Turned:
    return Turned(node.op, order)


RULES: dict[type[Op], Rule] = {Digitize: _same, Hash: _same, Lookup: _same}
