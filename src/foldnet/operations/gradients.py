"""What an operation's ``gradient.py`` says: which operations carry the gradient on its result to its operands.

A rule emits nodes and returns the name of the gradient on each operand, or None where there is none to follow. So both
engines run it, and what they compute is written once. Where a rule would cost speed, one operation made for it does all
of the work (the gradient of a softmax, of a normalization), and each engine computes that in its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from foldnet.graph.graph import Node
from foldnet.graph.op import Dtype, Op, Shape


class GradientBuilder(Protocol):
    """What a rule emits into."""

    def emit(self, op: Op, *operands: str) -> str:
        """Append a node and return the name of its result."""

    def emit_all(self, op: Op, *operands: str) -> tuple[str, ...]:
        """Append a node and return the names of all its results."""

    def shape(self, value: str) -> Shape:
        """Shape of a value, batch axis first."""

    def dtype(self, value: str) -> Dtype:
        """What a value holds."""

    def wants(self, value: str) -> bool:
        """Whether anything asks for the gradient on a value."""

    def gathered(self, gradient: str, operand: str) -> str:
        """A gradient summed over the axes along which the operand was spread."""


Gradients = Sequence[str | None]
Rule = Callable[[GradientBuilder, Node[Any], str], Gradients]
"""It is given a node of the operation that the key of ``RULES`` names, and the name of the gradient on its result."""


def nothing(b: GradientBuilder, node: Node[Op], g: str) -> Gradients:
    """No gradient follows: whole numbers, comparisons."""
    return (None,) * len(node.inputs)


def passed(b: GradientBuilder, node: Node[Op], g: str) -> Gradients:
    """The gradient itself."""
    return (g,)
