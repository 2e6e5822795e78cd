"""A scaling before a Dense goes into the Dense's weights."""

from __future__ import annotations

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.operations.affine.op import Affine
from foldnet.operations.matrix.op import Dense
from foldnet.passes.moves import carried, moved_from, moves_after
from foldnet.passes.precision import cancels, leaves_float32, spread_of
from foldnet.passes.rewriting import Rewrite, Uses, along_last_axis, exhaust, fresh, joined


def fold_forward(graph: Graph) -> Graph:
    """Fold each Affine into the Dense after it, past what only moves values.

    ``((x - m) s + o) W + b = x (diag(s) W) + (b + (o - m s) W)``, computed in float64.
    """
    return exhaust(graph, plan)


def plan(graph: Graph, uses: Uses, node: Node) -> Rewrite | str | None:
    """The Dense that does both, or why there is none."""
    if not isinstance(node.op, Affine):
        return None
    if node.op.activation is not None:
        return f"the activation {node.op.activation} comes after it"
    way = moves_after(graph, uses, node)
    if isinstance(way, str):
        return way
    moves, dense = way
    if not isinstance(dense.op, Dense):
        return f"what follows it, {type(dense.op).__name__} of layer {dense.layer!r}, is not a Dense"
    reason = uses.shared_because(node) or uses.shared_because(dense)
    if reason:
        return reason
    kernel = graph.constants[dense.inputs[1]].astype(np.float64)
    inputs, units = kernel.shape
    bias = graph.constants[dense.inputs[2]].astype(np.float64) if len(dense.inputs) > 2 else np.zeros(units)

    def along(array: Array) -> Array | None:
        return along_last_axis(carried(graph, array, moves), inputs)

    scale, offset, *shifts = (along(graph.constants[v]) for v in node.inputs[1:])
    if scale is None or offset is None or any(s is None for s in shifts):
        return "its weights vary along an axis other than the last, and a Dense's along the last only"
    if shifts and shifts[0] is not None:
        spread = along(spread_of(graph, node.inputs[3], graph.constants[node.inputs[1]]))
        reason = None if spread is None else cancels(shifts[0], spread)
        if reason:
            return reason
        offset = offset - shifts[0] * scale
    with np.errstate(all="ignore"):
        folded = scale[:, None] * kernel, bias + offset @ kernel
    reason = leaves_float32(*folded)
    if reason:
        return reason
    layer = joined(node, dense)
    names = fresh(graph, f"{layer}/kernel"), fresh(graph, f"{layer}/bias")
    ahead, x = moved_from(graph, node.inputs[0], moves)
    merged = Node(dense.op, (x, *names), dense.output, layer)
    return Rewrite((node, *moves, dense), merged, dict(zip(names, folded, strict=True)), tuple(ahead))
