"""Where each layer sits in the lowered graph: the values it reads and the one it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foldnet.engines.reference import ReferenceProgram
from foldnet.graph.graph import Graph, Node
from foldnet.graph.lower import Lowering, Mode, call_name
from foldnet.insight.oracle import Array
from foldnet.layers.base import Layer, SymbolicTensor
from foldnet.network import Network


@dataclass(frozen=True)
class Site:
    """One call of a layer.

    Attributes:
        path: the call's name: ``layer``, ``inner/layer`` in a nested network, ``layer@1`` for a second call.
        layer: what is called.
        operands: names of the values it reads; none for an input.
        output: name of the value it makes.
        nodes: the ops it lowered to.
    """

    path: str
    layer: Layer
    operands: tuple[str, ...]
    output: str
    nodes: tuple[Node, ...]


def sites_of(network: Network, graph: Graph) -> list[Site]:
    """Every layer call of a network, nested networks opened, in computing order.

    ``graph`` must be the network's own lowering, before any pass.
    """
    values = dict(zip(network.inputs, graph.inputs, strict=True))
    sites = [
        Site(name, tensor.call.layer, (), name, ())
        for tensor, name in values.items()
        if tensor.call is not None
    ]
    _walk(network, graph, values, "", sites)
    return sites


def _walk(
    network: Network, graph: Graph, values: dict[SymbolicTensor, str], prefix: str, sites: list[Site]
) -> None:
    for call in network.graph_calls:
        if call.outputs[0] in values:
            continue
        operands = tuple(values[t] for t in call.inputs)
        if isinstance(call.layer, Network):
            inner = dict(zip(call.layer.inputs, operands, strict=True))
            _walk(call.layer, graph, inner, f"{prefix}{call.layer.name}/", sites)
            results = [inner[t] for t in call.layer.outputs]
        else:
            path = prefix + call_name(network, call)
            results = [graph.layer_outputs[path]]
            nodes = tuple(n for n in graph.nodes if n.layer == path)
            sites.append(Site(path, call.layer, operands, results[0], nodes))
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
        self._program = ReferenceProgram(b.build([layer.lower(b, *inputs)]))

    def __call__(self, operands: Sequence[Array]) -> Array:
        """The layer's result for a batch of rows."""
        return self._program.run(operands)[0]
