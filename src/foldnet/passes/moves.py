"""What a scaling can pass: operations that move values, and others that commute with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.folds import Scaling, fold_of
from foldnet.passes.rewriting import Uses, fresh


@dataclass(frozen=True)
class Way:
    """How far a scaling can go.

    Attributes:
        passed: the nodes that it passes, in computing order.
        end: the node behind them; None for an input of the network.
        scaling: with its numbers as they are there.
    """

    passed: list[Node[Op]]
    end: Node[Op] | None
    scaling: Scaling


def way_forward(graph: Graph, uses: Uses, node: Node[Op], scaling: Scaling) -> Way | str:
    """How far a node's scaling can go towards the outputs; or why it cannot leave its place, in words."""
    passed: list[Node[Op]] = []
    while True:
        if node.output in uses.outputs:
            return "its result is an output of the network"
        after = uses.consumers.get(node.output, [])
        if len(after) != 1:
            return f"its result is used by {len(after)} layers: {', '.join(repr(n.layer) for n in after)}"
        node = after[0]
        commutes = fold_of(node.op).commutes
        moved = commutes.forward(graph, node, scaling) if commutes else None
        if isinstance(moved, str):
            return moved
        if moved is None:
            return Way(passed, node, scaling)
        scaling = moved
        passed.append(node)


def way_back(graph: Graph, uses: Uses, node: Node[Op], scaling: Scaling) -> Way | str:
    """How far a node's scaling can go towards the inputs; or why what it would pass must stay, in words."""
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


def moved_from(graph: Graph, value: str, moves: Sequence[Node[Op]]) -> tuple[list[Node[Op]], str]:
    """The same operations on another value, and what they give.

    Their results have other names, since they are other values than the layers gave.
    """
    made: list[Node[Op]] = []
    for move in moves:
        made.append(Node(move.op, (value,), fresh(graph, f"{move.output}/moved"), move.layer))
        value = made[-1].output
    return made, value
