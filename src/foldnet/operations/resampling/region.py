"""Regions of what gives axes another length: which positions these need depends on lengths, so that it needs all."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import AxisOp, Op
from foldnet.operations.regions import Part, Region, Rule, Values, widened
from foldnet.operations.resampling.op import AdaptiveMax, CutToShape, Mix, Nearest, PadToShape


def _on_axis(values: Values, node: Node[AxisOp], region: Region) -> Part:
    region = widened(region, (node.op.axis,))
    return Part(region, node.op, (region,))


def _on_axes(values: Values, node: Node[CutToShape | PadToShape], region: Region) -> Part:
    region = widened(region, node.op.axes)
    return Part(region, node.op, (region,))


RULES: dict[type[Op], Rule] = {
    Nearest: _on_axis,
    Mix: _on_axis,
    AdaptiveMax: _on_axis,
    CutToShape: _on_axes,
    PadToShape: _on_axes,
}
