"""Gradients of images that take something from the others of their batch."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.gradients import GradientBuilder, Gradients, Rule
from foldnet.operations.mixing.op import Equalize, EqualizeGradient, Shuffle, ShuffleGradient


def shuffle(b: GradientBuilder, node: Node[Shuffle], g: str) -> Gradients:
    """Each row's goes back to the row that it was."""
    return (b.emit(ShuffleGradient(node.op), node.output, g),)


def equalize(b: GradientBuilder, node: Node[Equalize], g: str) -> Gradients:
    """None where values have been looked up in a table."""
    return (b.emit(EqualizeGradient(node.op.axis), g, node.inputs[0]),)


RULES: dict[type[Op], Rule] = {Equalize: equalize, Shuffle: shuffle}
