"""A scaling commutes with a mean, max or min if it is constant along the reduced axes."""

from __future__ import annotations

import numpy as np

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.along.op import Reduce
from foldnet.operations.folds import Commutes, Fold, Scaling


def _forward(graph: Graph, node: Node[Reduce], scaling: Scaling) -> Scaling | str | None:
    """The same scaling without the reduced axes."""
    op = node.op
    if op.kind not in ("mean", "max", "min"):
        return None
    why = scaling.why_not_past(node, op.axes, keeps_order=op.kind != "mean")
    if why or op.keepdims:
        return why or scaling
    return scaling.each(lambda array: array.squeeze(_rows(op)) if array.ndim else array)


def _backward(graph: Graph, node: Node[Reduce], scaling: Scaling) -> Scaling | str | None:
    """The same scaling with the reduced axes added back."""
    op = node.op
    if op.kind not in ("mean", "max", "min"):
        return None
    if not op.keepdims:
        scaling = scaling.each(lambda array: np.expand_dims(array, _rows(op)))
    return scaling.why_not_past(node, op.axes, keeps_order=op.kind != "mean") or scaling


def _rows(op: Reduce) -> tuple[int, ...]:
    return tuple(axis - 1 for axis in op.axes)


RULES: dict[type[Op], Fold] = {Reduce: Fold(commutes=Commutes(_forward, _backward))}
