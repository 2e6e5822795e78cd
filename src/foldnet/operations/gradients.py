"""Gradient rules of operations (``gradient.py`` of each family): from the result's gradient to the operands'.

A rule emits nodes and returns the name of the gradient on each operand, or None if there is none. So the rule is
written once, and both engines run it. Where several nodes would be slow, a special operation computes the whole
gradient (of a softmax, of a normalization), and each engine implements it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from foldnet.graph.graph import Node
from foldnet.graph.op import Dtype, Op, Shape


class GradientBuilder(Protocol):
    """The interface that a rule uses to emit nodes."""

    def emit(self, op: Op, *operands: str) -> str:
        """Append a node and return the name of its result."""

    def emit_all(self, op: Op, *operands: str) -> tuple[str, ...]:
        """Append a node and return the names of all its results."""

    def shape(self, value: str) -> Shape:
        """Shape of a value, batch axis first."""

    def dtype(self, value: str) -> Dtype:
        """What a value holds."""

    def wants(self, value: str) -> bool:
        """Whether the gradient on a value is needed."""

    def gathered(self, gradient: str, operand: str) -> str:
        """A gradient summed over the axes along which the operand was broadcast."""


Gradients = Sequence[str | None]
Rule = Callable[[GradientBuilder, Node[Any], str], Gradients]
"""It is given a node of the operation that the key of ``RULES`` names, and the name of the gradient on its result."""


def nothing(b: GradientBuilder, node: Node[Op], g: str) -> Gradients:
    """There is no gradient: whole numbers, comparisons."""
    return (None,) * len(node.inputs)


def passed(b: GradientBuilder, node: Node[Op], g: str) -> Gradients:
    """The gradient, unchanged."""
    return (g,)
