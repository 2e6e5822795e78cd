"""What computes a graph's predictions: the engine that serves, and the program that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from foldnet.arrays import Array
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Graph
from foldnet.predictor.options import Options


class Program(Protocol):
    """What an engine makes of a graph."""

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for a batch of rows."""


def choose_engine(graph: Graph, options: Options) -> Literal["native", "reference"]:
    """The engine that is tried first.

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
    # Imported where it is used: a prediction by compiled code need not wait for it.
    from foldnet.engines.reference import ReferenceProgram

    return ReferenceProgram(graph, options.dtype)
