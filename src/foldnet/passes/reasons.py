"""Notes on why scalings were not folded, and values not cut."""

from __future__ import annotations

from dataclasses import replace

from foldnet.graph.graph import Graph
from foldnet.operations.folds import fold_of
from foldnet.passes.fold_arithmetic import plan as plan_arithmetic
from foldnet.passes.fold_backward import plan as plan_backward
from foldnet.passes.fold_forward import plan as plan_forward
from foldnet.passes.merge_affines import plan as plan_merge
from foldnet.passes.narrow import why_whole, with_lengths
from foldnet.passes.rewriting import Uses
from foldnet.passes.split_scalings import plan as plan_split


def note_reasons(graph: Graph) -> Graph:
    """The same graph with a note for every scaling in it, and for values of which a part would do: the reason."""
    uses = Uses(graph)
    notes = []
    values = with_lengths(graph)
    for node in graph.nodes:
        if fold_of(node.op).scaling is not None:
            before = plan_merge(graph, uses, node) or plan_split(graph, uses, node)
            before = before or plan_backward(graph, uses, node)
            after = plan_forward(graph, uses, node)
            notes.append(
                f"layer {node.layer!r} stays a separate step. Not folded into what comes before it: {before}. "
                f"Not folded into what follows: {after}."
            )
        elif isinstance(reason := plan_arithmetic(graph, uses, node), str):
            notes.append(f"layer {node.layer!r} stays a separate step. {reason}")
        elif values is not None and (whole := why_whole(values, uses, node)):
            notes.append(whole)
    return replace(graph, notes=(*graph.notes, *(n for n in notes if n not in graph.notes)))
