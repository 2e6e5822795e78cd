"""Gradients of images whose positions are mapped."""

from __future__ import annotations

from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.gradients import GradientBuilder, Gradients, Rule
from foldnet.operations.warping.op import MapImage, MapImageGradient


def map_image(b: GradientBuilder, node: Node[MapImage], g: str) -> Gradients:
    """On the images; the map is taken for constant."""
    images, maps = node.inputs
    return b.emit(MapImageGradient(node.op), g, maps) if b.wants(images) else None, None


RULES: dict[type[Op], Rule] = {MapImage: map_image}
