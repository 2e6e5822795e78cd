"""Known mistakes along axes: the softmax of an attention over the queries instead of the keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.operations.along.op import Softmax
from foldnet.operations.attending import attends
from foldnet.operations.mistakes import Rule, Wrong, computed


def _softmax(graph: Graph, node: Node[Softmax]) -> Iterator[Wrong]:
    if not attends(graph, node):
        return
    shape = graph.types[node.inputs[0]].shape
    for axis in range(1, len(shape)):
        if axis != node.op.axis and shape[axis] != 1:
            yield Wrong("softmax-axis", _as(replace(node.op, axis=axis)), f"scores, axis {axis}")


def _as(op: Op) -> Callable[[Sequence[Array]], Array]:
    return lambda operands: computed(op, *operands)


RULES: dict[type[Op], Rule] = {Softmax: _softmax}
