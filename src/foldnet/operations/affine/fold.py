"""Folding of a scaling and offset: into other operations, or merged with another scaling."""

from __future__ import annotations

import numpy as np

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.affine.op import Affine
from foldnet.operations.folds import Fold, Scaling, weights_of


def _is_nothing(graph: Graph, node: Node[Affine]) -> bool:
    scale, *others = (graph.constants[v] for v in node.inputs[1:])
    return node.op.activation is None and bool((scale == 1).all() and not any(np.any(o) for o in others))


def _scaling(graph: Graph, node: Node[Affine]) -> Scaling:
    """Its own numbers; the spread is the one learned with the mean, else the inverse of the scale."""
    scale, offset, *shift = weights_of(graph, node)
    if not shift:
        return Scaling(scale, offset)
    learned = graph.spreads.get(node.inputs[3])
    with np.errstate(divide="ignore"):
        spread = 1 / np.abs(scale) if learned is None else learned
    return Scaling(scale, offset, shift[0], np.asarray(spread, np.float64))


RULES: dict[type[Op], Fold] = {Affine: Fold(is_nothing=_is_nothing, zeros=3, scaling=_scaling)}
