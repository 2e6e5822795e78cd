"""Merge two consecutive scalings into one."""

from __future__ import annotations

import numpy as np

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op, fused_activation
from foldnet.operations.folds import fold_of
from foldnet.passes.precision import cancels, leaves_float32
from foldnet.passes.rewriting import Rewrite, Uses, exhaust, fresh_weights, joined


def merge_affines(graph: Graph) -> Graph:
    """Merge each Affine into the Affine before it.

    ``((x - m1) s1 + o1 - m2) s2 + o2 = (x - m1) (s1 s2) + ((o1 - m2) s2 + o2)``
    """
    return exhaust(graph, plan)


def plan(graph: Graph, uses: Uses, node: Node[Op]) -> Rewrite | str | None:
    """The merged Affine, or the reason why the two cannot be merged."""
    before = uses.producer.get(node.inputs[0])
    scaling = fold_of(node.op).scaling
    scaling_before = fold_of(before.op).scaling if before else None
    if scaling is None or before is None or scaling_before is None:
        return None
    activation = fused_activation(before.op)
    if activation is not None:
        return f"the activation {activation.name} lies between it and layer {before.layer!r}"
    for reason in (
        uses.kept_because(before.output, node),
        uses.shared_because(before),
        uses.shared_because(node),
    ):
        if reason:
            return reason
    first, second = scaling_before(graph, before), scaling(graph, node)
    shift = np.zeros(()) if second.shift is None else second.shift
    with np.errstate(all="ignore"):
        scale = first.scale * second.scale
        offset = (first.offset - shift) * second.scale + second.offset
    if scale.size > max(first.scale.size, second.scale.size) or offset.size > max(
        first.offset.size, second.offset.size
    ):
        return f"it varies along other axes than layer {before.layer!r}"
    if second.shift is not None and second.spread is not None:
        reason = cancels(second.shift - first.offset, second.spread)
        if reason:
            return reason
    reason = leaves_float32(scale, offset)
    if reason:
        return reason
    layer = joined(before, node)
    constants = fresh_weights(graph, layer, {"scale": scale, "offset": offset})
    merged = Node(node.op, (before.inputs[0], *constants, *before.inputs[3:]), node.output, layer)
    return Rewrite((before, node), merged, constants)
