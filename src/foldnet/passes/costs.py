"""What a graph costs: products and copied elements of a row."""

from __future__ import annotations

from math import prod

from foldnet.errors import ConfigError
from foldnet.graph.graph import Graph, Node, bind
from foldnet.graph.op import Op, Shape

_PRIMES = (7, 11, 13, 17, 19, 23, 29, 31)

Sizes = tuple[Shape, ...]
"""Shapes for a graph's inputs with sizes for all axes but the batch axis."""


def sizes_of(graph: Graph) -> Sizes | None:
    """Free sizes that are all different and just so large that some positions are left everywhere; None for none."""
    for power in range(14):
        sizes, free = _some_sizes(graph, 2**power)
        if not free:
            return sizes
        try:
            bound = bound_to(graph, sizes)
        except ConfigError:
            continue
        if all(0 not in bound.types[n.output].shape for n in bound.nodes):
            return sizes
    return None


def _some_sizes(graph: Graph, times: int) -> tuple[Sizes, bool]:
    """Free sizes of which none is another divided by strides, and whether there are any free ones."""
    shapes, free = [], 0
    for name in graph.inputs:
        rows, *sizes = graph.types[name].shape
        for axis, n in enumerate(sizes):
            if n is None:
                sizes[axis] = 24 * times * _PRIMES[free % len(_PRIMES)] * (1 + free // len(_PRIMES))
                free += 1
        shapes.append((rows, *sizes))
    return tuple(shapes), free > 0


def bound_to(graph: Graph, sizes: Sizes) -> Graph:
    """The graph with these sizes.

    Raises:
        ConfigError: an op cannot take them.
    """
    return graph if sizes == tuple(graph.types[v].shape for v in graph.inputs) else bind(graph, sizes)


def cost(graph: Graph, sizes: Sizes | None = None) -> int:
    """Products and copied elements of a row, at some sizes of free axes; 0 if none fit."""
    sizes = sizes_of(graph) if sizes is None else sizes
    bound = None if sizes is None else bound_to(graph, sizes)
    return sum(_cost(bound, node) for node in bound.nodes) if bound else 0


def _cost(graph: Graph, node: Node[Op]) -> int:
    if node.op.is_alias("float32"):
        return 0
    y = _row(graph.types[node.output].shape)
    operands = [
        graph.types[v].shape if v in graph.constants else graph.types[v].shape[1:] for v in node.inputs
    ]
    read = [y] if node.op.keeps_values else [y, *operands]
    rows = [tuple(int(n or 0) for n in shape) for shape in operands]
    return max(node.op.multiply_adds(y, *rows), *(prod(int(n or 0) for n in shape) for shape in read))


def _row(shape: Shape) -> tuple[int, ...]:
    return tuple(int(n or 0) for n in shape[1:])
