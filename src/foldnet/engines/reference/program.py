"""Run a graph node by node in NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FoldnetError
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import INT, Op
from foldnet.literals import Precision
from foldnet.operations import catalogue
from foldnet.operations.structure.numpy import to_index


class ReferenceProgram:
    """A graph computed in NumPy.

    Args:
        graph: to compute; free axes need no binding here.
        dtype: the working precision, ``"float32"`` or ``"float64"``. Weights are rounded to it once, and so
            is every value; the arithmetic between is float64.
    """

    def __init__(self, graph: Graph, dtype: Precision = "float64") -> None:
        self.graph = graph
        self.dtype = np.dtype(dtype)
        self._constants = {k: self._working(v) for k, v in graph.constants.items()}

    def _working(self, array: Array) -> Array:
        return to_index(array) if array.dtype.kind in "iub" else array.astype(self.dtype)

    def values(self, inputs: Sequence[Array]) -> dict[str, Array]:
        """Every value of the graph, by name, for a batch of rows.

        Raises:
            InputError: an index that an embedding does not have, or that is no 32-bit integer.
        """
        values = dict(self._constants)
        with np.errstate(all="ignore"):
            for name, array in zip(self.graph.inputs, inputs, strict=True):
                is_int = self.graph.types[name].dtype == INT
                values[name] = to_index(array) if is_int else array.astype(self.dtype)
            for node in self.graph.nodes:
                values[node.output] = self.compute(node, values)
        return values

    def compute(self, node: Node[Op], values: Mapping[str, Array]) -> Array:
        """One node's value, given its operands' among ``values``."""
        operands = [values[v] for v in node.inputs]
        try:
            kernel = catalogue.find("numpy", node.op)
            return kernel.predict(node.op, operands, self.dtype)
        except FoldnetError as error:
            raise type(error)(f"layer {node.layer!r}: {error}") from None

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for a batch of rows."""
        values = self.values(inputs)
        return [values[name] for name in self.graph.outputs]
