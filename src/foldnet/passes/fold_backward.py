"""A scaling after a Dense goes into the Dense's weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.operations.affine.op import Affine
from foldnet.operations.elementwise.op import Unary
from foldnet.operations.matrix.op import Dense
from foldnet.passes.moves import carried_back, moved_from, moves_before
from foldnet.passes.precision import cancels, leaves_float32, spread_of
from foldnet.passes.rewriting import Rewrite, Uses, along_last_axis, exhaust, fresh, joined


def fold_backward(graph: Graph) -> Graph:
    """Fold each Affine into the Dense before it, past what only moves values.

    ``(x W + b - m) s + o = x (W s) + ((b - m) s + o)``, computed in float64.
    """
    return exhaust(graph, plan)


def plan(graph: Graph, uses: Uses, node: Node) -> Rewrite | str | None:
    """The Dense that does both, or why there is none."""
    if not isinstance(node.op, Affine):
        return None
    way = moves_before(graph, uses, node)
    if isinstance(way, str):
        return way
    moves, before = way
    if before is None:
        return "it works on an input of the network"
    if isinstance(before.op, Unary):
        return f"the activation {before.op.function.name} of layer {before.layer!r} lies between"
    if not isinstance(before.op, Dense):
        return f"what comes before it, {type(before.op).__name__} of layer {before.layer!r}, is not a Dense"
    if before.op.activation is not None:
        return f"the activation {before.op.activation.name} of layer {before.layer!r} lies between"
    for reason in (
        uses.kept_because(before.output, moves[0] if moves else node),
        uses.shared_because(before),
        uses.shared_because(node),
    ):
        if reason:
            return reason
    kernel = graph.constants[before.inputs[1]].astype(np.float64)
    units = kernel.shape[1]
    bias = graph.constants[before.inputs[2]].astype(np.float64) if len(before.inputs) > 2 else np.zeros(units)

    def along(array: Array) -> Array | None:
        return along_last_axis(carried_back(graph, array, moves), units)

    scale, offset, *shifts = (along(graph.constants[v]) for v in node.inputs[1:])
    if scale is None or offset is None or any(s is None for s in shifts):
        return "its weights vary along an axis other than the last, and a Dense's along the last only"
    centre = bias
    if shifts and shifts[0] is not None:
        centre = bias - shifts[0]
        spread = along(spread_of(graph, node.inputs[3], graph.constants[node.inputs[1]]))
        reason = None if spread is None else cancels(centre, spread)
        if reason:
            return reason
    with np.errstate(all="ignore"):
        folded = kernel * scale, centre * scale + offset
    reason = leaves_float32(*folded)
    if reason:
        return reason
    layer = joined(before, node)
    names = fresh(graph, f"{layer}/kernel"), fresh(graph, f"{layer}/bias")
    op, constants = replace(before.op, activation=node.op.activation), dict(zip(names, folded, strict=True))
    if not moves:
        dense = Node(op, (before.inputs[0], *names), node.output, layer)
        return Rewrite((before, node), dense, constants)
    dense = Node(op, (before.inputs[0], *names), fresh(graph, f"{before.output}/folded"), layer)
    *ahead, last = moved_from(graph, dense.output, moves)[0]
    last = Node(last.op, last.inputs, node.output, last.layer)
    return Rewrite((before, *moves, node), last, constants, (dense, *ahead))
