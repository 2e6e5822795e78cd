"""Gradient of pooling."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.gradients import GradientBuilder, Gradients, Rule
from foldnet.operations.windows.op import Pool, PoolGradient


def pool(b: GradientBuilder, node: Node[Pool], g: str) -> Gradients:
    """Computed from the operand and the result."""
    return (b.emit(PoolGradient(node.op), node.inputs[0], node.output, g),)


RULES: dict[type[Op], Rule] = {Pool: pool}
