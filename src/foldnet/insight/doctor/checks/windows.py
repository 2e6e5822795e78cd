"""Checks of what a network's windows see: how far its convolutions reach before their results are pooled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from foldnet.graph.graph import Graph
from foldnet.graph.op import Shape
from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, note
from foldnet.insight.doctor.registry import FILE, Check
from foldnet.insight.sites import Site
from foldnet.operations.regions import ALL, Region, Span, Values, everything, hull, touched

FEWEST = 4
"""Of how many positions a pooling to one must be to count: one of two or three is a step like those before it."""


@dataclass(frozen=True)
class Reach:
    """How far a position before a pooling reaches on one axis of an input.

    Attributes:
        axis: of the input, batch axis included.
        sees: from the first to the last position that it depends on.
        of: the axis's size.
    """

    axis: int
    sees: int
    of: int


def receptive_field(context: Context) -> Iterator[Finding]:
    """Convolutions whose windows are pooled before one of them has seen its whole input."""
    graph = context.graph
    if graph is None:
        return
    ends = [site for site in context.sites if _ends_space(context, site)]
    # One of two positions in the middle may lie nearer to an end than its windows reach.
    both = (reaches(graph, _middles(context, graph, ends, ahead)) for ahead in (0, 1))
    widest = (max(pair, key=lambda reach: reach.sees) for pair in zip(*both, strict=True))
    found = [reach for reach in widest if 1 < reach.sees < reach.of]
    if not found:
        return
    worst = min(found, key=lambda reach: reach.sees / reach.of)
    yield note(
        ends[0].path,
        f"What is pooled here was computed from windows of at most {worst.sees} of {worst.of} positions on axis "
        f"{worst.axis} of the input: parts that lie farther apart are counted together, but never compared.",
        "Leave it if the task is about textures, words or short events. Otherwise reach farther before the pooling: "
        "more strides or pooling, dilation, more layers, or Flatten and Dense instead of the pooling.",
        axis=worst.axis, receptive_field=worst.sees, positions=worst.of, poolings=len(ends),
    )  # fmt: skip


def reaches(graph: Graph, asked: Mapping[str, Sequence[Region]]) -> list[Reach]:
    """How far regions of values reach on the axes of the inputs that they depend on.

    Args:
        graph: with no free axes.
        asked: regions of its values.
    """
    values = Values(graph, {name: type_.shape for name, type_ in graph.types.items()})
    wanted = {name: list(regions) for name, regions in asked.items()}
    for node in reversed(graph.nodes):
        regions = [r for v in node.outputs for r in wanted.get(v, [])]
        if not regions:
            continue
        shape = graph.types[node.output].shape
        region = everything(shape) if node.others else hull(shape, regions)
        for value, needed in zip(node.inputs, touched(values, node, region), strict=True):
            if needed is not None and value not in graph.constants:
                wanted.setdefault(value, []).append(needed)
    return [
        Reach(axis, int(n or 0) - span.before - span.after, int(n or 0))
        for name in graph.inputs
        if name in wanted
        for axis, (n, span) in enumerate(
            zip(graph.types[name].shape[1:], hull(graph.types[name].shape, wanted[name]), strict=True),
            start=1,
        )
    ]


def _middles(context: Context, graph: Graph, ends: Sequence[Site], ahead: int) -> dict[str, list[Region]]:
    """The position in the middle of what is pooled; of two positions there the first one if ``ahead`` is 1.

    Parts that one branch does not see may be compared by another one: together they see what any of them sees.
    """
    found: dict[str, list[Region]] = {}
    for site in ends:
        value = context.value_names.get(site.operands[0], "")
        if value not in graph.types:
            continue
        sizes = [int(n or 1) for n in graph.types[value].shape]
        places = {a: (sizes[a] - ahead) // 2 for a in _pooled(site)}
        region = tuple(
            Span(places[a], sizes[a] - 1 - places[a]) if a in places else ALL for a in range(1, len(sizes))
        )
        found.setdefault(value, []).append(region)
    return found


def _ends_space(context: Context, site: Site) -> bool:
    """Whether a call pools whole axes, and nothing after it has as many axes as it reads."""
    if not site.operands or not _pooled(site):
        return False
    rank, waiting, met = _axes(site.input_shapes[0]), [*context.readers(site.path)], set[str]()
    if _axes(site.shape) >= rank:
        return False
    while waiting:
        reader = waiting.pop()
        if reader.path in met:
            continue
        if _axes(reader.shape) >= rank:
            return False
        met.add(reader.path)
        waiting += context.readers(reader.path)
    return True


def _axes(shape: Shape) -> int:
    return sum(n != 1 for n in shape)


def _pooled(site: Site) -> tuple[int, ...]:
    """The axes that it pools to one position, those of steps around the layer counted."""
    shape = site.input_shapes[0]
    inner = (shape[0], *shape[1 + site.along :])
    axes = (a + site.along for a in site.layer.pooled_axes(inner))
    return tuple(a for a in axes if shape[a] is None or (shape[a] or 0) >= FEWEST)


CHECKS = (Check("receptive-field", FILE, "convolutions that see a part of their input", receptive_field),)
