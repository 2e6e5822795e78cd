"""The calls of a network's layers: operands, results, and their nodes in the lowered graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Call, Shape, SymbolicTensor
from foldnet.lowering.lower import call_name, result_name
from foldnet.network import Network

if TYPE_CHECKING:
    from foldnet.layers.normalization import BatchNormalization


@dataclass(frozen=True)
class Site:
    """One call of a layer.

    Attributes:
        path: the call's name: ``layer``, ``inner/layer`` in a nested network, ``layer@1`` for a second call.
        call: the call.
        operands: names of the values it reads; none for an input.
        output: name of its result.
        input_shapes: of the operands, batch axis first.
        shape: of the result.
        nodes: the nodes it was lowered to.
        inside: the layer that computes, where the call's layer hands it every step, as TimeDistributed does.
        along: how many axes after the batch axis the layer does not see: those of the steps.
    """

    path: str
    call: Call
    operands: tuple[str, ...]
    output: str
    input_shapes: tuple[Shape, ...]
    shape: Shape
    nodes: tuple[Node[Op], ...] = ()
    inside: Layer | None = None
    along: int = 0

    @property
    def layer(self) -> Layer:
        """The layer that is called, or that computes inside it."""
        return self.inside or self.call.layer

    @property
    def kept_axes(self) -> tuple[int, ...]:
        """Of a BatchNormalization: the axes of its input that keep separate statistics."""
        layer = cast("BatchNormalization", self.layer)
        return tuple(self.along + a for a in layer.kept_axes(len(self.shape) - self.along))

    @property
    def features(self) -> int:
        """The axis of the result that its layer's units or channels are on."""
        first = getattr(self.layer, "data_format", None) == "channels_first"
        return 1 + self.along if first else len(self.shape) - 1

    @property
    def kind(self) -> str:
        """A name for display: the layer's class, or the function that an operation computes."""
        return f"ops.{self.layer.record.name}" if self.layer.is_operation else type(self.layer).__name__


def sites_of(network: Network, graph: Graph | None = None) -> list[Site]:
    """Every layer call of a network and its nested networks, in computing order; see ``sites_and_results``."""
    return sites_and_results(network, graph)[0]


def sites_and_results(network: Network, graph: Graph | None = None) -> tuple[list[Site], list[str]]:
    """Every layer call of a network and its nested networks, in computing order, and the names of its results.

    Args:
        network: built.
        graph: its own lowering, before any pass. Without it, values are named by the paths of their calls, and
            there are no nodes, which is enough for a network that cannot be computed.
    """
    names = [t.name for t in network.inputs] if graph is None else list(graph.inputs)
    values = dict(zip(network.inputs, names, strict=True))
    sites = [
        Site(name, tensor.call, (), name, (), tensor.shape)
        for tensor, name in values.items()
        if tensor.call is not None
    ]
    _walk(network, graph, values, "", sites)
    return sites, [values[t] for t in network.outputs]


def _computes(layer: Layer, path: str, maker: str) -> bool:
    """Whether what a layer made belongs to a call: to itself, or to the network that its layer holds."""
    return maker == path or (layer.inner_network is not None and maker.startswith(f"{path}/"))


def opened(sites: Iterable[Site]) -> Iterator[Site]:
    """The calls, with those inside TimeDistributed: its layer in its place, and its network's layers ahead of it.

    Values inside have the names of ``Graph.layer_outputs``, and shapes with the axes of the steps.
    """
    for site in sites:
        if not site.layer.repeats_layer:
            yield site
            continue
        network = site.layer.inner_network
        if network is None:
            (inner,) = site.layer.inner_layers.values()
            yield from opened([replace(site, inside=inner, along=site.along + 1)])
            continue
        steps = site.input_shapes[0][: 2 + site.along]
        inputs = dict(zip((t.name for t in network.inputs), site.operands, strict=True))
        within = [
            replace(
                each,
                path=f"{site.path}/{each.path}",
                operands=tuple(inputs.get(v, f"{site.path}/{v}") for v in each.operands),
                output=f"{site.path}/{each.output}",
                input_shapes=tuple((*steps, *shape[1:]) for shape in each.input_shapes),
                shape=(*steps, *each.shape[1:]),
                along=site.along + 1,
            )
            for each in sites_of(network)
            if each.operands
        ]
        yield from opened(within)
        yield site


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
            names = [result_name(path, i) for i in range(len(call.outputs))]
            results = names if graph is None else [graph.layer_outputs[name] for name in names]
            nodes = (
                () if graph is None else tuple(n for n in graph.nodes if _computes(call.layer, path, n.layer))
            )
            shapes = tuple(t.shape for t in call.inputs)
            sites.append(Site(path, call, operands, results[0], shapes, call.outputs[0].shape, nodes))
        values.update(zip(call.outputs, results, strict=True))
