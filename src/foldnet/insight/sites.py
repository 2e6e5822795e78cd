"""Where each layer sits in the lowered graph: the values it reads and the one it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foldnet.graph.graph import Graph, Node
from foldnet.insight.oracle import Array, Oracle
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape, SymbolicTensor
from foldnet.lowering.lower import Lowering, Mode, call_name
from foldnet.network import Network


@dataclass(frozen=True)
class Site:
    """One call of a layer.

    Attributes:
        path: the call's name: ``layer``, ``inner/layer`` in a nested network, ``layer@1`` for a second call.
        layer: what is called.
        operands: names of the values it reads; none for an input.
        output: name of the value it makes.
        input_shapes: of the operands, batch axis first.
        shape: of the result.
        nodes: the ops it lowered to.
    """

    path: str
    layer: Layer
    operands: tuple[str, ...]
    output: str
    input_shapes: tuple[Shape, ...]
    shape: Shape
    nodes: tuple[Node, ...] = ()

    @property
    def kind(self) -> str:
        """What a reader calls the layer: its class, or the function that an operation computes."""
        record = getattr(self.layer, "record", None)
        return type(self.layer).__name__ if record is None else f"ops.{record.name}"


def sites_of(network: Network, graph: Graph | None = None) -> list[Site]:
    """Every layer call of a network, nested networks opened, in computing order.

    Args:
        network: built.
        graph: its own lowering, before any pass. Without it, values are named by the paths that make them, and
            there are no nodes: enough to describe a network that cannot be computed.
    """
    names = [t.name for t in network.inputs] if graph is None else list(graph.inputs)
    values = dict(zip(network.inputs, names, strict=True))
    sites = [
        Site(name, tensor.call.layer, (), name, (), tensor.shape)
        for tensor, name in values.items()
        if tensor.call is not None
    ]
    _walk(network, graph, values, "", sites)
    return sites


def _walk(
    network: Network, graph: Graph | None, values: dict[SymbolicTensor, str], prefix: str, sites: list[Site]
) -> None:
    for call in network.graph_calls:
        if call.outputs[0] in values:
            continue
        operands = tuple(values[t] for t in call.inputs)
        if isinstance(call.layer, Network):
            inner = dict(zip(call.layer.inputs, operands, strict=True))
            _walk(call.layer, graph, inner, f"{prefix}{call_name(network, call)}/", sites)
            results = [inner[t] for t in call.layer.outputs]
        else:
            path = prefix + call_name(network, call)
            results = [path if graph is None else graph.layer_outputs[path]]
            nodes = () if graph is None else tuple(n for n in graph.nodes if n.layer == path)
            shapes = tuple(t.shape for t in call.inputs)
            sites.append(Site(path, call.layer, operands, results[0], shapes, call.outputs[0].shape, nodes))
        values.update(zip(call.outputs, results, strict=True))


class LayerProgram:
    """One layer alone, in float64, on the values that a site of a graph hands to it.

    Raises:
        FoldnetError: from ``lower``, where the layer refuses its settings or weights.
    """

    def __init__(self, layer: Layer, graph: Graph, operands: Sequence[str]) -> None:
        b = Lowering(Mode.PREDICT)
        types = [graph.types[v] for v in operands]
        inputs = [b.input(f"operand_{i}", t.shape, t.dtype) for i, t in enumerate(types)]
        b.layer = layer.name
        self._oracle = Oracle(b.build([layer.lower(b, *inputs)]))

    def __call__(self, operands: Sequence[Array]) -> Array:
        """The layer's result for a batch of rows."""
        return self._oracle.values(operands)[self._oracle.graph.outputs[0]]
