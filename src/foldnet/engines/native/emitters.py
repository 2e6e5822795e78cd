"""A graph as C statements: which function writes which op."""

from __future__ import annotations

from collections.abc import Callable

from foldnet.engines.native import body_along, body_dense, body_elements
from foldnet.engines.native.body import Body
from foldnet.engines.native.layout import ALIASES
from foldnet.errors import UnsupportedError
from foldnet.graph import ops, train_ops
from foldnet.graph.graph import Node

EMITTERS: dict[type[ops.Op], Callable[[Body, Node], None]] = {
    ops.Dense: body_dense.dense,
    ops.Affine: body_elements.affine,
    ops.Activation: body_elements.activation,
    ops.PRelu: body_elements.prelu,
    ops.Softmax: body_along.softmax,
    ops.Sparsemax: body_along.sparsemax,
    ops.Glu: body_elements.glu,
    ops.Moments: body_along.moments,
    ops.GroupMoments: body_along.group_moments,
    ops.Reshape: body_elements.copy,
    ops.Identity: body_elements.copy,
    ops.Transpose: body_elements.transpose,
    ops.Repeat: body_elements.repeat,
    ops.Binary: body_elements.binary,
    ops.Concatenate: body_elements.concatenate,
    ops.Dot: body_along.dot,
    ops.Gather: body_elements.gather,
    ops.Cast: body_elements.cast,
    train_ops.Combine: body_elements.combine,
    train_ops.Where: body_elements.where,
    train_ops.Reduce: body_along.reduce,
}
"""How each op is written; a test holds this to the closed set."""


def statements(body: Body) -> list[str]:
    """The statements of all nodes, in order.

    Raises:
        UnsupportedError: an op that only the reference engine computes.
    """
    for node in body.graph.nodes:
        if isinstance(node.op, ALIASES) and body.plan.roots[node.output] != node.output:
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
    # A name out of a file must not end the comment, nor join lines or make trigraphs.
    return f"{''.join(c if c.isalnum() and c.isascii() else '_' for c in node.layer)}: {kind}"
