"""Regions of what gives axes another length: which positions these need depends on lengths, so that it computes all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from foldnet.graph.graph import Node
from foldnet.graph.op import AxisOp, Op
from foldnet.operations.regions import ALL, Part, Region, Rule, Span, Values, widened
from foldnet.operations.resampling.op import AdaptiveMax, CutToShape, Mix, Nearest, PadToShape
from foldnet.operations.resampling.weights import as_matrix, windows


def _nearest(values: Values, node: Node[Nearest], region: Region) -> Part:
    return _on_axis(values, node, region, lambda n, new: [node.op.places(n)[i] for i in new])


def _mixed(values: Values, node: Node[Mix], region: Region) -> Part:
    return _on_axis(
        values,
        node,
        region,
        lambda n, new: np.flatnonzero(as_matrix(node.op, n)[list(new)].any(axis=0)).tolist(),
    )


def _largest(values: Values, node: Node[AdaptiveMax], region: Region) -> Part:
    return _on_axis(
        values, node, region, lambda n, new: [place for i in new for place in windows(n, node.op.count)[i]]
    )


def _on_axis(
    values: Values, node: Node[AxisOp], region: Region, places: Callable[[int, range], Sequence[int]]
) -> Part:
    """All of the axis, given which old positions some new ones are made of."""
    axis, span = node.op.axis, region[node.op.axis - 1]
    old, new = values.shape(node.inputs[0])[axis], values.shape(node.output)[axis]
    whole = widened(region, (axis,))
    if span == ALL or old is None or new is None:
        return Part(whole, node.op, (whole,))
    found = places(old, span.positions(new))
    touched = Span(min(found), old - 1 - max(found))
    return Part(whole, node.op, (whole,), touches=((*region[: axis - 1], touched, *region[axis:]),))


def _on_axes(values: Values, node: Node[CutToShape | PadToShape], region: Region) -> Part:
    region = widened(region, node.op.axes)
    return Part(region, node.op, (region,))


RULES: dict[type[Op], Rule] = {
    Nearest: _nearest,
    Mix: _mixed,
    AdaptiveMax: _largest,
    CutToShape: _on_axes,
    PadToShape: _on_axes,
}
