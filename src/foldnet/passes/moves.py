"""Move a scaling past operations that move values, and past others that commute with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.folds import Scaling, fold_of
from foldnet.passes.rewriting import Uses, fresh


@dataclass(frozen=True)
class Way:
    """How far a scaling can move.

    Attributes:
        passed: the nodes that it passes, in computing order.
        end: the node behind them; None for an input of the network.
        scaling: with its numbers at that point.
    """

    passed: list[Node[Op]]
    end: Node[Op] | None
    scaling: Scaling


def way_forward(graph: Graph, uses: Uses, node: Node[Op], scaling: Scaling) -> Way | str:
    """How far a node's scaling can move towards the outputs; or, as text, why it cannot move."""
    passed: list[Node[Op]] = []
    while True:
        if node.output in uses.outputs:
            return "its result is an output of the network"
        after = uses.consumers.get(node.output, [])
        if len(after) != 1:
            return f"its result is used by {len(after)} layers: {', '.join(repr(n.layer) for n in after)}"
        value, node = node.output, after[0]
        moved = _forward(graph, node, scaling, value)
        if isinstance(moved, str):
            return moved
        if moved is None:
            return Way(passed, node, scaling)
        scaling = moved
        passed.append(node)


def way_back(graph: Graph, uses: Uses, node: Node[Op], scaling: Scaling) -> Way | str:
    """How far a node's scaling can move towards the inputs; or, as text, why it cannot pass a node."""
    passed: list[Node[Op]] = []
    while True:
        before = uses.producer.get(node.inputs[0])
        if before is None:
            return Way(passed[::-1], None, scaling)
        commutes = fold_of(before.op).commutes
        moved = commutes.backward(graph, before, scaling) if commutes else None
        if isinstance(moved, str):
            return moved
        if moved is None:
            return Way(passed[::-1], before, scaling)
        if reason := uses.kept_because(before.output, node):
            return reason
        scaling = moved
        passed.append(before)
        node = before


def _forward(graph: Graph, node: Node[Op], scaling: Scaling, value: str) -> Scaling | str | None:
    """The scaling after a node that is the same as one before its operand."""
    fold = fold_of(node.op)
    if fold.joined is not None:
        return fold.joined(graph, node, scaling, value)
    return fold.commutes.forward(graph, node, scaling) if fold.commutes else None


def moved_from(graph: Graph, old: str, value: str, moves: Sequence[Node[Op]]) -> tuple[list[Node[Op]], str]:
    """The same operations applied to another value, and their result.

    Their results have new names, because they are not the values of the layers.
    """
    made: list[Node[Op]] = []
    for move in moves:
        inputs = tuple(value if v == old else v for v in move.inputs)
        made.append(Node(move.op, inputs, fresh(graph, f"{move.output}/moved"), move.layer))
        old, value = move.output, made[-1].output
    return made, value
