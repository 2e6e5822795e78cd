"""Sums of products in C."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from foldnet.codegen.batch import StepWriter, summed_rows
from foldnet.codegen.expressions import plus, times
from foldnet.codegen.loops import Strides
from foldnet.codegen.writer import Rule, Writer
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.matrix.loops import dot_loops, product_loops, strides_by
from foldnet.operations.matrix.op import Dense, Dot, KernelGradient, Product, ProductGradient, TurnedDense


def dense(w: Writer, node: Node[Dense | TurnedDense]) -> None:
    """A product with a kernel, in the way that suits how rows lie."""
    w.dense(node, turned=isinstance(node.op, TurnedDense))


def _summed(w: Writer, node: Node[Op], sizes: Sequence[int], strides: Sequence[Strides]) -> None:
    """Products, summed in order."""
    if w.products_of(node, sizes, strides):
        return
    w.zero(node.output)
    y, a, b = node.output, *node.inputs
    operands = [w.write(y, strides[0]), w.read(a, strides[1]), w.read(b, strides[2])]
    w.nest(sizes, operands, lambda y, a, b: f"{y} = {w.multiply_add(a, b, y)};", sums=True)


def dot(w: Writer, node: Node[Dot]) -> None:
    """Products summed along the contracted axes."""
    _summed(w, node, *dot_loops(node.op, *map(w.shape, node.inputs)))


def product(w: Writer, node: Node[Product]) -> None:
    """Products summed over the letters that the result has not."""
    _summed(w, node, *product_loops(node.op, *map(w.shape, node.inputs)))


DOTS_UP_TO = 12
"""Units up to which the gradient of a kernel is one sum over rows an element; above, a product of matrices."""


def kernel_gradient(e: StepWriter, node: Node[KernelGradient]) -> None:
    """``x.T @ g`` over rows and positions."""
    x, g = node.inputs
    (fan_in, units), to = e.shape(node.output), e.place(node.output)
    count = prod(e.shape(x)[:-1])
    several = count != 1
    if several and units > DOTS_UP_TO and e.over_positions(node):
        return
    add = "1" if several else e.adds(node.output)
    if several:
        e.zero(node.output)
        e.add(f"for (long t = 0; t < {count}; t++) {{")
    t = "t" if several else 0
    left, right = (plus(e.place(v), times(times(t, n), "R")) for v, n in ((x, fan_in), (g, units)))
    if units <= DOTS_UP_TO:
        e.add(e.dots(units, f"{left}, {right}, LOW({fan_in}), HIGH({fan_in}), R, rows, {to}, {add}"))
    else:
        blocks, panels = -(-units // 16), -(-units // 64)
        turned = e.space(f"turned {panels}", panels * 64)
        e.add(f"to_panels({right}, {units}, R, {turned}, LOW({blocks}), HIGH({blocks}));")
        e.barrier()
        e.add(*e.product(fan_in, units, "rows", (left, "R", 1), turned, 64, to, units, add=add))
        e.barrier()
    if several:
        e.add("}")
    e.wait()


def product_gradient(e: StepWriter, node: Node[ProductGradient]) -> None:
    """The gradient times the other operand, summed over what the operand has not."""
    op, (g, other) = node.op, node.inputs
    axes = [(op.result, e.shape(g)), (op.other, e.shape(other)), (op.own, e.shape(node.output))]
    sizes = {k: n for own, shape in axes for k, n in zip(own, shape, strict=True)}
    letters = "".join(dict.fromkeys(op.result + op.other + op.own))
    strides = [strides_by(letters, own, shape) for own, shape in axes]
    e.zero(node.output)
    operands = [e.write(node.output, strides[2]), e.read(g, strides[0]), e.read(other, strides[1])]
    loops = [sizes[k] for k in letters]
    if op.rows:
        e.nest(loops, operands, lambda t, g, o: f"{t} += {g} * {o};", sums=True)
        return
    e.nest(loops, operands, summed_rows(e), sums=True)


RULES: dict[type[Op], Rule] = {
    Dense: dense,
    TurnedDense: dense,
    Dot: dot,
    Product: product,
    KernelGradient: kernel_gradient,
    ProductGradient: product_gradient,
}
