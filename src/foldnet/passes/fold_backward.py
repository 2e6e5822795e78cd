"""Fold a scaling after a linear operation into its weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Fusable, Op, fused_activation
from foldnet.operations.folds import fold_of
from foldnet.passes.moves import moved_from, way_back
from foldnet.passes.precision import costs_precision
from foldnet.passes.rewriting import Rewrite, Uses, exhaust, fresh, fresh_weights, joined, kind_of


def fold_backward(graph: Graph) -> Graph:
    """Fold each scaling into the linear operation before it, past operations that commute with it.

    For a Dense: ``(x W + b - m) s + o = x (W s) + ((b - m) s + o)``, computed in float64.
    """
    return exhaust(graph, plan)


def plan(graph: Graph, uses: Uses, node: Node[Op]) -> Rewrite | str | None:
    """The operation that does both, or the reason why there is none."""
    scaling = fold_of(node.op).scaling
    if scaling is None:
        return None
    way = way_back(graph, uses, node, scaling(graph, node))
    if isinstance(way, str):
        return way
    before, moves = way.end, way.passed
    if before is None:
        return "it works on an input of the network"
    reason = _barred(before) or activation_stays(node, moves)
    for found in (
        reason,
        uses.kept_because(before.output, moves[0] if moves else node),
        uses.shared_because(before),
        uses.shared_because(node),
    ):
        if found:
            return found
    linear = fold_of(before.op).linear
    assert linear is not None, "or it is barred"
    assert isinstance(before.op, Fusable), "a linear operation is"
    with np.errstate(all="ignore"):
        folded = linear.after(graph, before, way.scaling)
    if isinstance(folded, str):
        return folded
    reason = costs_precision(folded)
    if reason:
        return reason
    layer = joined(before, node)
    constants = fresh_weights(graph, layer, folded.weights)
    op = replace(before.op, activation=fused_activation(node.op))
    inputs = (before.inputs[0], *constants)
    if not moves:
        return Rewrite((before, node), Node(op, inputs, node.output, layer), constants)
    merged = Node(op, inputs, fresh(graph, f"{before.output}/folded"), layer)
    *ahead, last = moved_from(graph, before.output, merged.output, moves)[0]
    last = Node(last.op, last.inputs, node.output, last.layer)
    return Rewrite((before, *moves, node), last, constants, (merged, *ahead))


def _barred(before: Node[Op]) -> str | None:
    """Why no scaling folds into a node, as text; None if one may."""
    fold, activation = fold_of(before.op), fused_activation(before.op)
    if fold.between is not None:
        return fold.between(before)
    if fold.linear is None:
        return f"what comes before it, {kind_of(before)}, takes no scaling into its weights"
    if activation is not None:
        return f"the activation {activation.name} of layer {before.layer!r} lies between"
    return None


def activation_stays(node: Node[Op], moves: list[Node[Op]]) -> str | None:
    """Why a scaling's own activation cannot move along, as text; None if it can, or there is none."""
    activation = fused_activation(node.op)
    for move in moves if activation else ():
        commutes = fold_of(move.op).commutes
        if commutes is None or not commutes.any_function:
            return f"its activation {activation} cannot be applied before {kind_of(move)}"
    return None
