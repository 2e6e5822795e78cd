"""Known mistakes with functions of each value: the hard sigmoid of another version of Keras."""

from __future__ import annotations

from collections.abc import Iterator

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Elementwise, Op
from foldnet.operations.elementwise.op import Unary
from foldnet.operations.mistakes import Rule, Wrong, computed

HARD = ("hard_sigmoid", "hard_sigmoid_keras2")
"""What the name ``hard_sigmoid`` stands for in Keras 3 and in Keras 2."""


def _unary(graph: Graph, node: Node[Unary]) -> Iterator[Wrong]:
    if node.op.function.name in HARD:
        (other,) = (Unary(Elementwise(name)) for name in HARD if name != node.op.function.name)
        yield Wrong("hard-sigmoid-version", lambda operands: computed(other, *operands))


RULES: dict[type[Op], Rule] = {Unary: _unary}
