"""Fold arithmetic with constants between layers (``x * 2``, ``1 - x``) where a scaling would fold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node, constant_type
from foldnet.graph.op import Op
from foldnet.operations.affine.op import Affine
from foldnet.operations.folds import fold_of
from foldnet.passes.fold_backward import plan as plan_backward
from foldnet.passes.fold_forward import plan as plan_forward
from foldnet.passes.merge_affines import plan as plan_merge
from foldnet.passes.rewriting import Rewrite, Uses, exhaust, fresh


def fold_arithmetic(graph: Graph) -> Graph:
    """Turn arithmetic with a constant into an Affine, if another pass can then fold or merge it.

    Otherwise it is not changed, so that the result keeps its bits: ``x / 3`` is not
    ``x * (1 / 3)`` in float32, and ``-0.0 * 2 + 0`` is not ``-0.0``.
    """
    return exhaust(graph, plan)


def plan(graph: Graph, uses: Uses, node: Node[Op]) -> Rewrite | str | None:
    """The Affine, or the reason why it would not fold."""
    arithmetic = fold_of(node.op).arithmetic
    found = arithmetic(graph, node) if arithmetic else None
    if found is None:
        return None
    scale, offset = found.scale, found.offset
    zero = np.zeros_like(offset)
    # The node before takes an offset at no cost. The node after would take it times its kernel, which may cancel:
    # there the offset is written as a mean to subtract, so that the pass measures the precision.
    added = _affine(graph, node, scale, offset)
    before = _folded_with_before(*_with(graph, uses, added), added.node)
    if before is None:
        return added
    subtracted = _affine(graph, node, scale, zero, -offset / scale) if offset.any() else added
    after = _folded_into_next(*_with(graph, uses, subtracted), subtracted.node)
    if after is None:
        return subtracted
    return f"Not folded into what comes before it: {before}. Not folded into what follows: {after}."


def _affine(graph: Graph, node: Node[Op], scale: Array, offset: Array, *shift: Array) -> Rewrite:
    """The node as an Affine."""
    x = next(v for v in node.inputs if v not in graph.constants)
    arrays = dict(zip(("scale", "offset", "shift"), (scale, offset, *shift), strict=False))
    constants = {fresh(graph, f"{node.layer}/{name}"): array for name, array in arrays.items()}
    affine = Node(Affine(), (x, *constants), node.output, node.layer)
    return Rewrite((node,), affine, constants)


def _with(graph: Graph, uses: Uses, rewrite: Rewrite) -> tuple[Graph, Uses]:
    """The graph's index as if the node were the Affine; building such a graph would take too long."""
    types = {name: constant_type(array) for name, array in rewrite.constants.items()}
    seen = replace(graph, constants={**graph.constants, **rewrite.constants}, types={**graph.types, **types})
    return seen, uses.with_node(rewrite.replaced[0], rewrite.node)


def _folded_with_before(graph: Graph, uses: Uses, node: Node[Op]) -> str | None:
    """Why an Affine folds neither into the node before it nor into an Affine after it; None if it does."""
    tried = [plan_merge(graph, uses, node) or plan_backward(graph, uses, node)]
    tried += [plan_merge(graph, uses, n) for n in uses.consumers.get(node.output, ())]
    return None if any(isinstance(t, Rewrite) for t in tried) else str(tried[0])


def _folded_into_next(graph: Graph, uses: Uses, node: Node[Op]) -> str | None:
    """Why an Affine does not fold into the node after it; None if it does."""
    found = plan_forward(graph, uses, node)
    return None if isinstance(found, Rewrite) else str(found)
