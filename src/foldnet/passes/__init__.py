"""Rewrites of the prediction graph: each a pure function from graph to graph, one per file.

A rewrite is made only if it is a mathematical identity. Weights are folded in float64 and stay float64 constants, so
that an engine rounds them once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foldnet.graph.check import check_prediction
from foldnet.graph.graph import Graph
from foldnet.passes.cancel_transposes import cancel_transposes
from foldnet.passes.drop_dead import drop_dead
from foldnet.passes.drop_identities import drop_identities
from foldnet.passes.drop_zeros import drop_zeros
from foldnet.passes.fold_arithmetic import fold_arithmetic
from foldnet.passes.fold_backward import fold_backward
from foldnet.passes.fold_forward import fold_forward
from foldnet.passes.fuse_activations import fuse_activations
from foldnet.passes.merge_affines import merge_affines
from foldnet.passes.narrow import narrow
from foldnet.passes.reasons import note_reasons
from foldnet.passes.split_scalings import split_scalings

Pass = Callable[[Graph], Graph]

PASSES: tuple[Pass, ...] = (
    drop_dead, drop_identities, cancel_transposes, drop_zeros, fold_arithmetic, merge_affines, split_scalings,
    fold_backward, fold_forward, fuse_activations, narrow,
)  # fmt: skip
"""In the order in which ``optimize`` runs them."""


@dataclass(frozen=True)
class Step:
    """A pass that changed the graph, with the graph before and after it."""

    name: str
    before: Graph
    after: Graph


def optimize(graph: Graph, trace: list[Step] | None = None, passes: Sequence[Pass] = PASSES) -> Graph:
    """Run the passes until none changes anything; the checker runs after each.

    Args:
        graph: of the prediction mode.
        trace: gets a ``Step`` for every pass that changed the graph.
        passes: to run, in this order.

    Returns:
        The rewritten graph; ``notes`` says what was not folded, and why.
    """
    changed = True
    while changed:
        changed = False
        for rewrite in passes:
            after = rewrite(graph)
            if after is graph:
                continue
            check_prediction(after)
            if trace is not None:
                trace.append(Step(rewrite.__name__, graph, after))
            graph, changed = after, True
    return note_reasons(graph)


__all__ = [
    "PASSES", "Pass", "Step", "cancel_transposes", "drop_dead", "drop_identities", "drop_zeros", "fold_arithmetic",
    "fold_backward", "fold_forward", "fuse_activations", "merge_affines", "narrow", "optimize",
    "split_scalings",
]  # fmt: skip
