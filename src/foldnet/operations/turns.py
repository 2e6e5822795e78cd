"""How a transposition moves past an operation (``turn.py`` of each family), so that neighbouring ones cancel.

A rule gives the operation that computes the same from the operands as they were before the transposition. Sums keep
their order, so that results keep their bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import AxisOp, Op
from foldnet.operations.catalogue import rules

Order = tuple[int, ...]
"""A permutation of all axes, as ``Transpose`` has it: the batch axis stays first."""


@dataclass(frozen=True)
class Turned:
    """What computes a node's result from its operands as they were before they were transposed.

    Attributes:
        op: the operation; None for the first operand itself.
        order: in which the result is transposed after it.
        constants: by the number of the operand, the axes of a constant in the order in which it is needed.
    """

    op: Op | None
    order: Order
    constants: Mapping[int, tuple[int, ...]] = field(default_factory=dict)


Rule = Callable[[Graph, Node[Any], Order], Turned | None]
"""For a node whose data operands are all transposed in one order; None if the transposition cannot come after it."""


def rule_of(op: Op) -> Rule | None:
    """The rule of an operation; None if no transposition moves past it."""
    return rules("turn", type(op))


def inverse(order: Order) -> Order:
    """The order that undoes one.

    >>> inverse((0, 2, 3, 1))
    (0, 3, 1, 2)
    """
    return tuple(int(axis) for axis in np.argsort(order))


def by_axis(order: Order, entries: Sequence[Any]) -> tuple[Any, ...]:
    """What a transposed value has for each axis after the batch axis, for the axes before it was transposed.

    >>> by_axis((0, 3, 1, 2), ("channels", "height", "width"))
    ('height', 'width', 'channels')
    """
    return tuple(entries[axis - 1] for axis in inverse(order)[1:])


def axes_of(order: Order, axes: Sequence[int]) -> tuple[int, ...]:
    """Axes of a transposed value by their numbers before it was transposed."""
    return tuple(order[axis] for axis in axes)


def keeps_sums(order: Order, axes: Sequence[int]) -> bool:
    """Whether sums over axes run over these in the same order before a transposition."""
    before = axes_of(order, sorted(axes))
    return list(before) == sorted(before)


def elementwise(graph: Graph, node: Node[Op], order: Order) -> Turned | None:
    """The rule of operations that compute each element from those at its position, spread over axes of size 1."""
    back = tuple(axis - 1 for axis in inverse(order)[1:])
    ranks = {place: graph.constants[v].ndim for place, v in enumerate(node.inputs) if v in graph.constants}
    if any(rank not in (0, len(back)) for rank in ranks.values()):
        return None
    return Turned(node.op, order, {place: back for place, rank in ranks.items() if rank})


def along_axis(graph: Graph, node: Node[AxisOp], order: Order) -> Turned:
    """The rule of operations along one axis."""
    return Turned(replace(node.op, axis=order[node.op.axis]), order)
