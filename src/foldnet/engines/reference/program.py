"""Run a graph node by node in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FoldnetError
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import INT, Op
from foldnet.literals import Precision
from foldnet.operations import catalogue
from foldnet.operations.kernels import Inside, Kernel
from foldnet.operations.structure.numpy import to_index

FLOAT64 = np.dtype(np.float64)


class Step:
    """One node of a graph.

    Args:
        graph: that it is in.
        node: to compute.
    """

    def __init__(self, graph: Graph, node: Node[Op]) -> None:
        self.node = node
        self._indices = [graph.types[name].dtype == INT for name in node.inputs]

    @cached_property
    def _kernel(self) -> Kernel:
        return catalogue.find("numpy", self.node.op)

    @property
    def shows_all(self) -> bool:
        """Whether its result shows all that it computes; see ``inside``."""
        return self._kernel.inside is None

    def inside(self, operands: Sequence[Array]) -> Inside:
        """What it computes on the way to its result, in float64."""
        assert self._kernel.inside is not None
        return self._kernel.inside(self.node.op, *operands)

    def run(self, operands: Sequence[Array], dtype: np.dtype[Any]) -> Array:
        """The result, rounded once to the working precision.

        Raises:
            InputError: an index that an embedding does not have.
        """
        try:
            return self._kernel.predict(self.node.op, operands, dtype)
        except FoldnetError as error:
            raise type(error)(f"layer {self.node.layer!r}: {error}") from None

    def measure(self, operands: Sequence[Array]) -> Array:
        """The result in float64, with large sums in the fastest order.

        With ordered sums, matrix products would take most of the time of a measurement.

        Raises:
            InputError: an index that an embedding does not have, or that is no 32-bit integer.
        """
        if any(self._indices):
            operands = [to_index(a) if i else a for a, i in zip(operands, self._indices, strict=True)]
        quick = self._kernel.quick
        product = quick(self.node.op, *operands) if quick else None
        return self.run(operands, FLOAT64) if product is None else product


class ReferenceProgram:
    """A graph computed in NumPy.

    Args:
        graph: to compute; free axes need no binding here.
        dtype: the working precision, ``"float32"`` or ``"float64"``. Weights and every value are rounded to it once;
            the arithmetic is in float64.

    Attributes:
        is_native: False.
    """

    is_native = False

    def __init__(self, graph: Graph, dtype: Precision = "float64") -> None:
        self.graph = graph
        self.dtype = np.dtype(dtype)
        self.steps = [Step(graph, node) for node in graph.nodes]
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
            for step in self.steps:
                node = step.node
                values[node.output] = step.run([values[v] for v in node.inputs], self.dtype)
        return values

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for a batch of rows."""
        values = self.values(inputs)
        return [values[name] for name in self.graph.outputs]
