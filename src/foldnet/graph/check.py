"""The rules every graph keeps; run after lowering and after each pass."""

from __future__ import annotations

from foldnet.errors import ConfigError, GraphError
from foldnet.graph.graph import Graph


def check(graph: Graph) -> None:
    """Raise GraphError if the graph breaks a rule.

    The rules: every operand is defined before its use and nothing twice; every value has the type that its op's
    rule gives; constants have values of their type; outputs and layer outputs exist.
    """
    defined = set(graph.inputs) | set(graph.constants)
    if len(defined) != len(graph.inputs) + len(graph.constants):
        raise GraphError("an input and a constant share a name")
    for name, array in graph.constants.items():
        if graph.types[name].shape != array.shape:
            raise GraphError(f"constant {name!r} has shape {array.shape}, its type says {graph.types[name].shape}")
    for node in graph.nodes:
        missing = [v for v in node.inputs if v not in defined]
        if missing:
            raise GraphError(f"{node.output!r} uses {missing} before they are computed")
        if node.output in defined:
            raise GraphError(f"{node.output!r} is computed twice")
        types = [graph.types[v] for v in node.inputs]
        try:
            shape = node.op.output_shape(*(t.shape for t in types))
        except ConfigError as error:
            raise GraphError(f"{node.output!r}: {error}") from None
        if graph.types[node.output].shape != shape:
            raise GraphError(f"{node.output!r} has type {graph.types[node.output].shape}, its op gives {shape}")
        if graph.types[node.output].dtype != node.op.output_dtype(*(t.dtype for t in types)):
            raise GraphError(f"{node.output!r} has the wrong dtype")
        defined.add(node.output)
    for name in (*graph.outputs, *graph.layer_outputs.values()):
        if name not in defined:
            raise GraphError(f"the result {name!r} is never computed")
