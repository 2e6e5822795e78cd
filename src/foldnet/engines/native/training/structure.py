"""Forward C of the ops that move values: transposing, joining, looking up, and products along axes."""

from __future__ import annotations

from foldnet.codegen.loops import strides_of
from foldnet.engines.native.training.emit import Emitter
from foldnet.engines.native.training.layout import Operand
from foldnet.graph.graph import Node
from foldnet.operations.matrix.op import Dot
from foldnet.operations.structure.op import Concatenate, OneHot, Transpose


def transpose(e: Emitter, node: Node) -> None:
    """A copy in another order."""
    op = node.op
    assert isinstance(op, Transpose)
    source = strides_of(e.shape(node.inputs[0]))
    strides = tuple(source[p - 1] for p in op.permutation[1:])
    kind = e.target(node.output).kind
    x = Operand(e.place(node.inputs[0]), strides, True, kind)
    e.nest(e.shape(node.output), [e.target(node.output), x], lambda y, x: f"{y} = {x};")


def repeat(e: Emitter, node: Node) -> None:
    """A copy for each repetition."""
    shape = e.shape(node.output)
    x = Operand(e.place(node.inputs[0]), (0, *strides_of(shape[1:])), True, e.target(node.output).kind)
    e.nest(shape, [e.target(node.output), x], lambda y, x: f"{y} = {x};")


def pieces(e: Emitter, node: Node) -> list[tuple[str, tuple[int, ...], int]]:
    """Each operand of a Concatenate, its shape, and where in the result it starts."""
    op = node.op
    assert isinstance(op, Concatenate)
    step, at, found = strides_of(e.shape(node.output))[op.axis - 1], 0, []
    for value in node.inputs:
        found.append((value, e.shape(value), at * step))
        at += e.shape(value)[op.axis - 1]
    return found


def concatenate(e: Emitter, node: Node) -> None:
    """A copy of each operand to its place."""
    y, kind = e.place(node.output), e.target(node.output).kind
    for value, shape, at in pieces(e, node):
        target = Operand(f"({y} + {at} * R)", strides_of(e.shape(node.output)), True, kind, True)
        e.nest(shape, [target, Operand(e.place(value), strides_of(shape), e.laned(value), e.target(value).kind)],
               lambda y, x: f"{y} = {x};")  # fmt: skip


def dot_strides(
    e: Emitter, node: Node
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Loops of a Dot: shape over free axes and the contracted one, and strides of the result and the operands."""
    op = node.op
    assert isinstance(op, Dot)
    a, b = (e.shape(v) for v in node.inputs)
    i, j = op.axes[0] - 1, op.axes[1] - 1
    free_a, free_b = [k for k in range(len(a)) if k != i], [k for k in range(len(b)) if k != j]
    shape = (*(a[k] for k in free_a), *(b[k] for k in free_b), a[i])
    sa, sb = strides_of(a), strides_of(b)
    of_a = (*(sa[k] for k in free_a), *(0 for _ in free_b), sa[i])
    of_b = (*(0 for _ in free_a), *(sb[k] for k in free_b), sb[j])
    of_y = (*strides_of(shape[:-1]), 0)
    return shape, of_y, of_a, of_b


def dot(e: Emitter, node: Node) -> None:
    """Sums of products along the contracted axes."""
    shape, of_y, of_a, of_b = dot_strides(e, node)
    y = e.place(node.output)
    e.add(f"if (FIRST) memset({y}, 0, sizeof(float) * {e.size(node.output)}L * R);", "BARRIER")
    operands = [Operand(y, of_y, True, "float", True)]
    operands += [Operand(e.place(v), s) for v, s in zip(node.inputs, (of_a, of_b), strict=True)]
    e.nest(shape, operands, lambda y, a, b: f"{y} += {a} * {b};", serial=True)


def gather(e: Emitter, node: Node) -> None:
    """Rows of a table."""
    count, width = e.shape(node.inputs[1])
    e.add(
        f"look_up({e.place(node.inputs[0])}, {e.place(node.inputs[1])}, {e.place(node.output)}, "
        f"{e.size(node.inputs[0])}, {count}, {width}, R, rows, job, LOW({width}), HIGH({width}));",
        "BARRIER",
    )


def cast(e: Emitter, node: Node) -> None:
    """To indices or to floats."""
    if e.is_int(node.output) and not e.is_int(node.inputs[0]):
        _converted(e, node, "fn_to_int({0})")
    elif e.is_int(node.inputs[0]):
        _converted(e, node, "(float){0}")


def one_hot(e: Emitter, node: Node) -> None:
    """A comparison with each index."""
    op = node.op
    assert isinstance(op, OneHot)
    x, y = node.inputs[0], e.place(node.output)
    e.add(
        f"for (long i = LOW({e.size(x)}); i < HIGH({e.size(x)}); i++) for (long k = 0; k < {op.size}; k++) "
        f"ROWS(r, 0, R) {{ {y}[(i * {op.size} + k) * R + r] = {e.place(x)}[i * R + r] == k ? 1.0f : 0.0f; }}",
        "BARRIER",
    )


def _converted(e: Emitter, node: Node, text: str) -> None:
    shape = e.shape(node.output)
    x = e.operand(node.inputs[0], shape)
    e.nest(shape, [e.target(node.output), x], lambda y, x: f"{y} = {text.format(x)};")
