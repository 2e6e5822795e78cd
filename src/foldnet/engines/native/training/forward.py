"""For each op, the C that computes it in a training program, [element][row] by [element][row]."""

from __future__ import annotations

from collections.abc import Callable

from foldnet.codegen.loops import strides_of
from foldnet.engines.native.training import along as train_along
from foldnet.engines.native.training import batch as train_batch
from foldnet.engines.native.training import norm as train_norm
from foldnet.engines.native.training import parts as train_parts
from foldnet.engines.native.training import structure as train_structure
from foldnet.engines.native.training.emit import Emitter
from foldnet.engines.native.training.layout import Operand
from foldnet.graph.graph import Node
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import CumulativeSum, Glu, GroupMoments, Moments, Reduce, Softmax, Sparsemax
from foldnet.operations.batch.op import BatchNorm, BatchReduce, BatchRenorm, Drop, FixedNorm
from foldnet.operations.elementwise.c import text_at
from foldnet.operations.elementwise.op import Binary, Unary, Where
from foldnet.operations.matrix.op import Dense, Dot, Product, TurnedDense
from foldnet.operations.structure.op import Cast, Concatenate, Gather, OneHot, Pick, Repeat, Slice, Transpose


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


def _glu(e: Emitter, node: Node) -> None:
    op = node.op
    assert isinstance(op, Glu)
    shape, whole = e.shape(node.output), e.shape(node.inputs[0])
    half = strides_of(whole)[op.axis - 1] * shape[op.axis - 1]
    x = e.place(node.inputs[0])
    strides = strides_of(whole)
    operands = [e.target(node.output), Operand(x, strides), Operand(f"({x} + {half} * R)", strides)]
    e.nest(shape, operands, lambda y, a, b: f"{y} = {a} * fn_sigmoid({b});")


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
    if isinstance(op, Unary | Binary | Where):
        elementwise(e, node, _by_text(text_at(e.graph, node)))
    else:
        RULES[type(op)](e, node)


RULES: dict[type, Callable[[Emitter, Node], None]] = {
    Affine: _affine,
    Cast: train_structure.cast,
    Concatenate: train_structure.concatenate,
    Dense: train_batch.dense,
    Dot: train_structure.dot,
    Gather: train_structure.gather,
    Glu: _glu,
    GroupMoments: train_along.moments,
    Moments: train_along.moments,
    Repeat: train_structure.repeat,
    Softmax: train_along.softmax,
    Sparsemax: train_along.sparsemax,
    Transpose: train_structure.transpose,
    BatchNorm: train_norm.norm,
    BatchReduce: train_along.batch_reduce,
    BatchRenorm: train_norm.norm,
    Drop: train_batch.drop,
    FixedNorm: train_norm.norm,
    OneHot: train_structure.one_hot,
    Reduce: train_along.reduce,
    TurnedDense: train_batch.turned_dense,
    Slice: train_parts.slice_,
    Pick: train_parts.pick,
    Product: train_parts.product,
    CumulativeSum: train_parts.cumulative_sum,
}
"""How ops that are not plain expressions are computed."""
