"""A scaling moves past what picks positions, and past a maximum of them; past zeros around if it keeps zeros.

It stays beside mixtures, as their weights add up to 1 only to rounding, so that an offset would be another number.
"""

from __future__ import annotations

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.folds import Commutes, Fold, Scaling
from foldnet.operations.resampling.op import AdaptiveMax, CutToShape, Nearest, PadToShape


def _past_nearest(graph: Graph, node: Node[Nearest], scaling: Scaling) -> Scaling | str:
    return scaling.why_not_past(node, (node.op.axis,), keeps_order=False) or scaling


def _past_max(graph: Graph, node: Node[AdaptiveMax], scaling: Scaling) -> Scaling | str:
    return scaling.why_not_past(node, (node.op.axis,), keeps_order=True) or scaling


def _past_cut(graph: Graph, node: Node[CutToShape], scaling: Scaling) -> Scaling | str:
    return scaling.why_not_past(node, node.op.axes, keeps_order=False) or scaling


def _past_pad(graph: Graph, node: Node[PadToShape], scaling: Scaling) -> Scaling | str:
    if node.op.value:
        return f"what layer {node.layer!r} puts around its input would no longer be that number"
    reason = scaling.why_not_past(node, node.op.axes, keeps_order=False)
    return reason or scaling.why_not_past_zeros(node) or scaling


RULES: dict[type[Op], Fold] = {
    Nearest: Fold(commutes=Commutes(_past_nearest, _past_nearest, any_function=True)),
    AdaptiveMax: Fold(commutes=Commutes(_past_max, _past_max)),
    CutToShape: Fold(commutes=Commutes(_past_cut, _past_cut, any_function=True)),
    PadToShape: Fold(commutes=Commutes(_past_pad, _past_pad)),
}
