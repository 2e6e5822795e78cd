"""Gradients of sums of products."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.gradients import GradientBuilder, Gradients, Rule
from foldnet.operations.matrix.op import Dense, Dot, KernelGradient, Product, ProductGradient, TurnedDense


def dense(b: GradientBuilder, node: Node[Dense], g: str) -> Gradients:
    """``g @ kernel.T`` for x, ``x.T @ g`` for the kernel, and the sum over rows and positions for the bias."""
    x, kernel, *bias = node.inputs
    found: list[str | None] = [None] * len(node.inputs)
    if b.wants(kernel):
        found[1] = b.emit(KernelGradient(), x, g)
    if bias and b.wants(bias[0]):
        found[2] = b.gathered(g, bias[0])
    if b.wants(x):
        found[0] = b.emit(TurnedDense(), g, kernel)
    return found


def turned_dense(b: GradientBuilder, node: Node[TurnedDense], g: str) -> Gradients:
    """``g @ kernel`` for x, and ``g.T @ x`` for the kernel."""
    x, kernel = node.inputs
    on_kernel = b.emit(KernelGradient(), g, x) if b.wants(kernel) else None
    return (b.emit(Dense(), g, kernel) if b.wants(x) else None, on_kernel)


def product(b: GradientBuilder, node: Node[Product], g: str) -> Gradients:
    """For each operand, the gradient times the other operand, summed over the axes that the operand does not have."""
    op = node.op
    return _products(b, node, g, op.result, (op.left, op.right))


def dot(b: GradientBuilder, node: Node[Dot], g: str) -> Gradients:
    """As for a Product, with letters for the axes."""
    op = node.op
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    own = [[next(letters) for _ in b.shape(v)[1:]] for v in node.inputs]
    own[1][op.axes[1] - 1] = own[0][op.axes[0] - 1]
    gone = own[0][op.axes[0] - 1]
    result = "".join(k for k in (*own[0], *own[1]) if k != gone)
    if not result:  # a result without axes has one of size 1
        result = next(letters)
    return _products(b, node, g, result, ("".join(own[0]), "".join(own[1])))


def _products(b: GradientBuilder, node: Node[Op], g: str, result: str, letters: tuple[str, str]) -> Gradients:
    found: list[str | None] = []
    for place, value in enumerate(node.inputs):
        other = node.inputs[1 - place]
        op = ProductGradient(result, letters[1 - place], letters[place], b.shape(value))
        found.append(b.emit(op, g, other) if b.wants(value) else None)
    return found


RULES: dict[type[Op], Rule] = {Dense: dense, TurnedDense: turned_dense, Product: product, Dot: dot}
