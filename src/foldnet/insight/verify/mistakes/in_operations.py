"""Mistakes with the operations of a layer: its windows, its steps, its masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from foldnet.arrays import Array
from foldnet.engines.reference.program import Step
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op
from foldnet.insight.sites import Site
from foldnet.insight.verify.mistakes.base import Compute, Mistake, Suspect
from foldnet.operations.mistakes import Wrong, wrong_results


def in_operations(site: Site, graph: Graph) -> Iterator[Suspect]:
    """Every known mistake with an operation of a layer call.

    It changes the operation's value, not the layer's, so that all results of the layer follow from it.
    """
    together: dict[tuple[str, str], list[tuple[Site, Mistake]]] = {}
    for node in _nodes_of(site, graph):
        at = replace(site, operands=node.inputs, output=node.output, nodes=(node,))
        for wrong in wrong_results(graph, node):
            mistake = Mistake(wrong.name, _compute(wrong), wrong.variant, wrong.sight and bool(site.operands))
            if wrong.together:
                together.setdefault((wrong.name, wrong.variant), []).append((at, mistake))
            else:
                yield Suspect(at, mistake)
    for (at, mistake), *others in together.values():
        yield Suspect(at, mistake, tuple(others))


def _compute(wrong: Wrong) -> Compute:
    return lambda operands, right: wrong.compute(operands)


def _nodes_of(site: Site, graph: Graph) -> list[Node[Op]]:
    """The nodes of a call, those of layers inside it included."""
    inside = f"{site.path}/"
    return [n for n in graph.nodes if n.layer == site.path or n.layer.startswith(inside)]


def makes_used_mask(site: Site, graph: Graph) -> bool:
    """Whether a later layer reads a mask that this one makes."""
    nodes = _nodes_of(site, graph)
    return len(_needed(nodes, site.output)) < len(nodes) and site.layer.masked_value is not None


def without_masks(site: Site, graph: Graph) -> Iterator[Mistake]:
    """The layer with each of its masks ignored: every position counts."""
    nodes = _needed(_nodes_of(site, graph), site.output)
    reads, masks = _read(nodes), masks_read(site, graph)
    steps = [Step(graph, node) for node in nodes]

    def without(mask: str) -> Compute:
        def compute(operands: Sequence[Array], right: Array) -> Array:
            values = dict(zip(reads, operands, strict=True))
            values[mask] = np.ones_like(values[mask])
            for step in steps:
                values[step.node.output] = step.measure([values[v] for v in step.node.inputs])
            return values[site.output]

        return compute

    # Where the result has a mask, too, what is computed at other positions need not matter.
    sight = not site.call.output_mask(*(True for _ in site.call.inputs))
    for k, mask in enumerate(masks, 1):
        yield Mistake("mask-ignored", without(mask), f"mask {k}", sight=sight, reads=reads)


def masks_read(site: Site, graph: Graph) -> list[str]:
    """The masks that a call's result depends on: what it reads besides its operands and weights."""
    reads = _read(_needed(_nodes_of(site, graph), site.output))
    return [v for v in reads if v not in graph.constants and v not in site.operands]


def _read(nodes: Sequence[Node[Op]]) -> tuple[str, ...]:
    """The values that nodes read and do not make."""
    made = {n.output for n in nodes}
    return tuple(dict.fromkeys(v for n in nodes for v in n.inputs if v not in made))


def _needed(nodes: Sequence[Node[Op]], output: str) -> list[Node[Op]]:
    """The nodes that a value depends on, in computing order."""
    wanted, found = {output}, []
    for node in reversed(nodes):
        if node.output in wanted:
            wanted.update(node.inputs)
            found.append(node)
    return found[::-1]
