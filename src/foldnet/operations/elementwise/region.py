"""Regions of elementwise functions: each element needs those at its position."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.elementwise.op import Binary, Unary, Where
from foldnet.operations.regions import Part, Region, Rule, Values, elementwise


def _function(values: Values, node: Node[Unary], region: Region) -> Part | str:
    if node.op.function.function is not None:
        return f"the caller's own function {node.op.function.name!r} may look at other positions"
    return elementwise(values, node, region)


RULES: dict[type[Op], Rule] = {Unary: _function, Binary: elementwise, Where: elementwise}
