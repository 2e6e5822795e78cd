"""Gradients of what gives axes another length. Sizes are known: a training program is made for those of its data."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import FLOAT, Op, Row
from foldnet.operations.gradients import GradientBuilder, Gradients, Rule, nothing
from foldnet.operations.resampling.op import AdaptiveMax, CutToShape, Mix, MixGradient, Nearest, PadToShape
from foldnet.operations.resampling.weights import evened
from foldnet.operations.structure.op import Pick, PickGradient, Slice, SliceGradient
from foldnet.operations.windows.op import Pool, PoolGradient


def _row(b: GradientBuilder, value: str) -> Row:
    return tuple(int(n or 0) for n in b.shape(value)[1:])


def nearest(b: GradientBuilder, node: Node[Nearest], g: str) -> Gradients:
    """Summed over a position's copies."""
    op, x = node.op, node.inputs[0]
    if b.dtype(x) != FLOAT:
        return nothing(b, node, g)
    return (b.emit(PickGradient(Pick(op.axis, op.places(_row(b, x)[op.axis - 1]))), x, g),)


def mix(b: GradientBuilder, node: Node[Mix], g: str) -> Gradients:
    """By the same weights, from the new positions to the old ones."""
    return (b.emit(MixGradient(node.op), node.inputs[0], g),)


def adaptive_max(b: GradientBuilder, node: Node[AdaptiveMax], g: str) -> Gradients:
    """That of the same windows side by side, each of one size: to the first of the largest values."""
    op, x = node.op, node.inputs[0]
    places, size = evened(_row(b, x)[op.axis - 1], op.count)
    pick, pool = Pick(op.axis, places), Pool("max", (op.axis,), (size,), (size,))
    on_picked = b.emit(PoolGradient(pool), b.emit(pick, x), node.output, g)
    return (b.emit(PickGradient(pick), x, on_picked),)


def cut_to_shape(b: GradientBuilder, node: Node[CutToShape], g: str) -> Gradients:
    """To the part that was taken."""
    x = node.inputs[0]
    if b.dtype(x) != FLOAT:
        return nothing(b, node, g)
    return (b.emit(SliceGradient(node.op.of_known(_row(b, x))), x, g),)


def pad_to_shape(b: GradientBuilder, node: Node[PadToShape], g: str) -> Gradients:
    """The gradient without what belongs to the number around."""
    row = _row(b, node.inputs[0])
    part = zip(node.op.before(row), row, strict=True)
    return (b.emit(Slice(tuple((first, first + n, 1) for first, n in part)), g),)


RULES: dict[type[Op], Rule] = {
    Nearest: nearest,
    Mix: mix,
    AdaptiveMax: adaptive_max,
    CutToShape: cut_to_shape,
    PadToShape: pad_to_shape,
}
