"""Compute only those positions of each value that the network's results need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node, with_nodes
from foldnet.graph.op import Op, Shape, fused_activation
from foldnet.operations.regions import ALL, Part, Region, Values, everything, hull, rule_of, sliced, within
from foldnet.operations.structure.op import Slice
from foldnet.passes.costs import bound_to, cost, sizes_of
from foldnet.passes.rewriting import Uses, fresh, kind_of

_SHARES = (0.0, 1 / 16, 1 / 4)
"""How much of an axis must not be needed for it to be cut; each is tried. A cut of an input is a copy of it."""

_WORTH = 0.98
"""A graph that costs more than so much of the old one is not worth other shapes of its values."""


def narrow(graph: Graph) -> Graph:
    """Let cropping and strided slices shrink what the operations before them compute.

    The elements that are left are computed by the same sums in the same order: they keep their bits. The graph is not
    changed if the positions saved do not pay for the copies that cutting a value costs.
    """
    while (better := _cheaper(graph)) is not None:
        graph = better
    return graph


def _cheaper(graph: Graph) -> Graph | None:
    sizes = sizes_of(graph)
    values = with_lengths(graph)
    if sizes is None or values is None:
        return None
    found: list[tuple[int, Graph]] = []
    for share in _SHARES:
        other = _narrowed(values, share)
        if other is None:  # and nothing is cut where more must be saved
            break
        found.append((cost(other, sizes), other))
    best, other = min(found, key=lambda pair: pair[0], default=(0, graph))
    return other if found and best <= _WORTH * cost(graph, sizes) else None


def with_lengths(graph: Graph) -> Values | None:
    """What rules may know of the graph's values; None if no sizes are known to fit its free axes."""
    sizes = sizes_of(graph)
    return (
        None
        if sizes is None
        else Values(graph, {k: t.shape for k, t in bound_to(graph, sizes).types.items()})
    )


def part_of(values: Values, node: Node[Op], region: Region) -> Part | str:
    """How a node computes a region of its result; or, as text, why it has to compute all of it."""
    rule, activation = rule_of(node.op), fused_activation(node.op)
    if node.op.fault:
        return f"it reports {node.op.fault} wherever there is one"
    if rule is None or node.others:
        return "it needs every position"
    if activation is not None and activation.function is not None:
        return f"the caller's own function {activation.name!r} may look at other positions"
    return rule(values, node, region)


def why_whole(values: Values, uses: Uses, node: Node[Op]) -> str | None:
    """Why all of a value is computed although a node takes only a part of it; None if there is no reason."""
    before = uses.producer.get(node.inputs[0])
    if before is None or not node.op.keeps_values or node.op.data != 1:
        return None
    part = part_of(values, node, everything(values.shape(node.output)))
    needed = None if isinstance(part, str) else part.operands[0]
    if needed is None or needed == everything(values.shape(before.output)):
        return None
    reason = part_of(values, before, needed)
    if not isinstance(reason, str):
        return None
    return f"layer {node.layer!r} takes a part of {kind_of(before)}, which computes all of it: {reason}."


def _narrowed(values: Values, share: float) -> Graph | None:
    """The graph with every value cut to what is needed; None if nothing is cut."""
    parts = _parts(values, share)
    graph = values.graph
    if all(part.region == everything(graph.types[name].shape) for name, part in parts.items()):
        return None
    return _Narrowed(values, parts).run()


def _parts(values: Values, share: float) -> dict[str, Part]:
    """From the results to the inputs: what each node computes."""
    graph = values.graph
    asked: dict[str, list[Region]] = {v: [everything(graph.types[v].shape)] for v in graph.outputs}
    parts: dict[str, Part] = {}
    for node in reversed(graph.nodes):
        shape = graph.types[node.output].shape
        whole = everything(shape)
        regions = asked.get(node.output, []) if not node.others else []
        region = _worth_cutting(shape, hull(shape, regions), share) if regions else whole
        part = part_of(values, node, region)
        if isinstance(part, str):
            part = Part(whole, node.op, tuple(_all_of(graph, v) for v in node.inputs))
        parts[node.output] = part
        for value, needed in zip(node.inputs, part.operands, strict=True):
            if needed is not None and value not in graph.constants:
                asked.setdefault(value, []).append(needed)
    return parts


def _all_of(graph: Graph, value: str) -> Region | None:
    return None if value in graph.constants else everything(graph.types[value].shape)


def _worth_cutting(shape: Shape, region: Region, share: float) -> Region:
    """The region with every position of axes of which nearly every position is needed."""
    return tuple(
        ALL if n is not None and len(span.positions(n)) > (1 - share) * n else span
        for n, span in zip(shape[1:], region, strict=True)
    )


def _cut_shape(shape: Shape, region: Region) -> Shape:
    return (shape[0], *(span.size(n) for n, span in zip(shape[1:], region, strict=True)))


class _Narrowed:
    """The graph under construction.

    Attributes:
        have: by the old name of a value, its new name and the region of the old one that it holds.
    """

    def __init__(self, values: Values, parts: dict[str, Part]) -> None:
        self._graph, self._parts = values.graph, parts
        self._types = dict(values.graph.types)
        self._nodes: list[Node[Op]] = []
        self._constants: dict[str, Array] = {}
        self._spreads: dict[str, Array] = {}
        self._cuts: dict[tuple[str, Region], str] = {}
        self.have = {name: (name, everything(values.shape(name))) for name in values.graph.inputs}

    def run(self) -> Graph:
        """The whole."""
        graph = self._graph
        for node in graph.nodes:
            self._add(node, self._parts[node.output])
        outputs = [self._at(v, everything(graph.types[v].shape), "") for v in graph.outputs]
        kept = {
            path: self.have[v][0]
            for path, v in graph.layer_outputs.items()
            if self.have[v][1] == everything(graph.types[v].shape)
        }
        constants = {**graph.constants, **self._constants}
        graph = replace(graph, spreads={**graph.spreads, **self._spreads})
        return with_nodes(graph, self._nodes, outputs=outputs, layer_outputs=kept, constants=constants)

    def _add(self, node: Node[Op], part: Part) -> None:
        graph = self._graph
        whole = part.region == everything(graph.types[node.output].shape)
        if whole and all(
            v in graph.constants or self.have[v][1] == everything(graph.types[v].shape) for v in node.inputs
        ):
            inputs = tuple(v if v in graph.constants else self.have[v][0] for v in node.inputs)
            self._nodes.append(replace(node, inputs=inputs))
            self.have |= {v: (v, everything(graph.types[v].shape)) for v in node.outputs}
            return
        inputs = tuple(self._operands(node, part))
        if part.op is None:
            self.have[node.output] = inputs[0], part.region
            return
        name = node.output if whole and part.then is None else self._fresh(node.output)
        self._nodes.append(Node(part.op, inputs, name, node.layer))
        if part.then is not None:
            self._nodes.append(Node(part.then, (name,), self._fresh(node.output), node.layer))
            name = self._nodes[-1].output
        self.have[node.output] = name, part.region

    def _operands(self, node: Node[Op], part: Part) -> Iterator[str]:
        for value, region in zip(node.inputs, part.operands, strict=True):
            if value in self._graph.constants:
                yield value if region is None else self._constant(value, region)
            elif region is not None:
                yield self._at(value, self._with_spare(node, part, value, region), node.layer)

    def _with_spare(self, node: Node[Op], part: Part, value: str, region: Region) -> Region:
        """What there is of a value, if all that it has beyond the region is positions after it that do not matter."""
        have, shape = self.have[value][1], self._graph.types[value].shape
        if not part.spare or part.op is None or have == region:
            return region
        for n, h, r in zip(shape[1:], have, region, strict=True):
            if (h.before, h.step) != (r.before, r.step) or (n is None and h != r):
                return region
        weights = [self._graph.types[v].shape for v in node.inputs[1:]]
        results = (part.op.output_shape(_cut_shape(shape, spans), *weights) for spans in (have, region))
        return have if len(set(results)) == 1 else region

    def _constant(self, value: str, region: Region) -> str:
        """The part of a node's constant that belongs to the region."""
        array = self._graph.constants[value]
        part = sliced(array, region)
        if part.shape == array.shape:
            return value
        name = self._fresh(value)
        self._constants[name] = part
        if value in self._graph.spreads:
            self._spreads[name] = sliced(self._graph.spreads[value], region)
        return name

    def _at(self, value: str, region: Region, layer: str) -> str:
        """A value's region, cut out of what there is of the value."""
        name, have = self.have[value]
        if have == region:
            return name
        if (name, region) not in self._cuts:
            sizes = self._graph.types[value].shape[1:]
            entries = tuple(within(*how) for how in zip(sizes, have, region, strict=True))
            cut = self._fresh(value)
            self._nodes.append(Node(Slice(entries), (name,), cut, layer))
            self._cuts[name, region] = cut
        return self._cuts[name, region]

    def _fresh(self, name: str) -> str:
        found = fresh(replace(self._graph, types=self._types), f"{name}/part")
        self._types[found] = self._graph.types[name]
        return found
