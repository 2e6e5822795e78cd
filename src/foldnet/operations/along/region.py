"""Regions of operations along axes: they need every position of these, and of the others as many as they compute."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import AxisOp, Op
from foldnet.operations.along.op import CumulativeSum, Glu, Moments, Reduce, Softmax, Sparsemax
from foldnet.operations.regions import ALL, Part, Region, Rule, Span, Values, widened


def _along(values: Values, node: Node[AxisOp], region: Region) -> Part:
    region = widened(region, (node.op.axis,))
    return Part(region, node.op, (region,))


def _by_moments(values: Values, node: Node[Moments], region: Region) -> Part:
    region = widened(region, node.op.axes)
    return Part(region, node.op, (region,))


def _reduced(values: Values, node: Node[Reduce], region: Region) -> Part:
    op, rank = node.op, len(values.shape(node.inputs[0]))
    if op.keepdims:
        return Part(region, op, (widened(region, op.axes),))
    left = iter(region)
    return Part(region, op, (tuple(ALL if axis in op.axes else next(left) for axis in range(1, rank)),))


def _running(values: Values, node: Node[CumulativeSum], region: Region) -> Part:
    """Sums run over all positions up to the last that is needed, or down to the first."""
    op, place = node.op, node.op.axis - 1
    span = region[place]
    run = Span(before=span.before) if op.reverse else Span(after=span.after)
    region = (*region[:place], run, *region[place + 1 :])
    return Part(region, op, (region,))


RULES: dict[type[Op], Rule] = {
    Softmax: _along,
    Sparsemax: _along,
    Glu: _along,
    Moments: _by_moments,
    Reduce: _reduced,
    CumulativeSum: _running,
}
