"""Transpositions, and what gives axes another length: it works on axes with other numbers."""

from __future__ import annotations

from dataclasses import replace

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.resampling.op import AdaptiveMax, CutToShape, Mix, Nearest, PadToShape
from foldnet.operations.turns import Order, Rule, Turned, along_axis


def _on_axes(graph: Graph, node: Node[CutToShape | PadToShape], order: Order) -> Turned:
    first, second = node.op.axes
    return Turned(replace(node.op, axes=(order[first], order[second])), order)


RULES: dict[type[Op], Rule] = {
    Nearest: along_axis,
    Mix: along_axis,
    AdaptiveMax: along_axis,
    CutToShape: _on_axes,
    PadToShape: _on_axes,
}
