"""Sums of products in C."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from foldnet.codegen.loops import Strides
from foldnet.codegen.writer import Writer
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.matrix.loops import dot_loops, product_loops
from foldnet.operations.matrix.op import Dense, Dot, Product, TurnedDense


def dense(w: Writer, node: Node) -> None:
    """A product with a kernel, in the way that suits how rows lie."""
    w.dense(node, turned=isinstance(node.op, TurnedDense))


def _summed(w: Writer, node: Node, sizes: Sequence[int], strides: Sequence[Strides]) -> None:
    """Products, summed in order."""
    w.zero(node.output)
    y, a, b = node.output, *node.inputs
    operands = [w.write(y, strides[0]), w.read(a, strides[1]), w.read(b, strides[2])]
    w.nest(sizes, operands, lambda y, a, b: f"{y} = {w.multiply_add(a, b, y)};", sums=True)


def dot(w: Writer, node: Node) -> None:
    """Products summed along the contracted axes."""
    assert isinstance(node.op, Dot)
    _summed(w, node, *dot_loops(node.op, *map(w.shape, node.inputs)))


def product(w: Writer, node: Node) -> None:
    """Products summed over the letters that the result has not."""
    assert isinstance(node.op, Product)
    _summed(w, node, *product_loops(node.op, *map(w.shape, node.inputs)))


RULES: dict[type[Op], Callable[[Writer, Node], None]] = {
    Dense: dense,
    TurnedDense: dense,
    Dot: dot,
    Product: product,
}
