"""Transpositions and operations along axes: these have other numbers, and sums run over them in the same order."""

from __future__ import annotations

from dataclasses import replace

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.along.op import CumulativeSum, Glu, Moments, Reduce, Softmax, Sparsemax
from foldnet.operations.turns import Order, Rule, Turned, along_axis, axes_of, keeps_sums


def _moments(graph: Graph, node: Node[Moments], order: Order) -> Turned | None:
    op = node.op
    return Turned(replace(op, axes=axes_of(order, op.axes)), order) if keeps_sums(order, op.axes) else None


def _reduced(graph: Graph, node: Node[Reduce], order: Order) -> Turned | None:
    op = node.op
    if not keeps_sums(order, op.axes):
        return None
    own = replace(op, axes=axes_of(order, op.axes))
    if op.keepdims:
        return Turned(own, order)
    left = [axis for place, axis in enumerate(order) if place not in op.axes]
    return Turned(own, tuple(sorted(left).index(axis) for axis in left))


def _running(graph: Graph, node: Node[CumulativeSum], order: Order) -> Turned:
    return Turned(replace(node.op, axis=order[node.op.axis]), order)


RULES: dict[type[Op], Rule] = {
    Softmax: along_axis,
    Sparsemax: along_axis,
    Glu: along_axis,
    Moments: _moments,
    Reduce: _reduced,
    CumulativeSum: _running,
}
