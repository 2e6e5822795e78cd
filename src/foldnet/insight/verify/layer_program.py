"""A single layer, computed on the operands of one of its calls in a graph."""

from __future__ import annotations

from collections.abc import Sequence

from foldnet.arrays import Array
from foldnet.graph.graph import Graph
from foldnet.insight.oracle import Oracle
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Call
from foldnet.lowering.lower import Lowering, Mode
from foldnet.lowering.masks import Mask


class LayerProgram:
    """A single layer, computed in float64 on the operands of one of its calls in a graph.

    Args:
        layer: to compute.
        graph: that the call is in.
        operands: the values it is called on.
        call: the call.
        mask: the mask of the first of them, which follows them in a batch of rows; None for no mask.

    Raises:
        FoldnetError: from ``lower``, if the layer refuses its settings or weights.
    """

    def __init__(
        self, layer: Layer, graph: Graph, operands: Sequence[str], call: Call, mask: str | None = None
    ) -> None:
        b = Lowering(Mode.PREDICT)
        b.call = call
        types = [graph.types[v] for v in operands]
        inputs = [b.input(f"operand_{i}", t.shape, t.dtype) for i, t in enumerate(types)]
        if mask is not None:
            counts = b.input("mask", graph.types[mask].shape, graph.types[mask].dtype)
            b.call_masks = [Mask(b, lambda: counts)]
        b.layer = layer.name
        self._oracle = Oracle(b.build([layer.lower(b, *inputs)]))

    def __call__(self, operands: Sequence[Array]) -> Array:
        """The layer's result for a batch of rows."""
        return self._oracle.values(operands)[self._oracle.graph.outputs[0]]
