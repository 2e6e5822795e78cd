"""Check the rules for graphs; runs after lowering and after each pass."""

from __future__ import annotations

from foldnet.errors import ConfigError, GraphError
from foldnet.graph.graph import Graph, Node, constant_type, result_types
from foldnet.graph.op import Op


def check(graph: Graph) -> None:
    """Raise GraphError if the graph breaks a rule.

    The rules: every operand is defined before its use, and nothing is defined twice; every value has the type given
    by its op's rule; constants have values of their type; outputs and layer outputs exist.
    """
    defined = set(graph.inputs) | set(graph.constants)
    if len(defined) != len(graph.inputs) + len(graph.constants):
        raise GraphError("an input and a constant, or two inputs, share a name")
    for name, array in graph.constants.items():
        if graph.types[name] != constant_type(array):
            raise GraphError(
                f"constant {name!r} is {constant_type(array)}, its type says {graph.types[name]}"
            )
    for node in graph.nodes:
        missing = [v for v in node.inputs if v not in defined]
        if missing:
            raise GraphError(f"{node.output!r} uses {missing} before they are computed")
        if not defined.isdisjoint(node.outputs):
            raise GraphError(f"{node.output!r} is computed twice")
        try:
            types = result_types(node.op, [graph.types[v] for v in node.inputs])
        except ConfigError as error:
            raise GraphError(f"{node.output!r}: {error}") from None
        if len(types) != len(node.outputs):
            raise GraphError(f"{node.output!r} has {len(node.outputs)} results, its op gives {len(types)}")
        for name, type_ in zip(node.outputs, types, strict=True):
            if graph.types[name] != type_:
                raise GraphError(f"{name!r} is {graph.types[name]}, its op gives {type_}")
        defined |= set(node.outputs)
    for name in (*graph.outputs, *graph.layer_outputs.values()):
        if name not in defined:
            raise GraphError(f"the result {name!r} is never computed")


def check_prediction(graph: Graph) -> None:
    """Raise GraphError if the graph breaks a rule of ``check``, or one that holds for prediction programs only.

    Those are: an op has the right number of operands, data first; data operands are data and weights are constants
    (in an expression, some but not all operands may be constants); no result is a constant.
    """
    for node in graph.nodes:
        _check_operands(graph, node)
    check(graph)
    for name in (*graph.outputs, *graph.layer_outputs.values()):
        if name in graph.constants:
            raise GraphError(f"the result {name!r} is a constant")


def _check_operands(graph: Graph, node: Node[Op]) -> None:
    if node.op.mixes and len(node.inputs) == node.op.data:
        if all(name in graph.constants for name in node.inputs):
            raise GraphError(f"{node.output!r}: {type(node.op).__name__} of constants only")
        return
    data = node.op.data_operands(len(node.inputs))
    least, most = node.op.weights
    if data < 1 or not data + least <= len(node.inputs) <= data + most:
        raise GraphError(f"{node.output!r}: {type(node.op).__name__} has {len(node.inputs)} operands")
    for place, name in enumerate(node.inputs):
        if (name in graph.constants) != (place >= data):
            raise GraphError(
                f"{node.output!r}: operand {name!r} is {'data' if place >= data else 'a constant'}"
            )
