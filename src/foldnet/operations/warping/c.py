"""C of images whose positions are mapped, and of their gradients."""

from __future__ import annotations

from foldnet.codegen.batch import StepWriter
from foldnet.codegen.writer import Rule
from foldnet.graph.graph import Node
from foldnet.graph.op import Op
from foldnet.operations.warping.op import MapImage, MapImageGradient

FILLS = ("reflect", "wrap", "nearest", "constant")
"""Fill modes in the order of the numbers that C has for them."""


def _call(e: StepWriter, op: MapImage, name: str, x: str, maps: str, y: str, count: int | str) -> None:
    shape = e.shape(x)
    height, width = (shape[a - 1] for a in op.spatial_axes)
    channels = shape[0 if op.channels_first else 2]
    of_channel, of_position = (height * width, 1) if op.channels_first else (1, channels)
    centers = [(n - 1) / 2 if op.origin == "center" else 0.0 for n in (height, width)]
    given = [
        *(e.place(v) for v in (x, maps, y)), height, width, channels, of_position, of_channel,
        int(op.by_position), *(f"{c:.1f}f" for c in centers), int(op.interpolation == "nearest"),
        FILLS.index(op.fill_mode),
    ]  # fmt: skip
    if name == "map_images":
        given.append(f"(float){e.layout.number(op.fill_value)}")
    e.add(f"{name}({', '.join(map(str, given))}, R, LOW({count}), HIGH({count}));")
    e.wait()


def map_image(e: StepWriter, node: Node[MapImage]) -> None:
    """By a function, whose threads share positions."""
    images, maps = node.inputs
    shape = e.shape(images)
    height, width = (shape[a - 1] for a in node.op.spatial_axes)
    _call(e, node.op, "map_images", images, maps, node.output, height * width)


def map_image_gradient(e: StepWriter, node: Node[MapImageGradient]) -> None:
    """By a function, whose threads share rows: many positions may read one place."""
    g, maps = node.inputs
    _call(e, node.op.of, "map_images_back", g, maps, node.output, "R / 16")


RULES: dict[type[Op], Rule] = {MapImage: map_image, MapImageGradient: map_image_gradient}
