"""Gradients of operations that move values: each goes back to where its value came from."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import FLOAT, Op
from foldnet.operations.along.op import Reduce
from foldnet.operations.gradients import GradientBuilder, Gradients, Rule, nothing, passed
from foldnet.operations.structure.op import (
    Cast,
    Concatenate,
    Gather,
    Identity,
    OneHot,
    Part,
    PartGradient,
    Pick,
    PickGradient,
    Repeat,
    Reshape,
    Slice,
    SliceGradient,
    Stretch,
    TableGradient,
    Transpose,
)


def reshape(b: GradientBuilder, node: Node[Reshape], g: str) -> Gradients:
    """Reshaped to the operand's shape."""
    return (b.emit(Reshape(tuple(int(n or 0) for n in b.shape(node.inputs[0])[1:])), g),)


def transpose(b: GradientBuilder, node: Node[Transpose], g: str) -> Gradients:
    """The axes in their original order."""
    order = node.op.permutation
    return (b.emit(Transpose(tuple(order.index(a) for a in range(len(order)))), g),)


def repeat(b: GradientBuilder, node: Node[Repeat], g: str) -> Gradients:
    """Summed over the repetitions."""
    return (b.emit(Reduce("sum", (1,)), g),)


def stretch(b: GradientBuilder, node: Node[Stretch], g: str) -> Gradients:
    """Summed over each position's copies."""
    if b.dtype(node.inputs[0]) != FLOAT:
        return nothing(b, node, g)
    shape, counts = b.shape(node.inputs[0])[1:], node.op.counts
    apart = tuple(int(n or 0) for pair in zip(shape, counts, strict=True) for n in pair)
    copies = tuple(range(2, 2 * len(counts) + 1, 2))
    return (b.emit(Reduce("sum", copies), b.emit(Reshape(apart), g)),)


def concatenate(b: GradientBuilder, node: Node[Concatenate], g: str) -> Gradients:
    """Each operand gets its part."""
    op = node.op
    found: list[str | None] = []
    start = 0
    for value in node.inputs:
        end = start + int(b.shape(value)[op.axis] or 0)
        slices = tuple(
            (start, end, 1) if a == op.axis else (None, None, 1) for a in range(1, len(b.shape(value)))
        )
        found.append(b.emit(Slice(slices), g) if b.wants(value) else None)
        start = end
    return found


def slice_(b: GradientBuilder, node: Node[Slice], g: str) -> Gradients:
    """To the positions that were taken."""
    if b.dtype(node.inputs[0]) != FLOAT:
        return nothing(b, node, g)
    return (b.emit(SliceGradient(node.op), node.inputs[0], g),)


def part(b: GradientBuilder, node: Node[Part], g: str) -> Gradients:
    """To the place of the part."""
    shape = tuple(int(n or 0) for n in b.shape(node.inputs[0]))
    return (b.emit(PartGradient(node.op, shape), g),)


def pick(b: GradientBuilder, node: Node[Pick], g: str) -> Gradients:
    """Summed over each position's copies."""
    if b.dtype(node.inputs[0]) != FLOAT:
        return nothing(b, node, g)
    return (b.emit(PickGradient(node.op), node.inputs[0], g),)


def gather(b: GradientBuilder, node: Node[Gather], g: str) -> Gradients:
    """To the rows of the table that were read."""
    indices, table = node.inputs
    return (None, b.emit(TableGradient(int(b.shape(table)[0] or 0)), indices, g))


def cast(b: GradientBuilder, node: Node[Cast | Identity], g: str) -> Gradients:
    """Unchanged, if the operand is a float."""
    return (passed if b.dtype(node.inputs[0]) == FLOAT else nothing)(b, node, g)


RULES: dict[type[Op], Rule] = {
    Cast: cast,
    Concatenate: concatenate,
    Gather: gather,
    Identity: cast,
    OneHot: nothing,
    Pick: pick,
    Repeat: repeat,
    Reshape: reshape,
    Slice: slice_,
    Part: part,
    Stretch: stretch,
    Transpose: transpose,
}
