"""What only moves values lets a scaling through: the numbers of the scaling move along."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.operations.structure.op import Reshape, Transpose
from foldnet.passes.rewriting import Uses, fresh

MOVES = (Reshape, Transpose)


def moves_after(graph: Graph, uses: Uses, node: Node) -> tuple[list[Node], Node] | str:
    """The moves that follow a node and the node behind them; or why there is no such way in words."""
    found: list[Node] = []
    while True:
        if node.output in uses.outputs:
            return "its result is an output of the network"
        after = uses.consumers.get(node.output, [])
        if len(after) != 1:
            return f"its result is used by {len(after)} layers: {', '.join(repr(n.layer) for n in after)}"
        node = after[0]
        if not _moves(graph, node):
            return found, node
        found.append(node)


def moves_before(graph: Graph, uses: Uses, node: Node) -> tuple[list[Node], Node | None] | str:
    """The moves ahead of a node, and the node ahead of them, if it is not an input; or why they must stay behind it."""
    found: list[Node] = []
    while True:
        before = uses.producer.get(node.inputs[0])
        if before is None or not _moves(graph, before):
            return found[::-1], before
        if reason := uses.kept_because(before.output, node):
            return reason
        found.append(before)
        node = before


def _moves(graph: Graph, node: Node) -> bool:
    return isinstance(node.op, MOVES) and not any(
        None in graph.types[v].shape[1:] for v in (node.inputs[0], node.output)
    )


def carried(graph: Graph, array: Array, moves: Sequence[Node]) -> Array:
    """A batch-free array that stood beside what the moves are given, as it stands beside what they give."""
    for move in moves:
        if isinstance(move.op, Transpose):
            array = array.transpose([p - 1 for p in move.op.permutation[1:]])
        else:
            array = _reshaped(graph, array, move.inputs[0], move.output)
    return array


def carried_back(graph: Graph, array: Array, moves: Sequence[Node]) -> Array:
    """The inverse of ``carried``."""
    for move in reversed(moves):
        if isinstance(move.op, Transpose):
            array = array.transpose(np.argsort(move.op.permutation[1:]))
        else:
            array = _reshaped(graph, array, move.output, move.inputs[0])
    return array


def _reshaped(graph: Graph, array: Array, source: str, target: str) -> Array:
    before, after = (tuple(int(n or 0) for n in graph.types[v].shape[1:]) for v in (source, target))
    if array.size == 1:
        return array.reshape((1,) * len(after))
    return np.broadcast_to(array, before).reshape(after)


def moved_from(graph: Graph, value: str, moves: Sequence[Node]) -> tuple[list[Node], str]:
    """The same moves of another value, and what they give.

    Their results have other names, since they are other values than the layers gave.
    """
    made: list[Node] = []
    for move in moves:
        made.append(Node(move.op, (value,), fresh(graph, f"{move.output}/moved"), move.layer))
        value = made[-1].output
    return made, value
