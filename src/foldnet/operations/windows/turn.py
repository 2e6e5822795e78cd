"""Transpositions, and pooling and padding: these work on axes with other numbers."""

from __future__ import annotations

from dataclasses import replace

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.turns import Order, Rule, Turned, axes_of, by_axis
from foldnet.operations.windows.op import Pad, PadSame, Pool


def _on_axes(graph: Graph, node: Node[Pool | PadSame], order: Order) -> Turned:
    """The axes keep their sequence, in which windows are summed."""
    return Turned(replace(node.op, axes=axes_of(order, node.op.axes)), order)


def _padded(graph: Graph, node: Node[Pad], order: Order) -> Turned:
    return Turned(Pad(by_axis(order, node.op.widths)), order)


RULES: dict[type[Op], Rule] = {Pool: _on_axes, PadSame: _on_axes, Pad: _padded}
