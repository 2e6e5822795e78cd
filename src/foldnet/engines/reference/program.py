"""Run a graph node by node in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from foldnet.engines.reference.kernels import KERNELS, cast
from foldnet.graph import ops
from foldnet.graph.graph import Graph

Array = np.ndarray[Any, Any]


class ReferenceProgram:
    """A graph computed in NumPy.

    Args:
        graph: to compute; free axes need no binding here.
        dtype: the working precision, ``"float32"`` or ``"float64"``. Weights are rounded to it once.
    """

    def __init__(self, graph: Graph, dtype: str = "float64") -> None:
        self.graph = graph
        self.dtype = np.dtype(dtype)
        self._constants = {k: self._working(v) for k, v in graph.constants.items()}

    def _working(self, array: Array) -> Array:
        return array.astype(np.int32 if array.dtype.kind in "iub" else self.dtype)

    def values(self, inputs: Sequence[Array]) -> dict[str, Array]:
        """Every value of the graph, by name, for a batch of rows."""
        values = dict(self._constants)
        for name, array in zip(self.graph.inputs, inputs, strict=True):
            is_int = self.graph.types[name].dtype == ops.INT
            values[name] = array.astype(np.int32 if is_int else self.dtype)
        with np.errstate(all="ignore"):
            for node in self.graph.nodes:
                operands = [values[v] for v in node.inputs]
                if isinstance(node.op, ops.Cast):
                    values[node.output] = cast(node.op, operands[0], self.dtype)
                else:
                    values[node.output] = KERNELS[type(node.op)](node.op, *operands)
        return values

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for a batch of rows."""
        values = self.values(inputs)
        return [values[name] for name in self.graph.outputs]
