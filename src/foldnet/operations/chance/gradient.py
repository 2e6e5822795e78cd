"""Gradients of what is random or differs between training and evaluation."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.chance.op import Choose, ChosenGradient, Draw, InTraining
from foldnet.operations.gradients import GradientBuilder, Gradients, Rule, nothing


def in_training(b: GradientBuilder, node: Node[InTraining], g: str) -> Gradients:
    """It goes to what training computes with."""
    return g, None


def choose(b: GradientBuilder, node: Node[Choose], g: str) -> Gradients:
    """Each value gets that of the rows that take it."""
    which, *values = node.inputs
    return [
        None,
        *(
            b.emit(ChosenGradient(k, len(values)), which, g) if b.wants(v) else None
            for k, v in enumerate(values)
        ),
    ]


RULES: dict[type[Op], Rule] = {Draw: nothing, InTraining: in_training, Choose: choose}
