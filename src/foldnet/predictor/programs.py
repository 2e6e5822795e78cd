"""Choose the engine for a graph's predictions, and make its program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from foldnet.arrays import Array
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Graph
from foldnet.predictor.options import Options


class Program(Protocol):
    """A graph compiled or prepared by an engine."""

    @property
    def is_native(self) -> bool:
        """Whether the native engine computes."""

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for a batch of rows."""


def choose_engine(graph: Graph, options: Options) -> Literal["native", "reference"]:
    """The engine to try first.

    Raises:
        UnsupportedError: the native engine was asked for, and an activation is a Python function.
    """
    functions = [
        f for f in (getattr(n.op, "activation", getattr(n.op, "function", None)) for n in graph.nodes) if f
    ]
    supplied = next((f for f in functions if f.function is not None), None)
    if options.engine == "native" and supplied is not None:
        raise UnsupportedError(
            f"the activation {supplied.name!r} is a Python function, which cannot be compiled; use "
            'engine="reference", or functools.partial of one of foldnet.activations'
        )
    native = options.engine != "reference" and options.dtype == "float32" and supplied is None
    return "native" if native else "reference"


def native_program(graph: Graph) -> Program:
    """The graph as compiled C."""
    from foldnet.engines.native import NativeProgram

    return NativeProgram(graph)


def reference_program(graph: Graph, options: Options) -> Program:
    """The graph as NumPy computes it."""
    # Imported here, so that predictions with compiled code need not wait for it.
    from foldnet.engines.reference import ReferenceProgram

    return ReferenceProgram(graph, options.dtype)
