"""C of random numbers for each row, and of what training and evaluation have in their places."""

from __future__ import annotations

from math import prod

from foldnet.codegen.batch import StepWriter
from foldnet.codegen.writer import Rule
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.chance.op import Draw, InTraining


def draw(e: StepWriter, node: Node[Draw]) -> None:
    """By a function, four numbers at a time."""
    op, count = node.op, prod(node.op.shape)
    quads, each = -(-count // 4), 0 if op.shared else 1
    to = e.place(node.output)
    given = f"{count}, ROW_0, R, {each}, LOW({quads}), HIGH({quads}), TRAINING, step"
    key = f"(Key){{(uint32_t)seed, {op.stream & 0xFFFFFFFF}u}}"
    if op.kind == "uniform":
        e.add_ahead(f"random_uniforms({to}, {given}, {key});")
    else:
        e.add_ahead(f"random_normals(NULL, {to}, {given}, {key}, 1.0f);")


def in_training(e: StepWriter, node: Node[InTraining]) -> None:
    """One operand or the other."""
    shape = e.shape(node.output)
    operands = [e.write(node.output), *(e.read(v) for v in node.inputs)]
    e.nest(shape, operands, lambda y, a, b: f"{y} = TRAINING ? {a} : {b};")


RULES: dict[type[Op], Rule] = {Draw: draw, InTraining: in_training}
