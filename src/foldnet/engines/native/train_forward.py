"""For each op, the C that computes it in a training program, [element][row] by [element][row]."""

from __future__ import annotations

from collections.abc import Callable

from foldnet.engines.native import maths, train_along, train_batch, train_norm, train_parts, train_structure
from foldnet.engines.native.body_expressions import text_of
from foldnet.engines.native.loops import strides_of
from foldnet.engines.native.train_emit import Emitter
from foldnet.engines.native.train_layout import Operand
from foldnet.graph import ops, train_ops
from foldnet.graph.graph import Node


def elementwise(e: Emitter, node: Node, body: Callable[..., str]) -> None:
    """An op whose every element is ``body(*operands)``."""
    shape = e.shape(node.output)
    operands = [e.operand(v, shape) for v in node.inputs]
    e.nest(shape, [e.target(node.output), *operands], lambda y, *xs: f"{y} = {body(*xs)};")


def _affine(e: Emitter, node: Node) -> None:
    if len(node.inputs) > 3:
        elementwise(e, node, lambda x, s, o, m: f"({x} - {m}) * {s} + {o}")
    else:
        elementwise(e, node, lambda x, s, o: f"{x} * {s} + {o}")


def _activation(e: Emitter, node: Node) -> None:
    op = node.op
    assert isinstance(op, ops.Activation)
    elementwise(e, node, lambda x: maths.call(op.function, x))


def _glu(e: Emitter, node: Node) -> None:
    op = node.op
    assert isinstance(op, ops.Glu)
    shape, whole = e.shape(node.output), e.shape(node.inputs[0])
    half = strides_of(whole)[op.axis - 1] * shape[op.axis - 1]
    x = e.place(node.inputs[0])
    strides = strides_of(whole)
    operands = [e.target(node.output), Operand(x, strides), Operand(f"({x} + {half} * R)", strides)]
    e.nest(shape, operands, lambda y, a, b: f"{y} = {a} * fn_sigmoid({b});")


def _prelu(e: Emitter, node: Node) -> None:
    elementwise(e, node, lambda x, a: f"({x} > 0.0f ? {x} : {a} * {x})")


def _by_text(text: str) -> Callable[..., str]:
    return lambda *xs: text.format(*xs)


def forward(e: Emitter, node: Node) -> None:
    """Emit the C of a node.

    Raises:
        UnsupportedError: a function of the caller's own, which has no compiled form.
    """
    op = node.op
    if e.roots[node.output] != node.output:
        return
    if isinstance(op, train_ops.Unary | train_ops.Combine | train_ops.Where | ops.Binary):
        elementwise(e, node, _by_text(text_of(e.graph, node)))
    else:
        RULES[type(op)](e, node)


RULES: dict[type, Callable[[Emitter, Node], None]] = {
    ops.Activation: _activation,
    ops.Affine: _affine,
    ops.Cast: train_structure.cast,
    ops.Concatenate: train_structure.concatenate,
    ops.Dense: train_batch.dense,
    ops.Dot: train_structure.dot,
    ops.Gather: train_structure.gather,
    ops.Glu: _glu,
    ops.GroupMoments: train_along.moments,
    ops.Moments: train_along.moments,
    ops.PRelu: _prelu,
    ops.Repeat: train_structure.repeat,
    ops.Softmax: train_along.softmax,
    ops.Sparsemax: train_along.sparsemax,
    ops.Transpose: train_structure.transpose,
    train_ops.BatchNorm: train_norm.norm,
    train_ops.BatchReduce: train_along.batch_reduce,
    train_ops.BatchRenorm: train_norm.norm,
    train_ops.Drop: train_batch.drop,
    train_ops.FixedNorm: train_norm.norm,
    train_ops.OneHot: train_structure.one_hot,
    train_ops.Reduce: train_along.reduce,
    train_ops.TurnedDense: train_batch.turned_dense,
    train_ops.Slice: train_parts.slice_,
    train_ops.Pick: train_parts.pick,
    train_ops.Product: train_parts.product,
    train_ops.CumulativeSum: train_parts.cumulative_sum,
}
"""How ops that are not plain expressions are computed."""
