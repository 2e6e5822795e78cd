"""Which part of each operand a part of a result needs (``region.py`` of each family).

A cropping or a strided slice needs some positions of a value only. The rules say how the operation before it computes
these positions alone, and from which positions of its own operands. Each element of the result is computed by the same
sums in the same order as before, so that it has the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

from foldnet.arrays import Array
from foldnet.graph.graph import Graph, Node
from foldnet.graph.op import Op, Shape, fused_activation
from foldnet.operations.catalogue import rules


@dataclass(frozen=True)
class Span:
    """Positions of one axis: every ``step``-th of those that are left without some at both ends.

    With a known size, the last position that is left is one of them, so that equal positions are equal spans. Along an
    axis of free size, the step is 1.

    Attributes:
        before, after: how many positions at the start and at the end are not among them.
        step: from one to the next.
    """

    before: int = 0
    after: int = 0
    step: int = 1

    def positions(self, size: int) -> range:
        """The positions on an axis of this size.

        >>> list(Span(1, 2, 3).positions(10))
        [1, 4, 7]
        """
        return range(self.before, size - self.after, self.step)

    def size(self, size: int | None) -> int | None:
        """How many positions there are; None if the size of the axis is free."""
        return None if size is None else len(self.positions(size))


ALL = Span()
"""Every position."""

Region = tuple[Span, ...]
"""A span for each axis after the batch axis."""


def span_of(positions: range, size: int) -> Span:
    """The span with these positions, of which there is at least one.

    >>> span_of(range(1, 9, 3), 10)
    Span(before=1, after=2, step=3)
    """
    ordered = positions if positions.step > 0 else positions[::-1]
    step = ordered.step if len(ordered) > 1 else 1
    return Span(ordered[0], size - 1 - ordered[-1], step)


def between(positions: range, low: int, high: int) -> range:
    """Those positions of an increasing range that are at least ``low`` and less than ``high``.

    >>> between(range(1, 20, 4), 3, 14)
    range(5, 17, 4)
    """
    first, end = (max(-((positions.start - limit) // positions.step), 0) for limit in (low, high))
    return positions[first:end]


def everything(shape: Shape) -> Region:
    """The region of all positions, given a shape with the batch axis."""
    return (ALL,) * (len(shape) - 1)


def hull(shape: Shape, regions: Sequence[Region]) -> Region:
    """The smallest region that holds all of these, given the shape with the batch axis.

    An axis of which nothing is needed is kept whole.
    """
    return tuple(_hull_of_axis(n, [region[axis] for region in regions]) for axis, n in enumerate(shape[1:]))


def _hull_of_axis(size: int | None, spans: Sequence[Span]) -> Span:
    before, after = min(s.before for s in spans), min(s.after for s in spans)
    if size is None:
        return Span(before, after)
    steps = [s.step for s in spans if len(s.positions(size)) > 1]
    step = gcd(*steps, *(s.before - before for s in spans))
    if before >= size - after:
        return ALL
    return span_of(range(before, size - after, step or 1), size)


def within(size: int | None, have: Span, need: Span) -> tuple[int | None, int | None, int]:
    """Start, stop and step that take the positions of ``need`` from those of ``have``, which holds them all.

    >>> within(10, Span(2, 1, 1), Span(3, 1, 5))
    (1, None, 5)
    """
    if size is None:
        return need.before - have.before or None, have.after - need.after or None, 1
    held, wanted = have.positions(size), need.positions(size)
    first, last = held.index(wanted[0]), held.index(wanted[-1])
    step = wanted.step // held.step if len(wanted) > 1 else 1
    return first or None, last + 1 - len(held) or None, step


def sliced(array: Array, region: Region) -> Array:
    """The region of a constant that is spread over a value: where it has one position, that stays; numbers do, too."""
    if array.ndim != len(region):
        return array
    entries = (
        slice(None) if n == 1 else slice(span.before, n - span.after, span.step)
        for n, span in zip(array.shape, region, strict=True)
    )
    return array[tuple(entries)]


@dataclass(frozen=True)
class Part:
    """How a node computes a region of its result.

    Attributes:
        region: what is computed. It holds what was asked for, and may be larger.
        op: the operation; None if the result is the region of the first operand that is needed.
        operands: for each operand the region that ``op`` takes, that of a constant without its axes of size 1; None for
            a constant that stays as it is, and for data of which nothing is needed.
        then: an operation on the result of ``op``; None for none.
        spare: whether positions of the first operand after its region do not matter, if the result has the same shape.
        touches: for each operand the positions that what was asked for depends on, if ``op`` takes more than these.
    """

    region: Region
    op: Op | None
    operands: tuple[Region | None, ...]
    then: Op | None = None
    spare: bool = False
    touches: tuple[Region | None, ...] | None = None


class Whole(str):
    """Why an operation computes all of its result whatever part is asked for, and which positions the part depends on.

    Attributes:
        touches: for each operand the region that the part depends on; None for a constant, and for data of which it
            depends on nothing.
    """

    __slots__ = ("touches",)

    touches: tuple[Region | None, ...]

    def __new__(cls, reason: str, *touches: Region | None) -> Whole:
        """The reason as a text, with the regions."""
        found = super().__new__(cls, reason)
        found.touches = touches
        return found


@dataclass(frozen=True)
class Values:
    """What a rule knows of the values of a graph.

    Attributes:
        graph: with their types and the constants.
        lengths: by name, the shape of each value if the free sizes of the inputs were certain ones, all different and
            large. Free sizes that are equal there are the same function of the inputs' sizes.
    """

    graph: Graph
    lengths: Mapping[str, Shape]

    def shape(self, value: str) -> Shape:
        """With the batch axis, which a constant does not have."""
        return self.graph.types[value].shape

    def array(self, value: str) -> Array | None:
        """Of a constant; None for data."""
        return self.graph.constants.get(value)

    def one_length(self, values: Iterable[str], axis: int) -> bool:
        """Whether data values are sure to have one size along an axis: a free size may turn out to be 1."""
        return len({self.lengths[v][axis] for v in values}) == 1


Rule = Callable[[Values, Node[Any], Region], Part | str]
"""How a node of an operation computes a region of its result; or, as text, why it has to compute all of it.

The text is a ``Whole`` where the positions that a region depends on are known all the same.
"""


def rule_of(op: Op) -> Rule | None:
    """The rule of an operation; None if there is none, so that it computes all of its result from all operands."""
    return rules("region", type(op))


def touched(values: Values, node: Node[Any], region: Region) -> tuple[Region | None, ...]:
    """For each operand the positions that a region of a result depends on; None for a constant and for nothing.

    Where an operation does not say, these are all positions.
    """
    everywhere = tuple(
        None if values.array(v) is not None else everything(values.shape(v)) for v in node.inputs
    )
    rule, activation = rule_of(node.op), fused_activation(node.op)
    if rule is None or node.others or (activation is not None and activation.function is not None):
        return everywhere
    found = rule(values, node, region)
    if isinstance(found, Part):
        return tuple(
            None if values.array(v) is not None else needed
            for v, needed in zip(node.inputs, found.touches or found.operands, strict=True)
        )
    return found.touches if isinstance(found, Whole) else everywhere


def widened(region: Region, axes: Iterable[int]) -> Region:
    """The region with every position of some axes (0 is the batch axis)."""
    whole = set(axes)
    return tuple(ALL if axis in whole else span for axis, span in enumerate(region, start=1))


def elementwise(values: Values, node: Node[Op], region: Region) -> Part:
    """The rule of operations that compute each element from those at its position, spread over axes of size 1."""
    data = [v for v in node.inputs if values.array(v) is None]
    shape = values.shape(node.output)
    free = (axis for axis in range(1, len(shape)) if shape[axis] is None)
    region = widened(region, [axis for axis in free if not values.one_length(data, axis)])
    operands = (region if v not in data else _spread(values.shape(v), region) for v in node.inputs)
    return Part(region, node.op, tuple(operands))


def _spread(shape: Shape, region: Region) -> Region:
    return tuple(ALL if n == 1 else span for n, span in zip(shape[1:], region, strict=True))
