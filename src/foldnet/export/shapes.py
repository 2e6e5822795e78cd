"""Sizes that the caller of an export gives for axes that the network leaves free."""

from __future__ import annotations

from collections.abc import Sequence

from foldnet.errors import InputError
from foldnet.graph.graph import Graph, bind

InputShapes = Sequence[Sequence[int]] | None


def sized(graph: Graph, input_shapes: InputShapes) -> Graph:
    """The graph with these sizes; as it is without any.

    Args:
        graph: of the network.
        input_shapes: shape of a row of each input.

    Raises:
        InputError: there are not as many shapes as inputs.
        ConfigError: the network cannot have such a size.
    """
    if input_shapes is None:
        return graph
    if len(input_shapes) != len(graph.inputs):
        raise InputError(
            f"input_shapes has {len(input_shapes)} shapes, and the network has {len(graph.inputs)} inputs: give one "
            "for each, without the rows"
        )
    return bind(graph, [(None, *shape) for shape in input_shapes])
