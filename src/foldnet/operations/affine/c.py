"""A scaling and an offset in C."""

from __future__ import annotations

from foldnet.codegen.writer import Rule, Writer
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.affine.op import Affine
from foldnet.operations.elementwise.c import activated


def affine(w: Writer, node: Node[Affine]) -> None:
    """``(x - shift) * scale + offset``."""
    op, shape = node.op, w.shape(node.output)
    operands = [w.write(node.output), *(w.spread(v, shape) for v in node.inputs)]

    def statement(y: str, x: str, scale: str, offset: str, shift: str = "") -> str:
        value = w.multiply_add(f"{x} - {shift}" if shift else x, scale, offset)
        return f"{y} = {activated(op.activation, value)};"

    w.nest(shape, operands, statement)


RULES: dict[type[Op], Rule] = {Affine: affine}
