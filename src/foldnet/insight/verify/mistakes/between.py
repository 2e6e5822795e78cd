"""Mistakes between layers: the wrong value passed on, layers in the wrong order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FoldnetError
from foldnet.graph.graph import Graph
from foldnet.insight.sites import Site
from foldnet.insight.verify.layer_program import LayerProgram
from foldnet.insight.verify.mistakes.base import Compute, Mistake, Suspect
from foldnet.insight.verify.recipes import activated

SAMPLE = 2
"""Number of rows on which two layers are tried in the other order."""


def between_layers(sites: Sequence[Site], graph: Graph) -> Iterator[Suspect]:
    """Every mistake that concerns more than one layer call."""
    for site in sites:
        yield from _wrong_tensor(site, graph)
    working = [s for s in sites if s.operands and s.nodes]
    for site in working:
        yield from _other_side(site, sites, graph)
    for i, first in enumerate(working):
        for second in working[i + 1 :]:
            yield from _swapped(first, second, sites, graph)


def masking_left_out(sites: Sequence[Site], suspects: Sequence[Suspect]) -> Iterator[Suspect]:
    """A layer that makes a mask left out: its values are those before it, and all masks are ignored."""
    ignored = [(s.site, s.mistake) for s in suspects if s.mistake.name == "mask-ignored"]
    for site in sites:
        same = site.operands and site.input_shapes[0] == site.shape
        if ignored and same and site.layer.masked_value is not None:
            left_out: Compute = lambda operands, right: operands[0]  # noqa: E731 - a type for a lambda
            yield Suspect(site, Mistake("mask-ignored", left_out, "left out", sight=True), tuple(ignored))


def _wrong_tensor(site: Site, graph: Graph) -> Iterator[Suspect]:
    """The activation is computed, but the next layer (or only the trace) gets the value before it."""
    last = site.nodes[-1] if site.nodes else None
    if last is None or not last.op.is_activation or len(last.inputs) > 1:
        return
    before = last.inputs[0]
    if graph.types[before].shape != graph.types[site.output].shape:
        return
    read: Compute = lambda operands, right: operands[0]  # noqa: E731 - a type for a lambda
    if site.output not in graph.outputs:
        keep: Compute = lambda operands, right: right  # noqa: E731
        yield Suspect(site, Mistake("activation-on-wrong-tensor", read, "flow", reads=(before,), shown=keep))
    yield Suspect(site, Mistake("value-before-activation", None, "trace", reads=(before,), shown=read))


def _other_side(site: Site, sites: Sequence[Site], graph: Graph) -> Iterator[Suspect]:
    """BatchNormalization before the activation of the layer that it follows."""
    if site.layer.normalizes_by != "batch":
        return
    source = _behind_identities(site.operands[0], sites, graph)
    last = source.nodes[-1] if source and source.nodes else None
    if source is None or last is None or len(source.nodes) < 2 or not last.op.is_activation:
        return
    if len(last.inputs) > 1 or graph.types[last.inputs[0]].shape != graph.types[source.output].shape:
        return
    program, op = LayerProgram(site.layer, graph, site.operands, site.call), last.op

    def compute(operands: Sequence[Array], right: Array) -> Array:
        return activated(op, program([operands[0]]))

    mistake = Mistake("batchnorm-before-activation", compute, "", reads=(last.inputs[0],))
    yield Suspect(site, mistake)
    before: Compute = lambda operands, right: operands[0]  # noqa: E731 - a type for a lambda
    plain = Mistake("batchnorm-before-activation", None, "before", reads=(last.inputs[0],), shown=before)
    yield Suspect(site, mistake, ((source, plain),))
    last_shown = Mistake(
        "batchnorm-before-activation", compute, "named",
        reads=(last.inputs[0],), shown=lambda operands, right: program([operands[0]]),
    )  # fmt: skip
    yield Suspect(site, last_shown, ((source, plain),))


def _behind_identities(value: str, sites: Sequence[Site], graph: Graph) -> Site | None:
    """The layer call that computes a value, skipping identities."""
    made = {s.output: s for s in sites}
    site = made.get(value)
    while site and site.operands and all(n.op.is_identity for n in site.nodes):
        site = made.get(site.operands[0])
    return site


def _swapped(first: Site, second: Site, sites: Sequence[Site], graph: Graph) -> Iterator[Suspect]:
    """Two consecutive layers in the other order; two layers of the same kind with their weights exchanged."""
    if len(first.operands) != 1 or len(second.operands) != 1 or first.layer is second.layer:
        return
    if all(n.op.is_identity for n in (*first.nodes, *second.nodes)):
        return
    source = _behind_identities(second.operands[0], sites, graph)
    only = len([s for s in sites if first.output in s.operands]) == 1 and first.output not in graph.outputs
    same_kind = type(first.layer) is type(second.layer) and first.input_shapes == second.input_shapes
    if source is first and only and not same_kind:
        yield from _in_a_row(first, second, graph)
    elif same_kind and first.shape == second.shape and first.layer.specs:
        a, b = (LayerProgram(s.layer, graph, s.operands, s.call) for s in (first, second))
        yield Suspect(
            first,
            Mistake("layers-swapped", lambda operands, right: b(operands), "exchanged"),
            ((second, Mistake("layers-swapped", lambda operands, right: a(operands), "exchanged")),),
        )


def _in_a_row(first: Site, second: Site, graph: Graph) -> Iterator[Suspect]:
    try:
        earlier = LayerProgram(second.layer, graph, first.operands, second.call)
        middle = earlier(_sample(graph, first.operands))
        if middle.shape[1:] != _sample(graph, second.operands)[0].shape[1:]:
            return
        later = LayerProgram(first.layer, graph, second.operands, first.call)
        result = later([middle])
        if result.shape[1:] != _sample(graph, (second.output,))[0].shape[1:]:
            return
    except (FoldnetError, ValueError, IndexError):
        return  # the shapes do not fit in the other order
    kinds = (first, second)
    normalizes = any(s.layer.normalizes_by == "batch" for s in kinds)
    activates = any(all(n.op.is_activation for n in s.nodes) for s in kinds)
    name = "batchnorm-before-activation" if normalizes and activates else "layers-swapped"
    reads = first.operands
    inner: Compute = lambda operands, right: earlier(operands)  # noqa: E731 - a type for a lambda
    outer: Compute = lambda operands, right: later([earlier(operands)])  # noqa: E731
    # The candidate may name the two values by position, or by the layers that computed them.
    by_place = (
        (first, Mistake(name, inner, "in a row", reads=reads)),
        (second, Mistake(name, outer, "in a row", reads=reads)),
    )
    by_name = (
        (first, Mistake(name, inner, "named", reads=reads, shown=outer)),
        (second, Mistake(name, outer, "named", reads=reads, shown=inner)),
    )
    for (site, mistake), other in (by_place[::-1], by_name[::-1]):
        yield Suspect(site, mistake, (other,))


def _sample(graph: Graph, names: Sequence[str]) -> list[Array]:
    generator = np.random.default_rng(0)
    return [generator.normal(size=(SAMPLE, *(n or 3 for n in graph.types[v].shape[1:]))) for v in names]
