"""What a graph's C is made from, as a key: graphs with the same key have the same C.

It holds operations with their settings, how values hang together, shapes, and which operations are of one layer. What
layers are called (they are numbered through a process) and the numbers in weights are not in the C and do not count.
"""

from __future__ import annotations

from collections.abc import Hashable

from foldnet.codegen.plain_names import PlainNames, role
from foldnet.graph.graph import Graph


def graph_key(graph: Graph, names: dict[str, int]) -> Hashable:
    """The key of a graph whose sizes are known.

    Args:
        graph: all sizes but the batch's known.
        names: filled with the graph's values and their numbers in the key, in order.
    """

    def number(name: str) -> int:
        return names.setdefault(name, len(names))

    called = PlainNames(graph)
    return (
        tuple(map(number, graph.inputs)),
        tuple((number(c), role(c)) for c in graph.constants),
        tuple(
            # repr() distinguishes 0.0 from -0.0, and 1 from 1.0 and True, which are equal but have different C.
            (repr(n.op), tuple(map(number, n.inputs)), tuple(map(number, n.outputs)), called.layer(n))
            for n in graph.nodes
        ),
        tuple(map(number, graph.outputs)),
        tuple(sorted((number(name), repr(kind)) for name, kind in graph.types.items())),
    )
