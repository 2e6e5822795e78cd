"""A scaling commutes with pooling if it is constant within each window."""

from __future__ import annotations

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.folds import Commutes, Fold, Scaling
from foldnet.operations.windows.op import Pool


def _past(graph: Graph, node: Node[Pool], scaling: Scaling) -> Scaling | str:
    """The same scaling: always for a mean; for a maximum only if it keeps the order of values."""
    op = node.op
    return scaling.why_not_past(node, op.axes, keeps_order=op.kind == "max") or scaling


RULES: dict[type[Op], Fold] = {Pool: Fold(commutes=Commutes(_past, _past))}
