"""What a library needs to know of a network: its inputs and outputs, its lengths that are left free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foldnet.codegen.layout import ctype, shape_of_row
from foldnet.errors import ConfigError
from foldnet.export.c_lengths import FreeLengths
from foldnet.export.c_project import port_names
from foldnet.export.shapes import InputShapes, sized
from foldnet.graph.free_axes import free_axes
from foldnet.graph.graph import Graph
from foldnet.graph.sizes import free

if TYPE_CHECKING:
    from foldnet.predictor import Predictor

Row = tuple[int | None, ...]


@dataclass(frozen=True)
class Port:
    """An input or an output.

    Attributes:
        value: its name in the network, the key of a dict of data.
        name: of the parameter in C.
        type: ``float`` or ``int32_t``.
        shape: of a row; None for sizes that depend on lengths.
    """

    value: str
    name: str
    type: str
    shape: Row


@dataclass(frozen=True)
class Network:
    """A frozen network that is about to be written as a library.

    Attributes:
        graph: that is compiled; sizes may depend on lengths.
        plain: the same with axes left free, for the NumPy module.
        name: the beginning of every name in C.
        inputs: in order.
        outputs: in order.
        lengths: the free axes, each as the number of the input, the axis and the number of its length.
        recorded: the graph for some lengths that it can take; ``graph`` itself where there are none.
        output_names: keys of the results if they are a dict.
        output_structure: how the results are nested if neither one array, a list nor a dict.
    """

    graph: Graph
    plain: Graph
    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    lengths: tuple[tuple[int, int, int], ...]
    recorded: Graph
    output_names: tuple[str, ...] | None
    output_structure: Any


def network_of(source: Graph | Predictor, name: str, input_shapes: InputShapes = None) -> Network:
    """The network as a library has it.

    Args:
        source: a Predictor or a Graph.
        name: an identifier.
        input_shapes: shape of a row of each input; by default free axes stay free.

    Raises:
        UnsupportedError: free axes whose lengths must be known.
        ConfigError: the predictor computes in float64, or nests its inputs.
        InputError: ``input_shapes`` has another number of shapes.
    """
    options = None if isinstance(source, Graph) else source.options
    plain = source if isinstance(source, Graph) else source.graph
    if options is not None and options.dtype != "float32":
        raise ConfigError(
            f"this predictor computes in {options.dtype}, and a library in float32; freeze the network with the "
            'default dtype="float32"'
        )
    if options is not None and options.input_structure is not None:
        raise ConfigError(
            "the network's inputs are nested, and a library takes them in a list or a dict; make a Model whose "
            "inputs are a list"
        )
    plain = sized(plain, input_shapes)
    takes, gives = port_names(plain)
    found = FreeLengths(plain, takes, gives) if free_axes(plain) else None
    graph = plain if found is None else found.graph
    names = options.input_names if options is not None else plain.inputs
    return Network(
        graph,
        plain,
        name,
        _ports(graph, graph.inputs, names, takes),
        _ports(graph, graph.outputs, graph.outputs, gives),
        () if found is None else found.axes,
        graph if found is None else found.recorded(None),
        None if options is None else options.output_names,
        None if options is None else options.output_structure,
    )


def _ports(
    graph: Graph, values: Sequence[str], keys: Sequence[str], names: Sequence[str]
) -> tuple[Port, ...]:
    return tuple(
        Port(
            key,
            name,
            ctype(graph, value),
            tuple(n if free(n) is None else None for n in shape_of_row(graph, value)),
        )
        for value, key, name in zip(values, keys, names, strict=True)
    )
