"""A scaling passes pooling where it is the same at every position of a window."""

from __future__ import annotations

from typing import cast

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.folds import Commutes, Fold, Scaling
from foldnet.operations.windows.op import Pool


def _past(graph: Graph, node: Node, scaling: Scaling) -> Scaling | str:
    """The same scaling: of a mean always, of a largest value where it is positive and keeps the order."""
    op = cast(Pool, node.op)
    arrays = (scaling.scale, scaling.offset, scaling.shift)
    if any(a is not None and a.ndim and any(a.shape[axis - 1] != 1 for axis in op.axes) for a in arrays):
        return f"its numbers vary within the windows of layer {node.layer!r}"
    if op.kind == "max" and not (scaling.scale > 0).all():
        return f"it multiplies by a number that is not positive, which changes what is largest for layer {node.layer!r}"
    return scaling


RULES: dict[type[Op], Fold] = {Pool: Fold(commutes=Commutes(_past, _past))}
