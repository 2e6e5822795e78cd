"""The C of training programs that this process has seen: emitting it takes as long as a small fit.

A program is known again by all that its C is made from: its graph's key, what its weights are to it, variables, the
optimizer's rule.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from foldnet.codegen.graph_key import graph_key
from foldnet.engines.native.training.source import Source, source
from foldnet.graph.training import TrainingProgram, UpdateRule
from foldnet.recent_cache import RecentCache

MOST = 64
"""Programs to remember; the one that was asked for longest ago goes first."""

_known: RecentCache[tuple[Source, tuple[str, ...]]] = RecentCache(MOST)


def known_source(program: TrainingProgram) -> Source:
    """The program's C, emitted only if no program like it was asked for lately.

    Raises:
        UnsupportedError: something in it has no compiled form; the message names it.
    """
    names: dict[str, int] = {}
    key = _program(program, names)
    found = _known.get(key)
    if found is None:
        found = source(program), tuple(names)
        _known.put(key, found)
    made, then = found
    now = dict(zip(then, names, strict=True))
    weights = {now[name]: at for name, at in made.layout.weights.items()}
    return replace(made, layout=replace(made.layout, weights=weights))


def _program(program: TrainingProgram, names: dict[str, int]) -> Hashable:
    graph = graph_key(program.graph, names)
    return (
        graph,
        names[program.loss_rows],
        # repr() distinguishes 0.0 from -0.0, and 1 from 1.0 and True, which are equal but have different C.
        tuple((names[v.name], repr(replace(v, name="", layer="", weight=""))) for v in program.variables),
        tuple((names[a.value], a.width) for a in program.accumulators),
        None if program.update is None else _rule(program.update),
    )


def _rule(rule: UpdateRule) -> Hashable:
    # Its names are the optimizer's own, and its constants are numbers that the program is given.
    values = tuple((name, repr(float(value))) for name, value in rule.graph.constants.items())
    return graph_key(rule.graph, {}), tuple(rule.graph.types), values, repr(replace(rule, graph=None))  # type: ignore[arg-type]
