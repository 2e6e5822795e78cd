"""What values and layers are called in C that is compiled and kept: by what they are, not by the names of layers.

Names of layers would be part of what a program is known by, and equal networks would be compiled again.
"""

from __future__ import annotations

from collections.abc import Iterable

from foldnet.codegen.names import C_RESERVED, Namespace, identifier, plain
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op, fused_activation


def role(constant: str) -> str:
    """What a weight is to its layer, by the name of its constant; numbers are all the same.

    >>> role("bn + dense/kernel"), role("number 0.1")
    ('kernel', 'number')
    """
    return identifier(constant.rpartition("/")[2].partition(" ")[0])


def title(op: Op) -> str:
    """What an operation is, for a comment, and the activation that it ends with.

    >>> from foldnet.operations.elementwise.op import Binary
    >>> from foldnet.operations.matrix.op import Dense
    >>> title(Binary(kind="multiply")), title(Dense())
    ('multiply', 'Dense')
    """
    own = type(op).__name__ if type(op).label is Op.label else op.label
    function = fused_activation(op)
    return plain(own if function is None else f"{own}, {function.name}")


class PlainNames:
    """Names of a graph's values, and numbers of its layers in the order in which they come."""

    def __init__(self, graph: Graph, taken: Iterable[str] = ()) -> None:
        self._fresh = Namespace({*C_RESERVED, *taken})
        self._values: dict[str, str] = {}
        self._layers: dict[str, int] = {}
        counts: dict[str, int] = {}

        def numbered(text: str) -> str:
            counts[text] = counts.get(text, 0) + 1
            return self._fresh.fresh(f"{text}_{counts[text]}")

        for value in graph.inputs:
            self._values[value] = numbered("input")
        for node in graph.nodes:
            for value in node.outputs:
                self._values[value] = numbered(node.op.label)
            whose = node.layer.removeprefix("gradient ")
            if whose not in ("", "loss", "gradient"):
                self._layers.setdefault(whose, len(self._layers) + 1)
        for node in graph.nodes:
            for value in node.inputs:
                if value in graph.constants and value not in self._values:
                    self._values[value] = self._fresh.fresh(f"{self._values[node.output]}_{role(value)}")

    def value(self, name: str) -> str:
        """The name of a value."""
        if name not in self._values:  # a constant that no operation reads
            self._values[name] = self._fresh.fresh(f"unread_{role(name)}")
        return self._values[name]

    def of(self, value: str, what: str) -> str:
        """A name for something that belongs to a value; for ``""`` for something that belongs to none."""
        return self._fresh.fresh(f"{self.value(value)}_{identifier(what)}" if value else identifier(what))

    def known(self, value: str, what: str) -> str:
        """The name of the one thing of this kind that belongs to a value: the same whenever it is asked for."""
        key = f"{what} of {value}"
        if key not in self._values:
            self._values[key] = self.of(value, what)
        return self._values[key]

    def layer(self, node: Node[Op]) -> str:
        """Which layer a node is of, in words."""
        whose = node.layer.removeprefix("gradient ")
        layer = f"layer {self._layers[whose]}" if whose in self._layers else whose
        return f"gradient of {layer}" if whose != node.layer else layer

    def comment(self, node: Node[Op]) -> str:
        """The layer and what is computed, for a comment."""
        return ": ".join(t for t in (self.layer(node), title(node.op)) if t)
