"""The C of a program's own operations; what is not always needed is in functions apart, called where it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from foldnet.engines.native.training.functions import Function
from foldnet.engines.native.training.writer import BatchWriter
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations import catalogue
from foldnet.passes.guards import Condition, Taken

IN_TRAINING = ("enum { TRAINING = 1 };",)
"""What tells statements that they are part of a training step."""


def forward(e: BatchWriter, parameters: str, arguments: str) -> list[Function]:
    """Write the statements of all operations, and give the functions apart.

    Args:
        e: to write into.
        parameters: of functions that work on a block's rows.
        arguments: the same as a call hands them on.
    """
    functions: list[Function] = []
    for guard, run in groupby(e.forward, lambda node: e.needed[node.output]):
        nodes = list(run)
        if not guard:
            _written(e, nodes)
        elif any(e.roots[node.output] == node.output for node in nodes):
            name = f"apart_{len(functions) + 1}"
            with e.apart():
                _written(e, nodes)
                functions.append(e.function(name, parameters, arguments))
            e.announce(f"for {nodes[0].layer}")
            e.add(f"if ({' && '.join(_holds(e, condition) for condition in guard)})", f"{name}({arguments});")
            e.wait()
            e.seal()
    return functions


def _written(e: BatchWriter, nodes: Sequence[Node[Op]]) -> None:
    for node in nodes:
        if e.roots[node.output] == node.output:
            e.begin(node)
            e.announce(e.names.comment(node))
            catalogue.find("c", node.op)(e, node)
            e.end()
        e.seal()


def _holds(e: BatchWriter, condition: Condition) -> str:
    """C of whether a condition holds in this step, for some row."""
    if isinstance(condition, Taken):
        return f"is_taken({e.place(condition.which)}, rows, {condition.number}, {condition.count})"
    return "TRAINING"
