"""Transpositions and other operations that move values."""

from __future__ import annotations

from dataclasses import replace

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.structure.op import (
    Cast,
    Concatenate,
    Identity,
    OneHot,
    Pick,
    Reshape,
    Slice,
    Stretch,
    Transpose,
    like,
)
from foldnet.operations.turns import Order, Rule, Turned, along_axis, by_axis


def _same(graph: Graph, node: Node[Identity | Cast], order: Order) -> Turned:
    return Turned(node.op, order)


def _transposed(graph: Graph, node: Node[Transpose], order: Order) -> Turned:
    """Both together are one."""
    return Turned(None, tuple(order[axis] for axis in node.op.permutation))


def _sliced(graph: Graph, node: Node[Slice], order: Order) -> Turned:
    return Turned(Slice(by_axis(order, node.op.slices)), order)


def _picked(graph: Graph, node: Node[Pick], order: Order) -> Turned:
    return Turned(replace(node.op, axis=order[node.op.axis]), order)


def _stretched(graph: Graph, node: Node[Stretch], order: Order) -> Turned:
    return Turned(Stretch(by_axis(order, node.op.counts)), order)


def _hot(graph: Graph, node: Node[OneHot], order: Order) -> Turned:
    return Turned(node.op, (*order, len(order)))


def _reshaped(graph: Graph, node: Node[Reshape], order: Order) -> Turned | None:
    """Without a transposition if that moves only axes of one position: values lie in memory as before."""
    shape = graph.types[node.inputs[0]].shape
    longer = [axis for place, axis in enumerate(order) if place and shape[place] != 1]
    if longer != sorted(longer):
        return None
    target = tuple(like(order[like(t)]) if t < -1 else t for t in node.op.target)
    return Turned(Reshape(target), tuple(range(len(graph.types[node.output].shape))))


RULES: dict[type[Op], Rule] = {
    Identity: _same,
    Cast: _same,
    Transpose: _transposed,
    Slice: _sliced,
    Pick: _picked,
    Stretch: _stretched,
    Concatenate: along_axis,
    OneHot: _hot,
    Reshape: _reshaped,
}
