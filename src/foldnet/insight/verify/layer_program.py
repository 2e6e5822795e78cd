"""A single layer, computed on the operands of one of its calls in a graph."""

from __future__ import annotations

from collections.abc import Sequence

from foldnet.arrays import Array
from foldnet.graph.graph import Graph
from foldnet.insight.oracle import Oracle
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Call
from foldnet.lowering.lower import Lowering, Mode


class LayerProgram:
    """A single layer, computed in float64 on the operands of one of its calls in a graph.

    Raises:
        FoldnetError: from ``lower``, if the layer refuses its settings or weights.
    """

    def __init__(self, layer: Layer, graph: Graph, operands: Sequence[str], call: Call) -> None:
        b = Lowering(Mode.PREDICT)
        b.call = call
        types = [graph.types[v] for v in operands]
        inputs = [b.input(f"operand_{i}", t.shape, t.dtype) for i, t in enumerate(types)]
        b.layer = layer.name
        self._oracle = Oracle(b.build([layer.lower(b, *inputs)]))

    def __call__(self, operands: Sequence[Array]) -> Array:
        """The layer's result for a batch of rows."""
        return self._oracle.values(operands)[self._oracle.graph.outputs[0]]
