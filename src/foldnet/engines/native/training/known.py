"""The C of training programs that this process has seen: emitting it takes as long as a small fit.

A program is known again by all that its C is made from: operations with their settings, how values hang together,
shapes, which operations are of one layer, what its weights are to it, variables, the optimizer's rule. What layers are
called (they are numbered through a process) and the numbers in weights are not in the C and do not count.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from foldnet.codegen.plain_names import PlainNames, role
from foldnet.engines.native.training.source import Source, source
from foldnet.graph.graph import Graph
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
    graph = _graph(program.graph, names)
    return (
        graph,
        names[program.loss_rows],
        # repr() distinguishes 0.0 from -0.0, and 1 from 1.0 and True, which are equal but have different C.
        tuple((names[v.name], repr(replace(v, name="", layer="", weight=""))) for v in program.variables),
        tuple((names[a.value], a.width) for a in program.accumulators),
        None if program.update is None else _rule(program.update),
    )


def _graph(graph: Graph, names: dict[str, int]) -> Hashable:
    def number(name: str) -> int:
        return names.setdefault(name, len(names))

    called = PlainNames(graph)
    return (
        tuple(map(number, graph.inputs)),
        tuple((number(c), role(c), a.shape, a.dtype.str) for c, a in graph.constants.items()),
        tuple(
            (repr(n.op), tuple(map(number, n.inputs)), number(n.output), called.layer(n)) for n in graph.nodes
        ),
        tuple(map(number, graph.outputs)),
        tuple(sorted((number(name), repr(kind)) for name, kind in graph.types.items())),
    )


def _rule(rule: UpdateRule) -> Hashable:
    # Its names are the optimizer's own, and its constants are numbers that the program is given.
    values = tuple((name, repr(float(value))) for name, value in rule.graph.constants.items())
    return _graph(rule.graph, {}), tuple(rule.graph.types), values, repr(replace(rule, graph=None))  # type: ignore[arg-type]
