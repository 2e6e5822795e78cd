"""Gradient of a scaling and an offset."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import Elementwise, Op
from foldnet.operations.affine.op import Affine
from foldnet.operations.elementwise.op import Binary, Unary
from foldnet.operations.gradients import GradientBuilder, Gradients, Rule


def affine(b: GradientBuilder, node: Node[Affine], g: str) -> Gradients:
    """``g * scale`` for x; for the weights, sums over the axes along which they were broadcast."""
    x, scale, offset, *shift = node.inputs
    found: list[str | None] = [None] * len(node.inputs)
    if b.wants(x):
        found[0] = b.emit(Binary(kind="multiply"), g, scale)
    if b.wants(scale):
        centred = b.emit(Binary(kind="subtract"), x, shift[0]) if shift else x
        found[1] = b.gathered(b.emit(Binary(kind="multiply"), g, centred), scale)
    if b.wants(offset):
        found[2] = b.gathered(g, offset)
    if shift and b.wants(shift[0]):
        negative = b.emit(Unary(Elementwise("negative")), g)
        found[3] = b.gathered(b.emit(Binary(kind="multiply"), negative, scale), shift[0])
    return found


RULES: dict[type[Op], Rule] = {Affine: affine}
