"""Operations of training programs that move the positions of images: turned, moved, enlarged and sheared ones."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal

from foldnet.errors import ConfigError
from foldnet.graph.op import Op, Row, Shape

FillMode = Literal["reflect", "wrap", "constant", "nearest"]
PickMode = Literal["nearest", "bilinear"]
Origin = Literal["center", "corner"]
MAP = 8
"""How many numbers a map has."""


@dataclass(frozen=True)
class MapImage(Op):
    """Images whose positions are mapped, with a map for each. Operands: images, and 8 numbers for each of them; or
    with ``by_position``, for each position how far below it and how far to the right of it the image is read.

    The result at the position ``(y, x)`` is the image at ``(m0 y + m1 x + m4 height, m2 y + m3 x + m5 width)`` divided
    by ``1 + m6 y + m7 x``, where y and x count from the center of the image, or from its first corner.
    ``interpolation`` is how it is read between positions, ``fill_mode`` what lies beyond its borders: ``reflect``
    (d c b a | a b c d | d c b a), ``wrap`` (a b c d | a b c d), ``nearest`` (a a | a b c d | d d), or ``constant``,
    which is ``fill_value``.

    Gradients take the map for constant.
    """

    data: ClassVar[int | None] = 2
    predicts: ClassVar[bool] = False

    interpolation: PickMode = "bilinear"
    fill_mode: FillMode = "reflect"
    fill_value: float = 0.0
    channels_first: bool = False
    origin: Origin = "center"
    by_position: bool = False

    @property
    def spatial_axes(self) -> tuple[int, int]:
        """The axes of height and width, batch axis counted."""
        return (2, 3) if self.channels_first else (1, 2)

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of the images."""
        images, maps = shapes
        wanted: Shape = (MAP,)
        if self.by_position and len(images) == 4:
            wanted = (*(images[axis] for axis in self.spatial_axes), 2)
        if len(images) != 4 or maps[1:] != wanted:
            raise ConfigError(
                f"MapImage takes images and numbers of shape {wanted} for each, and was given {images} and {maps}"
            )
        return images

    def multiply_adds(self, result: Row, *operands: Row) -> int:
        """Four weights for each value, and what they take for each position."""
        positions = prod(result[axis - 1] for axis in self.spatial_axes)
        return 4 * prod(result) + 12 * positions


@dataclass(frozen=True)
class MapImageGradient(Op):
    """The gradient on the images of a MapImage. Operands: the gradient on its result, and the maps."""

    data: ClassVar[int | None] = 2
    predicts: ClassVar[bool] = False

    of: MapImage

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of the images."""
        return shapes[0]
