"""How gradients go through what works along axes of a row."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.along.op import (
    CumulativeSum,
    Glu,
    GluGradient,
    GroupMoments,
    Moments,
    MomentsGradient,
    Reduce,
    ReduceGradient,
    Softmax,
    SoftmaxGradient,
    Sparsemax,
    SparsemaxGradient,
)
from foldnet.operations.gradients import GradientBuilder, Gradients, Rule, nothing


def softmax(b: GradientBuilder, node: Node[Softmax], g: str) -> Gradients:
    """From its result."""
    return (b.emit(SoftmaxGradient(node.op.axis, node.op.log), node.output, g),)


def sparsemax(b: GradientBuilder, node: Node[Sparsemax], g: str) -> Gradients:
    """From its operand and its result."""
    return (b.emit(SparsemaxGradient(node.op.axis), node.inputs[0], node.output, g),)


def glu(b: GradientBuilder, node: Node[Glu], g: str) -> Gradients:
    """On both halves at once."""
    return (b.emit(GluGradient(node.op.axis), node.inputs[0], g),)


def moments(b: GradientBuilder, node: Node[GroupMoments | Moments], g: str) -> Gradients:
    """Through the statistics, too."""
    return (b.emit(MomentsGradient(node.op), node.inputs[0], node.output, g),)


def reduce(b: GradientBuilder, node: Node[Reduce], g: str) -> Gradients:
    """To every element, or to the largest."""
    if node.op.kind == "argmax":
        return nothing(b, node, g)
    return (b.emit(ReduceGradient(node.op), node.inputs[0], node.output, g),)


def cumulative_sum(b: GradientBuilder, node: Node[CumulativeSum], g: str) -> Gradients:
    """Sums that run the other way."""
    return (b.emit(CumulativeSum(node.op.axis, not node.op.reverse), g),)


RULES: dict[type[Op], Rule] = {
    CumulativeSum: cumulative_sum,
    Glu: glu,
    GroupMoments: moments,
    Moments: moments,
    Reduce: reduce,
    Softmax: softmax,
    Sparsemax: sparsemax,
}
