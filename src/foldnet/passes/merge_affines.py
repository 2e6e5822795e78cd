"""Two scalings one after the other are one."""

from __future__ import annotations

import numpy as np

from foldnet.graph.graph import Graph, Node
from foldnet.operations.affine.op import Affine
from foldnet.passes.precision import cancels, leaves_float32, spread_of
from foldnet.passes.rewriting import Rewrite, Uses, exhaust, fresh, joined


def merge_affines(graph: Graph) -> Graph:
    """Merge each Affine into the Affine before it.

    ``((x - m1) s1 + o1 - m2) s2 + o2 = (x - m1) (s1 s2) + ((o1 - m2) s2 + o2)``
    """
    return exhaust(graph, plan)


def plan(graph: Graph, uses: Uses, node: Node) -> Rewrite | str | None:
    """The merged Affine, or why the two stay apart."""
    before = uses.producer.get(node.inputs[0])
    if not isinstance(node.op, Affine) or before is None or not isinstance(before.op, Affine):
        return None
    if before.op.activation is not None:
        return f"the activation {before.op.activation.name} lies between it and layer {before.layer!r}"
    for reason in (
        uses.kept_because(before.output, node),
        uses.shared_because(before),
        uses.shared_because(node),
    ):
        if reason:
            return reason
    scale1, offset1 = (graph.constants[v].astype(np.float64) for v in before.inputs[1:3])
    scale2, offset2 = (graph.constants[v].astype(np.float64) for v in node.inputs[1:3])
    shift2 = graph.constants[node.inputs[3]].astype(np.float64) if len(node.inputs) > 3 else np.zeros(())
    with np.errstate(all="ignore"):
        scale, offset = scale1 * scale2, (offset1 - shift2) * scale2 + offset2
    if scale.size > max(scale1.size, scale2.size) or offset.size > max(offset1.size, offset2.size):
        return f"it varies along other axes than layer {before.layer!r}"
    if len(node.inputs) > 3:
        reason = cancels(shift2 - offset1, spread_of(graph, node.inputs[3], scale2))
        if reason:
            return reason
    reason = leaves_float32(scale, offset)
    if reason:
        return reason
    layer = joined(before, node)
    names = fresh(graph, f"{layer}/scale"), fresh(graph, f"{layer}/offset")
    merged = Node(node.op, (before.inputs[0], *names, *before.inputs[3:]), node.output, layer)
    return Rewrite((before, node), merged, dict(zip(names, (scale, offset), strict=True)))
