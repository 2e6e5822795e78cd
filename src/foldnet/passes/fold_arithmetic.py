"""Arithmetic with constants between layers (``x * 2``, ``1 - x``) folds where a scaling would fold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node, constant_type
from foldnet.graph.op import Elementwise
from foldnet.operations.affine.op import Affine
from foldnet.operations.elementwise.op import Binary, Unary
from foldnet.passes.fold_backward import plan as plan_backward
from foldnet.passes.fold_forward import plan as plan_forward
from foldnet.passes.merge_affines import plan as plan_merge
from foldnet.passes.rewriting import Rewrite, Uses, exhaust, fresh


def fold_arithmetic(graph: Graph) -> Graph:
    """Turn arithmetic with a constant into an Affine, where another pass then folds or merges that.

    Elsewhere it stays as it is, so that it keeps the very bits that the network gives: ``x / 3`` is not
    ``x * (1 / 3)`` in float32, and ``-0.0 * 2 + 0`` is not ``-0.0``.
    """
    return exhaust(graph, plan)


def plan(graph: Graph, uses: Uses, node: Node) -> Rewrite | str | None:
    """The Affine, or why it would not fold."""
    found = scale_and_offset(graph, node)
    if found is None:
        return None
    scale, offset = found
    zero = np.zeros_like(offset)
    # What comes before takes an offset at no cost. What follows would have to take it times its kernel, which may
    # cancel: there the offset is a mean to subtract, which the pass measures.
    added = _affine(graph, node, scale, offset)
    before = _folded_with_before(*_with(graph, uses, added), added.node)
    if before is None:
        return added
    subtracted = _affine(graph, node, scale, zero, -offset / scale) if offset.any() else added
    after = _folded_into_next(*_with(graph, uses, subtracted), subtracted.node)
    if after is None:
        return subtracted
    return f"Not folded into what comes before it: {before}. Not folded into what follows: {after}."


def scale_and_offset(graph: Graph, node: Node) -> tuple[Array, Array] | None:
    """The float64 numbers s and o with which a node computes ``x * s + o``; None if it computes something else."""
    if graph.types[node.output].dtype != "float":
        return None
    match node.op:
        case Unary(Elementwise("negative")):
            one = np.ones((1,) * (len(graph.types[node.output].shape) - 1))
            return (-one, 0 * one) if graph.types[node.inputs[0]].dtype == "float" else None
        case Binary(kind=kind) if kind in ("add", "subtract", "multiply", "divide"):
            return _of_two_operands(graph, node, kind)
    return None


def _of_two_operands(graph: Graph, node: Node, kind: str) -> tuple[Array, Array] | None:
    left_is_x = node.inputs[0] not in graph.constants
    x, number = node.inputs if left_is_x else reversed(node.inputs)
    type_ = graph.types[node.output]
    if number not in graph.constants or graph.types[x] != type_:
        return None
    rank = len(type_.shape) - 1
    array = graph.constants[number]
    if array.ndim not in (0, rank) or not (left_is_x or kind != "divide"):
        return None
    c = array.astype(np.float64).reshape((1,) * rank if array.ndim == 0 else array.shape)
    if not np.isfinite(c).all() or (kind in ("multiply", "divide") and not c.all()):
        return None
    one, zero = np.ones_like(c), np.zeros_like(c)
    match kind:
        case "add":
            return one, c
        case "subtract":
            return (one, -c) if left_is_x else (-one, c)
        case "multiply":
            return c, zero
    return 1 / c, zero


def _affine(graph: Graph, node: Node, scale: Array, offset: Array, *shift: Array) -> Rewrite:
    """The node as an Affine."""
    x = next(v for v in node.inputs if v not in graph.constants)
    arrays = dict(zip(("scale", "offset", "shift"), (scale, offset, *shift), strict=False))
    constants = {fresh(graph, f"{node.layer}/{name}"): array for name, array in arrays.items()}
    affine = Node(Affine(), (x, *constants), node.output, node.layer)
    return Rewrite((node,), affine, constants)


def _with(graph: Graph, uses: Uses, rewrite: Rewrite) -> tuple[Graph, Uses]:
    """What the other passes look at, as if the node were the Affine already; making such a graph would take long."""
    types = {name: constant_type(array) for name, array in rewrite.constants.items()}
    seen = replace(graph, constants={**graph.constants, **rewrite.constants}, types={**graph.types, **types})
    return seen, uses.with_node(rewrite.replaced[0], rewrite.node)


def _folded_with_before(graph: Graph, uses: Uses, node: Node) -> str | None:
    """Why an Affine joins neither what comes before it nor an Affine after it; None if it does."""
    tried = [plan_merge(graph, uses, node) or plan_backward(graph, uses, node)]
    tried += [plan_merge(graph, uses, n) for n in uses.consumers.get(node.output, ())]
    return None if any(isinstance(t, Rewrite) for t in tried) else str(tried[0])


def _folded_into_next(graph: Graph, uses: Uses, node: Node) -> str | None:
    """Why an Affine does not fold into what follows; None if it does."""
    found = plan_forward(graph, uses, node)
    return None if isinstance(found, Rewrite) else str(found)
