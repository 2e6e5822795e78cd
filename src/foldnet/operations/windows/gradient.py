"""Gradients of pooling, padding and convolution."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.gradients import GradientBuilder, Gradients, Rule
from foldnet.operations.structure.op import Slice
from foldnet.operations.windows.op import (
    Conv,
    ConvGradient,
    ConvKernelGradient,
    ConvTranspose,
    Pad,
    PadSame,
    Pool,
    PoolGradient,
)


def pool(b: GradientBuilder, node: Node[Pool], g: str) -> Gradients:
    """Computed from the operand and the result."""
    return (b.emit(PoolGradient(node.op), node.inputs[0], node.output, g),)


def pad(b: GradientBuilder, node: Node[Pad | PadSame], g: str) -> Gradients:
    """The gradient without what belongs to the zeros."""
    shape = b.shape(node.inputs[0])
    row = tuple(int(n or 0) for n in shape[1:])
    slices = tuple((first, first + n, 1) for (first, _), n in zip(node.op.widths_for(row), row, strict=True))
    return (b.emit(Slice(slices), g),)


def conv(b: GradientBuilder, node: Node[Conv], g: str) -> Gradients:
    """For x and the kernel an operation each; for the bias the sum over rows and windows."""
    x, kernel, *bias = node.inputs
    found: list[str | None] = [None] * len(node.inputs)
    if b.wants(kernel):
        shape = tuple(int(n or 0) for n in b.shape(kernel))
        found[1] = b.emit(ConvKernelGradient(node.op, shape), x, g)
    if bias and b.wants(bias[0]):
        found[2] = b.gathered(g, bias[0])
    if b.wants(x):
        found[0] = b.emit(ConvGradient(node.op), x, kernel, g)
    return found


def conv_transpose(b: GradientBuilder, node: Node[ConvTranspose], g: str) -> Gradients:
    """The convolution that it is the transpose of, of the gradient; for the kernel with x as that one's gradient."""
    x, kernel, *bias = node.inputs
    op = Conv(None, node.op.strides, node.op.dilations)
    found: list[str | None] = [None] * len(node.inputs)
    if b.wants(kernel):
        shape = tuple(int(n or 0) for n in b.shape(kernel))
        found[1] = b.emit(ConvKernelGradient(op, shape), g, x)
    if bias and b.wants(bias[0]):
        found[2] = b.gathered(g, bias[0])
    if b.wants(x):
        found[0] = b.emit(op, g, kernel)
    return found


RULES: dict[type[Op], Rule] = {
    Pool: pool,
    Pad: pad,
    PadSame: pad,
    Conv: conv,
    ConvTranspose: conv_transpose,
}
