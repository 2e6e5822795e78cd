"""Move transpositions towards the results, where they meet others that undo them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node, with_nodes
from foldnet.graph.op import Op, fused_activation
from foldnet.operations.structure.op import Transpose
from foldnet.operations.turns import Order, Turned, inverse, rule_of
from foldnet.passes.drop_dead import drop_dead
from foldnet.passes.rewriting import Rewrite, Uses, exhaust, fresh


def cancel_transposes(graph: Graph) -> Graph:
    """Let neighbouring transpositions cancel, and others move past operations that compute on other axes as well.

    Layers with channels first compute with the channels last, between two transpositions: a chain of them needs one
    at its start and one at its end. The results keep their bits. The graph is not changed if no less is transposed.
    """
    while any(node.op.reorders_axes for node in graph.nodes):
        after = exhaust(drop_dead(_Moved(graph).run()), _earlier)
        if not _transposed(after) < _transposed(graph):
            break
        graph = after
    return graph


def _earlier(graph: Graph, uses: Uses, node: Node[Op]) -> Rewrite | None:
    """A transposition before the operation that it comes after, if that makes its operand longer, as padding does."""
    before = uses.producer.get(node.inputs[0]) if node.op.reorders_axes else None
    if before is None or uses.kept_because(before.output, node) or len(before.inputs) > 1:
        return None
    order, rule, (x,) = _order(graph, node), rule_of(before.op), before.inputs
    if rule is None or _own_function(before.op) or _elements(graph, x) >= _elements(graph, before.output):
        return None
    turned = rule(graph, before, inverse(order))
    if turned is None or turned.op is None or turned.order != inverse(order):
        return None
    first = Node(node.op, (x,), fresh(graph, f"{x}/turned"), node.layer)
    return Rewrite(
        (before, node), Node(turned.op, (first.output,), node.output, before.layer), ahead=(first,)
    )


def _order(graph: Graph, node: Node[Op]) -> Order:
    """In which a transposition has the axes."""
    rule = rule_of(node.op)
    turned = rule(graph, node, tuple(range(len(graph.types[node.output].shape)))) if rule else None
    assert turned is not None, "the rule of what reorders axes gives their order"
    return turned.order


def _own_function(op: Op) -> bool:
    """Whether a function of the caller's is fused into an operation: it may treat axes differently."""
    activation = fused_activation(op)
    return activation is not None and activation.function is not None


def _elements(graph: Graph, value: str) -> int:
    """Of a row, with a free size as a large one."""
    return prod(1009 if n is None else n for n in graph.types[value].shape[1:])


def _transposed(graph: Graph) -> tuple[int, int]:
    """How many elements are transposed, and how many nodes there are."""
    moved = sum(_elements(graph, node.output) for node in graph.nodes if node.op.reorders_axes)
    return moved, len(graph.nodes)


class _Moved:
    """The graph under construction. A transposition is emitted where something needs its result.

    Attributes:
        held: by the old name of a value, the new name of one that it is a transposition of, and the order.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._types = dict(graph.types)
        self._nodes: list[Node[Op]] = []
        self._constants: dict[str, Array] = {}
        self._spreads: dict[str, Array] = {}
        self._made: dict[tuple[str, Order], str] = {}
        self.held: dict[str, tuple[str, Order]] = {
            name: (name, self._plain(name)) for name in graph.types if name not in graph.constants
        }

    def _plain(self, value: str) -> Order:
        return tuple(range(len(self._graph.types[value].shape)))

    def run(self) -> Graph:
        """The whole."""
        graph = self._graph
        for node in graph.nodes:
            self._add(node)
        outputs = [self._whole(v, "") for v in graph.outputs]
        known = {v for n in self._nodes for v in n.outputs} | set(graph.inputs)
        kept = {
            path: self.held[v][0]
            for path, v in graph.layer_outputs.items()
            if self.held[v][1] == self._plain(v)
        }
        graph = replace(graph, spreads={**graph.spreads, **self._spreads})
        return with_nodes(
            graph,
            self._nodes,
            outputs=outputs,
            layer_outputs={path: v for path, v in kept.items() if v in known},
            constants={**graph.constants, **self._constants},
        )

    def _add(self, node: Node[Op]) -> None:
        found = self._turned(node)
        if found is None:
            inputs = tuple(
                v if v in self._graph.constants else self._whole(v, node.layer) for v in node.inputs
            )
            self._nodes.append(replace(node, inputs=inputs))
            return
        sources, turned = found
        plain = turned.order == self._plain(node.output)
        if turned.op is None:
            self.held[node.output] = sources[0], turned.order
            return
        inputs = tuple(
            self._constant(node, place, turned) if value in self._graph.constants else source
            for place, (value, source) in enumerate(zip(node.inputs, sources, strict=True))
        )
        name = node.output if plain else self._fresh(f"{node.output}/turned")
        self._nodes.append(Node(turned.op, inputs, name, node.layer))
        self.held[node.output] = name, turned.order

    def _turned(self, node: Node[Op]) -> tuple[Sequence[str], Turned] | None:
        """A node's operands before they were transposed, and what computes its result from them; None for nothing."""
        rule = rule_of(node.op)
        data = [v for v in node.inputs if v not in self._graph.constants]
        orders = {order for v in data if (order := self.held[v][1]) != self._plain(v)}
        if rule is None or _own_function(node.op) or node.others or not (orders or node.op.reorders_axes):
            return None
        order = next(iter(orders), self._plain(data[0]))
        sources = [v if v in self._graph.constants else self._source(v, order) for v in node.inputs]
        known = [source for source in sources if source is not None]
        turned = rule(self._graph, node, order) if len(known) == len(sources) else None
        return None if turned is None else (known, turned)

    def _source(self, value: str, order: Order) -> str | None:
        """The value before it was transposed in this order; None if there is no such value."""
        name, own = self.held[value]
        if own == order:
            return name
        if len(own) != len(order):
            return None
        return self._made.get((name, inverse(order))) if own == self._plain(value) else None

    def _whole(self, value: str, layer: str) -> str:
        """The value itself, transposed if it has not been yet."""
        name, order = self.held[value]
        if order == self._plain(value):
            return name
        if (name, order) not in self._made:
            self._nodes.append(Node(Transpose(order), (name,), value, layer))
            self._made[name, order] = value
        return self._made[name, order]

    def _constant(self, node: Node[Op], place: int, turned: Turned) -> str:
        value, axes = node.inputs[place], turned.constants.get(place)
        if axes is None:
            return value
        name = self._fresh(f"{value}/turned")
        self._constants[name] = np.ascontiguousarray(self._graph.constants[value].transpose(axes))
        if value in self._graph.spreads:
            self._spreads[name] = self._graph.spreads[value].transpose(axes)
        return name

    def _fresh(self, hint: str) -> str:
        name = fresh(replace(self._graph, types=self._types), hint)
        self._types[name] = self._types[self._graph.outputs[0]]
        return name
