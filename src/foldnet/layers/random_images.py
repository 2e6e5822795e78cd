"""Random changes of the positions of images; see ``augmentation.py``."""

from __future__ import annotations

from math import pi
from typing import Any, ClassVar

from foldnet.errors import ConfigError, UnsupportedError
from foldnet.layers.augmentation import (
    ANY_SEED,
    FILL_MODE,
    FILL_VALUE,
    FORMAT,
    INTERPOLATION,
    MOVE,
    REQUIRED,
    SHEAR,
    SIGNED,
    UNSIGNED,
    VALUES,
    ZOOM,
    Argument,
    Augmentation,
    Pair,
    Strength,
    around,
    known_sizes,
)
from foldnet.layers.drawing import Draws, Map, clipped, flipped, part, side_by_side, weighed, where
from foldnet.layers.tensors import Shape
from foldnet.operations.expression import binary, emitted, unary
from foldnet.operations.structure.op import Concatenate
from foldnet.operations.warping.op import FillMode, MapImage, Origin, PickMode
from foldnet.setting_types import COUNT, FRACTION, choice

ONE = (1,)
"""The shape of one number for each image in a map."""


class RandomFlip(Augmentation):
    """In training, flips images at random: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "mode": (choice("horizontal", "vertical", "horizontal_and_vertical"), "horizontal_and_vertical"),
        "seed": ANY_SEED,
        "data_format": FORMAT,
    }

    mode: str

    def changed(self, x: Any, draws: Draws) -> Any:
        """Half of the images from back to front, along one axis or along both at once."""
        names = zip(("vertical", "horizontal"), self.spatial_axes, strict=True)
        turned = flipped(x, [axis for name, axis in names if name in self.mode])
        return where(draws.uniform(0, 1) <= 0.5, turned, x)


class Mapped(Augmentation):
    """Base class of changes that move the positions of images.

    Attributes:
        origin: what maps are around.
    """

    origin: ClassVar[Origin] = "center"
    interpolation: PickMode
    fill_mode: FillMode
    fill_value: float

    def map(self, draws: Draws) -> Map:
        """The six numbers of a map for each image, see ``MapImage``."""
        raise ConfigError(f"{type(self).__name__} must define its maps")  # every subclass defines it

    def changed(self, x: Any, draws: Draws) -> Any:
        """The images at mapped positions."""
        first = self.data_format == "channels_first"
        op = MapImage(self.interpolation, self.fill_mode, self.fill_value, first, self.origin)
        return emitted(op, x, side_by_side(*self.map(draws)))


class RandomRotation(Mapped):
    """In training, turns images by a random share of a full turn: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (SIGNED, REQUIRED), "fill_mode": FILL_MODE, "interpolation": INTERPOLATION, "seed": ANY_SEED,
        "fill_value": FILL_VALUE, "data_format": FORMAT,
    }  # fmt: skip

    factor: Pair

    def map(self, draws: Draws) -> Map:
        """Turned around the center."""
        low, high = self.factor
        angle = draws.uniform(low * 360, high * 360, ONE) * (pi / 180)
        cos, sin = unary("cos", angle), unary("sin", angle)
        return cos, sin, -sin, cos, 0, 0


class RandomTranslation(Mapped):
    """In training, moves images by random shares of their size: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "height_factor": (MOVE, REQUIRED), "width_factor": (MOVE, REQUIRED), "fill_mode": FILL_MODE,
        "interpolation": INTERPOLATION, "seed": ANY_SEED, "fill_value": FILL_VALUE, "data_format": FORMAT,
    }  # fmt: skip

    height_factor: Strength
    width_factor: Strength

    def map(self, draws: Draws) -> Map:
        """Moved down and to the right."""
        down, right = (draws.uniform(*around(f), ONE) for f in (self.height_factor, self.width_factor))
        return 1, 0, 0, 1, -down, -right


class RandomZoom(Mapped):
    """In training, enlarges or shrinks images at random: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "height_factor": (ZOOM, REQUIRED), "width_factor": (ZOOM.or_none(), None), "fill_mode": FILL_MODE,
        "interpolation": INTERPOLATION, "seed": ANY_SEED, "fill_value": FILL_VALUE, "data_format": FORMAT,
    }  # fmt: skip

    height_factor: Strength
    width_factor: Strength | None

    def map(self, draws: Draws) -> Map:
        """Enlarged or shrunk around the center, along both axes by the same if the width has no factor of its own."""
        low, high = around(self.height_factor)
        height = width = draws.uniform(1 + low, 1 + high, ONE)
        if self.width_factor is not None:
            low, high = around(self.width_factor)
            width = draws.uniform(1 + low, 1 + high, ONE)
        return height, 0, 0, width, 0, 0


class RandomShear(Mapped):
    """In training, shears images at random: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "x_factor": (SHEAR, 0.0),
        "y_factor": (SHEAR, 0.0),
        "interpolation": INTERPOLATION, "fill_mode": FILL_MODE, "fill_value": FILL_VALUE, "data_format": FORMAT,
        "seed": ANY_SEED,
    }  # fmt: skip

    origin: ClassVar[Origin] = "corner"
    x_factor: Pair
    y_factor: Pair

    def map(self, draws: Draws) -> Map:
        """Sheared from the first corner on, half of them the other way."""
        way = where(draws.uniform(0, 1, ONE) > 0.5, -1.0, 1.0)
        y, x = (draws.uniform(*f, ONE) * way for f in (self.y_factor, self.x_factor))
        return 1, y, x, 1, 0, 0


class RandomPerspective(Augmentation):
    """In training, shows images in a random perspective: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (UNSIGNED, 1.0), "scale": (FRACTION, 1.0), "interpolation": INTERPOLATION, "fill_value": FILL_VALUE,
        "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip

    factor: Pair
    scale: float
    interpolation: PickMode
    fill_value: float

    def changed(self, x: Any, draws: Draws) -> Any:
        """Some images with three corners moved away from the first one or towards it, in perspective.

        With the corners at ``(a w, 0)``, ``(0, b h)`` and ``(c w, d h)``, of the images' last positions w and h, the
        result at (x, y) is the image at ``((p + 1/a) x, (q + 1/b) y) / (p x/w + q y/h + 1)``, where
        ``p = (d/b - 1) / c`` and ``q = (c/a - 1) / d``: the map that brings the corners back.

        Raises:
            UnsupportedError: images of one row or one column, which have no such map.
        """
        row, moved = known_sizes(self.name, x), draws.happens(*self.factor)
        height, width = (row[axis - 1] - 1 for axis in self.spatial_axes)
        if not height or not width:
            raise UnsupportedError(
                f"layer {self.name!r}: RandomPerspective needs two rows and two columns, and was given images of shape "
                f"{row}. Leave it out"
            )
        corners = draws.uniform(-0.5 * self.scale, 0.5 * self.scale, (8,)) + 1
        a, b, c, d = (part(corners, 1, k, 1) for k in (2, 5, 6, 7))
        p, q = (d / b - 1) / c, (c / a - 1) / d
        numbers = side_by_side(q + 1 / b, 0, 0, p + 1 / a, 0, 0, q / height, p / width)
        first = self.data_format == "channels_first"
        op = MapImage(self.interpolation, "constant", self.fill_value, first, "corner")
        return where(moved, emitted(op, x, numbers), x)


class RandomElasticTransform(Augmentation):
    """In training, distorts images at random as if they were of rubber: (batch, height, width, channels).

    As in Keras, positions move as far down as to the right, and images of a batch are distorted as strongly.
    """

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (UNSIGNED, 1.0), "scale": (UNSIGNED, 1.0), "interpolation": INTERPOLATION, "fill_mode": FILL_MODE,
        "fill_value": FILL_VALUE, "value_range": VALUES, "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip

    factor: Pair
    scale: Pair
    interpolation: PickMode
    fill_mode: FillMode
    fill_value: float
    value_range: Pair

    def changed(self, x: Any, draws: Draws) -> Any:
        """Some images with each position moved by normal numbers that are blurred; all held to the range.

        Raises:
            UnsupportedError: images of one row or one column, whose batch Keras mixes up.
        """
        if not self.scale[1] or not self.factor[1]:
            return x
        row = known_sizes(self.name, x)
        height, width = (row[axis - 1] for axis in self.spatial_axes)
        if height == 1 or width == 1:
            raise UnsupportedError(
                f"layer {self.name!r}: RandomElasticTransform needs two rows and two columns, and was given images of "
                f"shape {row}. Leave it out"
            )
        happens, strength = draws.happens(*self.factor), draws.uniform(*self.scale, shared=True)
        sigma = strength * (0.05 * min(height, width))
        weights = _blur(sigma, int(6 * 0.05 * min(height, width) * self.scale[1] + 1e-3) // 2)
        moves = draws.normal((height, width, 1)) * sigma
        for axis in (1, 2):
            moves = weighed(moves, axis, weights)
        moves = moves * (strength * (0.1 * max(height, width)))
        first = self.data_format == "channels_first"
        op = MapImage(self.interpolation, self.fill_mode, self.fill_value, first, by_position=True)
        moved = emitted(op, x, emitted(Concatenate(3), moves, moves))
        return clipped(where(happens, moved, x), *self.value_range)


def _blur(sigma: Any, reach: int) -> list[Any]:
    """The weights of a blur at distances up to ``reach``; its own reach is three times sigma."""
    one_side = [
        where(6 * sigma >= 2 * k, unary("exp", -0.5 * (k / sigma) ** 2), 0.0) for k in range(1, reach + 1)
    ]
    weights = [*reversed(one_side), sigma * 0.0 + 1, *one_side]
    total = sum(weights[1:], weights[0])
    return [weight / total for weight in weights]


class RandomCrop(Augmentation):
    """In training, cuts a random part out of images, the same of all in a batch: (batch, height, width, channels).

    At prediction time Keras 3 gives back the whole image, although it says that its size is that of the part. So
    foldnet predicts only if images have this size already; ``CenterCrop`` cuts out the middle.
    """

    height: int
    width: int

    name_is_positional = True
    arguments: ClassVar[dict[str, Argument]] = {
        "height": (COUNT, REQUIRED), "width": (COUNT, REQUIRED), "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape with the size of the part."""
        shape = list(super().compute_output_shape(*input_shapes))
        row, column = (-2, -1) if self.data_format == "channels_first" else (-3, -2)
        shape[row], shape[column] = self.height, self.width
        return tuple(shape)

    def only_trains(self, *input_shapes: Shape) -> str:
        """Why images of this shape are not predicted; "" if they have the size of the part."""
        shape = input_shapes[0]
        size = shape[-2:] if self.data_format == "channels_first" else shape[-3:-1]
        wanted = (self.height, self.width)
        if size == wanted:
            return ""
        return (
            f"a RandomCrop to {wanted} is given images of {size}, and Keras's releases differ in what it does with "
            "them at prediction time. Fit without validation data, and predict with a network of the same layers that "
            "has a CenterCrop or a Resizing in its place"
        )

    def changed(self, x: Any, draws: Draws) -> Any:
        """A part from a place that is drawn for the batch; from the middle if an axis has the part's size already.

        Raises:
            UnsupportedError: images that are smaller than the part.
        """
        row, axes = known_sizes(self.name, x), self.spatial_axes
        spare = [row[axis - 1] - n for axis, n in zip(axes, (self.height, self.width), strict=True)]
        if min(spare) < 0:
            raise UnsupportedError(
                f"layer {self.name!r}: a RandomCrop to {(self.height, self.width)} is given images of shape {row}, "
                "which Keras enlarges. Put a Resizing ahead of it"
            )
        starts = [n // 2 for n in spare]
        if min(spare) > 0:
            places = [unary("floor", draws.uniform(0, n + 1, ONE, shared=True)) for n in spare]
            down, right = (
                binary("minimum", p, n) / (n + m)
                for p, n, m in zip(places, spare, (self.height, self.width), strict=True)
            )
            first = self.data_format == "channels_first"
            x = emitted(MapImage("nearest", "nearest", 0.0, first), x, side_by_side(1, 0, 0, 1, down, right))
            starts = [0, 0]
        for axis, start, count in zip(axes, starts, (self.height, self.width), strict=True):
            x = part(x, axis, start, count)
        return x
