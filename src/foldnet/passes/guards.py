"""What of a training program is computed when: in every step, in training steps only, or where some row takes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from foldnet.graph.graph import Graph, with_nodes
from foldnet.operations.structure.op import Identity
from foldnet.passes.drop_dead import drop_dead


@dataclass(frozen=True)
class Taken:
    """That some row takes a value.

    Attributes:
        which: the value that has for each row the number of what it takes.
        number: of the value, from 0 on.
        count: how many values there are to take from.
    """

    which: str
    number: int
    count: int


Condition = Literal["training"] | Taken
Guard = tuple[Condition, ...]
"""What must hold, in the order in which it is known, for a value to be needed; ``()`` for one that always is."""

TRAINING: Condition = "training"


def guards(graph: Graph, forward: int | None = None) -> Mapping[str, Guard]:
    """When each node is needed, by its output.

    Args:
        graph: of a training program, with or without gradients.
        forward: how many nodes compute the program itself; those after them are of training steps.
    """
    of_values: dict[str, Guard] = dict.fromkeys(graph.outputs, ())
    found: dict[str, Guard] = {}
    for place, node in reversed(list(enumerate(graph.nodes))):
        if forward is not None and place >= forward:
            own: Guard = (TRAINING,)
        else:
            read = [of_values[v] for v in node.outputs if v in of_values]
            own = _shared(read) if read and not node.op.moves else ()
        found[node.output] = own
        for k, value in enumerate(node.inputs):
            needed = own
            if node.op.tells_training and k == 0 and TRAINING not in own:
                needed = (*own, TRAINING)
            elif node.op.chooses and k > 0:
                needed = (*own, Taken(node.inputs[0], k - 1, len(node.inputs) - 1))
            of_values[value] = _shared([of_values[value], needed]) if value in of_values else needed
    return found


def _shared(given: Iterable[Guard]) -> Guard:
    """What holds whenever one of them does: the conditions that all of them begin with."""
    first, *others = given
    count = 0
    for conditions in zip(first, *others, strict=False):
        if len(set(conditions)) > 1:
            break
        count += 1
    return first[:count]


def in_evaluation(graph: Graph) -> Graph:
    """The program as evaluation runs it, without what only training steps need."""
    if not any(node.op.tells_training for node in graph.nodes):
        return graph
    nodes = [
        replace(node, op=Identity(), inputs=node.inputs[1:]) if node.op.tells_training else node
        for node in graph.nodes
    ]
    return drop_dead(with_nodes(graph, nodes, infer_all=False))
