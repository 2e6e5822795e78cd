"""Free axes of a graph's inputs, and the graph for lengths that are known only when a program runs."""

from __future__ import annotations

from collections.abc import Sequence

from foldnet.graph.graph import Graph, bind
from foldnet.graph.op import Shape
from foldnet.graph.sizes import Lengths


def free_axes(graph: Graph) -> list[tuple[int, int]]:
    """The axes without a size, each as the number of the input and the axis, the rows left out."""
    return [
        (number, axis)
        for number, name in enumerate(graph.inputs)
        for axis, n in enumerate(graph.types[name].shape)
        if axis > 0 and n is None
    ]


def with_lengths(graph: Graph, assumed: Sequence[int], same: Sequence[int] | None = None) -> Graph:
    """The graph with a ``Size`` on every free axis of its inputs, and on all that depends on them.

    Args:
        graph: with free axes.
        assumed: for each length, the number that comparisons of sizes are answered for; see ``Lengths``.
        same: for each free axis, the number of its length; by default each has a length of its own.

    Raises:
        ConfigError: an operation cannot take such sizes.
    """
    axes = free_axes(graph)
    lengths = Lengths(tuple(assumed))
    of_axis = dict(zip(axes, range(len(axes)) if same is None else same, strict=True))
    shapes: list[Shape] = [
        tuple(
            lengths.free[of_axis[number, axis]] if (number, axis) in of_axis else n
            for axis, n in enumerate(graph.types[name].shape)
        )
        for number, name in enumerate(graph.inputs)
    ]
    return bind(graph, shapes)
