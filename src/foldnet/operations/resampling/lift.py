"""Axes of another length, with one more axis."""

from __future__ import annotations

from foldnet.graph.op import Op
from foldnet.operations.lifts import Rule, next_axes, next_axis
from foldnet.operations.resampling.op import AdaptiveMax, CutToShape, Mix, Nearest, PadToShape

RULES: dict[type[Op], Rule] = {
    Nearest: next_axis,
    Mix: next_axis,
    AdaptiveMax: next_axis,
    CutToShape: next_axes,
    PadToShape: next_axes,
}
