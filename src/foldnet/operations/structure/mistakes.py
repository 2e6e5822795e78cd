"""Known mistakes with operations that move values: a sequence that is not turned round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.mistakes import Rule, Wrong
from foldnet.operations.structure.op import Slice

WHOLE, TURNED = (None, None, 1), (None, None, -1)


def _slice(graph: Graph, node: Node[Slice]) -> Iterator[Wrong]:
    if TURNED in node.op.slices and set(node.op.slices) <= {WHOLE, TURNED}:
        yield Wrong("not-turned-round", _same, sight=True)


def _same(operands: Sequence[Array]) -> Array:
    return operands[0]


RULES: dict[type[Op], Rule] = {Slice: _slice}
