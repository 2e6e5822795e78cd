"""C of random numbers for each row, and of what training and evaluation have in their places."""

from __future__ import annotations

from math import prod

from foldnet.codegen.batch import StepWriter
from foldnet.codegen.writer import Rule
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.chance.op import Choose, ChosenGradient, Draw, InTraining


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


def choose(e: StepWriter, node: Node[Choose]) -> None:
    """By a function, whose threads share the elements."""
    which, *values = (e.place(v) for v in node.inputs)
    size = e.size(node.output)
    given = f"{which}, {e.place(node.output)}, R, LOW({size}), HIGH({size})"
    e.add("{", f"const float *const values[] = {{{', '.join(values)}}};")
    e.add(f"choose_values(values, {len(values)}, {given});", "}")
    e.wait()


def chosen_gradient(e: StepWriter, node: Node[ChosenGradient]) -> None:
    """Where the row's number is the value's."""
    k, last = node.op.number, node.op.count - 1
    least = f"{{0}} >= {k}.0f" if k else "1"
    most = f"!({{0}} >= {k + 1}.0f)" if k < last else "1"
    test = f"{least} && {most}"
    shape = e.shape(node.output)
    which, g = node.inputs
    operands = [e.write(node.output), e.spread(which, shape), e.read(g)]
    e.nest(shape, operands, lambda y, n, x: f"{y} = {test.format(n)} ? {x} : 0.0f;")


RULES: dict[type[Op], Rule] = {
    Choose: choose,
    ChosenGradient: chosen_gradient,
    Draw: draw,
    InTraining: in_training,
}
