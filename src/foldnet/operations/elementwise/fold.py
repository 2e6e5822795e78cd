"""Folding of elementwise functions: which ones are a scaling, and which one is the identity."""

from __future__ import annotations

import numpy as np

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import FLOAT, Op
from foldnet.operations.elementwise.op import Binary, Unary
from foldnet.operations.folds import Fold, Scaling


def _is_linear(graph: Graph, node: Node[Unary]) -> bool:
    function = node.op.function
    return function.name == "linear" and function.function is None


def _between(node: Node[Unary]) -> str:
    return f"the activation {node.op.function.name} of layer {node.layer!r} lies between"


def _negative(graph: Graph, node: Node[Unary]) -> Scaling | None:
    function = node.op.function
    is_float = {graph.types[v].dtype for v in (node.inputs[0], node.output)} == {FLOAT}
    if function.name != "negative" or function.params or function.function is not None or not is_float:
        return None
    one = np.ones((1,) * (len(graph.types[node.output].shape) - 1))
    return Scaling(-one, 0 * one)


def _with_a_constant(graph: Graph, node: Node[Binary]) -> Scaling | None:
    """``x + c``, ``c - x`` and the like, where x has the result's shape and c is finite and keeps it invertible."""
    op = node.op
    kind = op.kind
    left_is_x = node.inputs[0] not in graph.constants
    x, number = node.inputs if left_is_x else reversed(node.inputs)
    type_ = graph.types[node.output]
    if kind not in ("add", "subtract", "multiply", "divide") or op.activation is not None:
        return None
    if type_.dtype != FLOAT:
        return None
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
            return Scaling(one, c)
        case "subtract":
            return Scaling(one, -c) if left_is_x else Scaling(-one, c)
        case "multiply":
            return Scaling(c, zero)
    return Scaling(1 / c, zero)


def _terms(graph: Graph, node: Node[Binary], scaling: Scaling) -> list[Scaling] | str:
    """``(a + b - m) s + o = ((a - m) s + o) + b s``, where no operand is spread over the other."""
    type_ = graph.types[node.output]
    if node.op.kind not in ("add", "subtract") or node.op.activation is not None:
        return f"what comes before it, {node.op.kind} of layer {node.layer!r}, takes no scaling into its operands"
    if any(v in graph.constants or graph.types[v] != type_ for v in node.inputs):
        return f"an operand of layer {node.layer!r} is spread over the other"
    return [scaling, Scaling(scaling.scale, np.zeros_like(scaling.offset))]


RULES: dict[type[Op], Fold] = {
    Unary: Fold(is_nothing=_is_linear, arithmetic=_negative, between=_between),
    Binary: Fold(arithmetic=_with_a_constant, pieces=_terms),
}
