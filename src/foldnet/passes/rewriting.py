"""Shared code of all passes: which nodes compute and use a value, and replacing nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node, with_nodes
from foldnet.graph.op import Op


class Uses:
    """An index of a graph: the node that computes each value, and the nodes that read it."""

    def __init__(self, graph: Graph) -> None:
        self.producer: dict[str, Node[Op]] = {n.output: n for n in graph.nodes}
        self.consumers: dict[str, list[Node[Op]]] = {}
        self.outputs = frozenset(graph.outputs)
        for node in graph.nodes:
            for value in dict.fromkeys(node.inputs):
                self.consumers.setdefault(value, []).append(node)

    def with_node(self, old: Node[Op], new: Node[Op]) -> Uses:
        """The index as if a node were replaced by another that computes the same value."""
        changed = object.__new__(Uses)
        changed.producer = {**self.producer, new.output: new}
        changed.consumers = dict(self.consumers)
        changed.outputs = self.outputs
        for value in dict.fromkeys((*old.inputs, *new.inputs)):
            others = [n for n in self.consumers.get(value, ()) if n is not old]
            changed.consumers[value] = [*others, new] if value in new.inputs else others
        return changed

    def kept_because(self, value: str, user: Node[Op]) -> str | None:
        """Why a value must stay although ``user`` no longer needs it; None if nothing else needs it."""
        if value in self.outputs:
            return "the value between them is an output of the network"
        others = [n.layer for n in self.consumers.get(value, ()) if n is not user]
        return f"the value between them is also used by {quoted(others)}" if others else None

    def shared_because(self, node: Node[Op]) -> str | None:
        """Which calls of a shared layer use this node's weights; None if only this node uses them."""
        for name in node.inputs:
            users = self.consumers.get(name, [])
            if name not in self.producer and len(users) > 1 and _is_weight(node, name):
                return (
                    f"layer {node.layer!r} is shared: its weights serve the calls "
                    f"{quoted(n.layer for n in users)}, and a fold is right for one of them only"
                )
        return None


def _is_weight(node: Node[Op], name: str) -> bool:
    return name in node.inputs[node.op.data_operands(len(node.inputs)) :]


@dataclass(frozen=True)
class Rewrite:
    """Replace several nodes by one: ``node`` takes the place of the last of ``replaced``; ``ahead`` goes before it.

    ``spreads`` has the standard deviations of new constants that are means.
    """

    replaced: tuple[Node[Op], ...]
    node: Node[Op]
    constants: Mapping[str, Array] = field(default_factory=dict)
    ahead: tuple[Node[Op], ...] = ()
    spreads: Mapping[str, Array] = field(default_factory=dict)


Plan = Callable[[Graph, Uses, Node[Op]], Rewrite | str | None]
"""How to rewrite at a node: the rewrite, the reason against it, or None if the pass does not apply."""


def exhaust(graph: Graph, plan: Plan) -> Graph:
    """The graph after every rewrite that the plan finds; the same object if there is none."""
    place = 0
    uses = Uses(graph)
    while place < len(graph.nodes):
        rewrite = plan(graph, uses, graph.nodes[place])
        if isinstance(rewrite, Rewrite):
            graph = applied(graph, rewrite)
            uses = Uses(graph)
            place = max(0, place - len(rewrite.replaced))
        else:
            place += 1
    return graph


def applied(graph: Graph, rewrite: Rewrite) -> Graph:
    """The graph with a rewrite made."""
    gone = {id(n) for n in rewrite.replaced}
    nodes: list[Node[Op]] = []
    for node in graph.nodes:
        if node is rewrite.replaced[-1]:
            nodes += [*rewrite.ahead, rewrite.node]
        elif id(node) not in gone:
            nodes.append(node)
    graph = replace(graph, spreads={**graph.spreads, **rewrite.spreads})
    return with_nodes(graph, nodes, constants={**graph.constants, **rewrite.constants}, infer_all=False)


def without(graph: Graph, is_identity: Callable[[Graph, Node[Op]], bool]) -> Graph:
    """The graph without identities: each is replaced by its operand."""
    renamed: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
        if any(v in renamed for v in node.inputs):
            node = Node(node.op, tuple(renamed.get(v, v) for v in node.inputs), node.output, node.layer)
        if is_identity(graph, node):
            renamed[node.output] = node.inputs[0]
        else:
            nodes.append(node)
    if not renamed:
        return graph
    return with_nodes(
        graph,
        nodes,
        outputs=[renamed.get(v, v) for v in graph.outputs],
        layer_outputs={k: renamed.get(v, v) for k, v in graph.layer_outputs.items()},
    )


def fresh(graph: Graph, hint: str) -> str:
    """A name for a new constant."""
    name, count = hint, 1
    while name in graph.types:
        name, count = f"{hint}.{count}", count + 1
    return name


def fresh_weights(graph: Graph, layer: str, weights: Mapping[str, Array]) -> dict[str, Array]:
    """New weights of a layer, by the names of their new constants."""
    return {fresh(graph, f"{layer}/{name}"): array for name, array in weights.items()}


def kind_of(node: Node[Op]) -> str:
    """A node as text: ``Softmax of layer 'last'``."""
    return f"{type(node.op).__name__} of layer {node.layer!r}"


def joined(*nodes: Node[Op]) -> str:
    """The layer name of a node made from several: ``dense + batch_normalization``."""
    return " + ".join(dict.fromkeys(part for n in nodes for part in n.layer.split(" + ")))


def quoted(names: Iterable[str]) -> str:
    """``'a', 'b'``."""
    return ", ".join(repr(n) for n in dict.fromkeys(names))
