"""Element by element in C: arithmetic on values, and moving them about."""

from __future__ import annotations

from math import prod

from foldnet.codegen.loops import nest, strides_of
from foldnet.engines.native.prediction.body import Body
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Node
from foldnet.graph.op import FLOAT
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import Glu
from foldnet.operations.elementwise.c import activated
from foldnet.operations.structure.op import Cast, Concatenate, Transpose


def affine(body: Body, node: Node) -> None:
    """``(x - shift) * scale + offset``."""
    op = node.op
    assert isinstance(op, Affine)
    rank = len(body.shape(node.output))
    operands = [body.operand(node.output), body.operand(node.inputs[0])]
    operands += [body.spread(v, rank) for v in node.inputs[1:]]

    def line(y: str, x: str, scale: str, offset: str, shift: str = "") -> str:
        value = f"FMA({f'{x} - {shift}' if shift else x}, {scale}, {offset})"
        return f"{y} = {activated(op.activation, value)};"

    body.loop(node, operands, line)


def glu(body: Body, node: Node) -> None:
    """The first half times the sigmoid of the second."""
    op = node.op
    assert isinstance(op, Glu)
    x = node.inputs[0]
    steps = strides_of(body.shape(x))
    half = body.shape(node.output)[op.axis - 1] * steps[op.axis - 1]
    operands = [body.operand(node.output), body.operand(x, steps), body.operand(x, steps, half)]
    body.loop(node, operands, lambda y, a, b: f"{y} = {a} * fn_sigmoid({b});")


def cast(body: Body, node: Node) -> None:
    """Between floats and indices; a float that is no index is reported."""
    op = node.op
    assert isinstance(op, Cast)
    was = body.graph.types[node.inputs[0]].dtype
    operands = [body.operand(node.output), body.operand(node.inputs[0])]
    if was == op.dtype or op.dtype == FLOAT:
        body.loop(node, operands, lambda y, x: f"{y} = {x if was == op.dtype else f'(float){x}'};")
        return
    at = f"i * {body.lanes} + l"
    x, y = (f"{operand.base}[{at}]" for operand in reversed(operands))
    body.lines += [
        f"  for (int i = 0; i < {prod(body.shape(node.output))}; i++)",
        f"    for (int l = 0; l < {body.lanes}; l++) {{",
        f"      if (!fn_is_index({x}))",
        f"        BAD(l, {body.fault(node)});",
        f"      {y} = fn_to_int({x});",
        "    }",
    ]


def copy(body: Body, node: Node) -> None:
    """The operand's elements as they are."""
    strides = strides_of(body.shape(node.output))
    operands = [body.operand(node.output), body.operand(node.inputs[0], strides)]
    body.loop(node, operands, lambda y, x: f"{y} = {x};")


def transpose(body: Body, node: Node) -> None:
    """The operand by permuted strides."""
    op = node.op
    assert isinstance(op, Transpose)
    steps = strides_of(body.shape(node.inputs[0]))
    operands = [
        body.operand(node.output),
        body.operand(node.inputs[0], [steps[p - 1] for p in op.permutation[1:]]),
    ]
    body.loop(node, operands, lambda y, x: f"{y} = {x};")


def repeat(body: Body, node: Node) -> None:
    """The operand again and again."""
    steps = strides_of(body.shape(node.inputs[0]))
    operands = [body.operand(node.output), body.operand(node.inputs[0], (0, *steps))]
    body.loop(node, operands, lambda y, x: f"{y} = {x};")


def concatenate(body: Body, node: Node) -> None:
    """The operands one after the other."""
    op = node.op
    assert isinstance(op, Concatenate)
    steps = strides_of(body.shape(node.output))
    start = 0
    for value in node.inputs:
        shape = body.shape(value)[-len(steps) :]
        operands = [
            body.operand(node.output, steps, start * steps[op.axis - 1]),
            body.operand(value, strides_of(shape)),
        ]
        body.lines += nest(shape, operands, body.lanes, lambda y, x: f"{y} = {x};", "  ")
        start += shape[op.axis - 1]


def gather(body: Body, node: Node) -> None:
    """Rows of a table; an index outside it is reported, and nothing is read there."""
    index, table = node.inputs
    count, width = body.shape(table)
    positions, lanes = prod(body.shape(index)), body.lanes
    number = body.fault(node)
    if count == 0:
        raise UnsupportedError(f"layer {node.layer!r}: its table has no rows")
    body.lines += [
        f"  for (int p = 0; p < {positions}; p++)",
        f"    for (int l = 0; l < {lanes}; l++) {{",
        f"      int32_t k = {body.base(index)}[p * {lanes} + l];",
        f"      if (k < 0 || k >= {count}) {{",
        f"        BAD(l, {number});",
        "        k = 0;",
        "      }",
        f"      for (int c = 0; c < {width}; c++)",
        f"        {body.base(node.output)}[(p * {width} + c) * {lanes} + l] = "
        f"{body.base(table)}[k * {width} + c];",
        "    }",
    ]
