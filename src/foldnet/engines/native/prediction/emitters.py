"""A graph as C statements: which function writes which op."""

from __future__ import annotations

from collections.abc import Callable

from foldnet.engines.native.prediction import body_along, body_dense, body_elements, body_expressions
from foldnet.engines.native.prediction.body import Body
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import CumulativeSum, Glu, GroupMoments, Moments, Reduce, Softmax, Sparsemax
from foldnet.operations.elementwise.op import Binary, Unary, Where
from foldnet.operations.matrix.op import Dense, Dot, Product
from foldnet.operations.structure.op import (
    Cast,
    Concatenate,
    Gather,
    Identity,
    OneHot,
    Pick,
    Repeat,
    Reshape,
    Slice,
    Transpose,
)

EMITTERS: dict[type[Op], Callable[[Body, Node], None]] = {
    Dense: body_dense.dense,
    Affine: body_elements.affine,
    Softmax: body_along.softmax,
    Sparsemax: body_along.sparsemax,
    Glu: body_elements.glu,
    Moments: body_along.moments,
    GroupMoments: body_along.group_moments,
    Reshape: body_elements.copy,
    Identity: body_elements.copy,
    Transpose: body_elements.transpose,
    Repeat: body_elements.repeat,
    Concatenate: body_elements.concatenate,
    Dot: body_along.dot,
    Gather: body_elements.gather,
    Cast: body_elements.cast,
    Unary: body_expressions.function,
    Binary: body_expressions.function,
    Where: body_expressions.function,
    Reduce: body_expressions.reduce,
    OneHot: body_expressions.one_hot,
    Slice: body_expressions.slice_,
    Pick: body_expressions.pick,
    Product: body_expressions.product,
    CumulativeSum: body_expressions.cumulative_sum,
}
"""How each op is written; a test holds this to the closed set."""


def statements(body: Body) -> list[str]:
    """The statements of all nodes, in order.

    Raises:
        UnsupportedError: an op that only the reference engine computes.
    """
    for node in body.graph.nodes:
        if node.op.aliases and body.plan.roots[node.output] != node.output:
            continue
        emitter = EMITTERS.get(type(node.op))
        if emitter is None:
            raise UnsupportedError(
                f'layer {node.layer!r}: {type(node.op).__name__} has no compiled form; use engine="reference"'
            )
        start = len(body.lines)
        emitter(body, node)
        if len(body.lines) > start:
            body.lines.insert(start, f"  /* {_comment(node, body.names)} */")
    return body.lines


def _comment(node: Node, names: bool) -> str:
    kind = type(node.op).__name__
    if not names or not node.layer:
        return kind
    function = node.op.function if isinstance(node.op, Unary) else getattr(node.op, "activation", None)
    kind += f", {_plain(function.name)}" if function is not None else ""
    return f"{_plain(node.layer)}: {kind}"


def _plain(name: str) -> str:
    """A name out of a file must not end the comment, nor join lines or make trigraphs."""
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in name)
