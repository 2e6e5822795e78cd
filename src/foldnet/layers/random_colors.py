"""Random changes of the values of images; see ``augmentation.py``."""

from __future__ import annotations

from typing import Any, ClassVar

from foldnet.errors import UnsupportedError
from foldnet.layers.augmentation import (
    ANY_SEED,
    FORMAT,
    ODD,
    REQUIRED,
    SHARE,
    SIGNED,
    SORTED_VALUES,
    UNSIGNED,
    VALUES,
    Argument,
    Augmentation,
    Pair,
    Strength,
    factor,
    kept_factor,
    known_sizes,
)
from foldnet.layers.coloring import hsv, rescaled, rgb
from foldnet.layers.drawing import Draws, clipped, inside, mean, weighed, where
from foldnet.operations.expression import unary
from foldnet.setting_types import FRACTION, NUMBER, Kind, number

BYTES = (0, 255)


def strength(factor: Kind, values: Argument, in_any_format: bool = False) -> dict[str, Argument]:
    """The arguments of a change that has a strength and a range of values, and perhaps a ``data_format`` to be told."""
    known = {} if in_any_format else {"data_format": FORMAT}
    return {"factor": (factor, REQUIRED), "value_range": values, **known, "seed": ANY_SEED}


class Strengthened(Augmentation):
    """Base class of changes that have a strength and a range of values."""

    factor: Pair
    value_range: Pair


class RandomBrightness(Strengthened):
    """In training, adds a random number to all values of an image: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = strength(SIGNED, SORTED_VALUES, in_any_format=True)

    def changed(self, x: Any, draws: Draws) -> Any:
        """A number added to each image, which is a share of the range; then held to the range."""
        least, most = self.value_range
        return clipped(x + draws.uniform(*self.factor) * (most - least), least, most)


class RandomContrast(Strengthened):
    """In training, changes the contrast of images at random: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = strength(UNSIGNED, VALUES, in_any_format=True)

    def changed(self, x: Any, draws: Draws) -> Any:
        """Each channel's distances from its mean times a number from ``1 - factor[0]`` to ``1 + factor[1]``."""
        least, most = self.factor
        middle = mean(x, self.spatial_axes)
        return clipped((x - middle) * draws.uniform(1 - least, 1 + most) + middle, *self.value_range)


class RandomSaturation(Strengthened):
    """In training, changes the saturation of colours at random: (batch, height, width, 3)."""

    arguments: ClassVar[dict[str, Argument]] = strength(SIGNED, SORTED_VALUES)

    def changed(self, x: Any, draws: Draws) -> Any:
        """The saturation times ``f / (1 - f)``."""
        factor = draws.uniform(*self.factor)
        hue, saturation, value = hsv(*self.colors(x))
        saturation = clipped(saturation * (factor / (1 - factor + 1e-7)), *self.value_range)
        return self.joined(rgb(hue, saturation, value))


class RandomHue(Strengthened):
    """In training, changes the hue of colours at random: (batch, height, width, 3)."""

    arguments: ClassVar[dict[str, Argument]] = strength(UNSIGNED, VALUES)

    def changed(self, x: Any, draws: Draws) -> Any:
        """Half a number added to the hue or taken from it, on the circle."""
        way = where(draws.uniform(0, 1) > 0.5, -1.0, 1.0)
        turn = way * draws.uniform(*self.factor) * 0.5
        hue, saturation, value = hsv(*self.colors(rescaled(x, self.value_range, (0, 1))))
        hue = hue + turn
        hue = where(hue > 1.0, hue - 1.0, hue)
        hue = where(hue < 0.0, hue + 1.0, hue)
        found = clipped(self.joined(rgb(hue, saturation, value)), 0, 1)
        return rescaled(found, (0, 1), self.value_range)


class RandomSharpness(Strengthened):
    """In training, makes images sharper or softer at random: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = strength(UNSIGNED, SORTED_VALUES)

    def changed(self, x: Any, draws: Draws) -> Any:
        """Away from its mean with the eight neighbours or towards it, in which it counts five times."""
        factor, around = draws.uniform(*self.factor) * 2, x
        for axis in self.spatial_axes:
            around = weighed(around, axis, [1, 1, 1])
        smooth = around * (1 / 13) + x * (4 / 13)
        return clipped(x + (1 - factor) * (smooth - x), *self.value_range)


class RandomColorDegeneration(Strengthened):
    """In training, takes colour out of images at random: (batch, height, width, 3)."""

    channels = 3
    arguments: ClassVar[dict[str, Argument]] = strength(SIGNED, SORTED_VALUES)

    def changed(self, x: Any, draws: Draws) -> Any:
        """Towards grey."""
        return clipped(x + draws.uniform(*self.factor) * (self.grey(x) - x), *self.value_range)


class RandomColorJitter(Augmentation):
    """In training, changes brightness, contrast, saturation and hue at random: (batch, height, width, 3)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "value_range": VALUES, "brightness_factor": (kept_factor(number(-1, 1)).or_none(), None),
        "contrast_factor": (kept_factor(FRACTION).or_none(), None),
        "saturation_factor": (kept_factor(number(-1, 1)).or_none(), None),
        "hue_factor": (kept_factor(FRACTION).or_none(), None), "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip

    value_range: Pair
    brightness_factor: Strength | None
    contrast_factor: Strength | None
    saturation_factor: Strength | None
    hue_factor: Strength | None

    def changed(self, x: Any, draws: Draws) -> Any:
        """What four layers do, one after the other.

        Raises:
            UnsupportedError: channels that come first, where Keras's inner layers take them for last.
        """
        steps: list[tuple[type[Augmentation], Strength | None]] = [
            (RandomBrightness, self.brightness_factor), (RandomContrast, self.contrast_factor),
            (RandomSaturation, self.saturation_factor), (RandomHue, self.hue_factor),
        ]  # fmt: skip
        wanted = [(cls, strength) for cls, strength in steps if strength is not None]
        if self.data_format == "channels_first" and wanted:
            raise UnsupportedError(
                f"layer {self.name!r}: with channels_first, Keras's RandomColorJitter changes the wrong axis. Put "
                "RandomBrightness, RandomContrast, RandomSaturation and RandomHue in its place"
            )
        for cls, strength in wanted:
            config = {"factor": strength, "value_range": self.value_range, "name": self.name}
            x = cls.from_config(config).changed(x, draws)
        return x


class RandomGrayscale(Augmentation):
    """In training, takes the colour out of some images: (batch, height, width, 3)."""

    not_stored = frozenset({"seed"})
    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (FRACTION, 0.5), "data_format": FORMAT, "seed": ANY_SEED,
    }  # fmt: skip

    factor: float

    def changed(self, x: Any, draws: Draws) -> Any:
        """Some images in grey."""
        return where(draws.uniform(0, 1) < self.factor, self.grey(x), x)


class RandomInvert(Strengthened):
    """In training, inverts the values of some images: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (UNSIGNED, 1.0), "value_range": VALUES, "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip

    def changed(self, x: Any, draws: Draws) -> Any:
        """The largest value minus some images."""
        return where(draws.happens(*self.factor), self.value_range[1] - x, x)


class RandomPosterization(Strengthened):
    """In training, leaves values fewer bits at random: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = strength(factor(1, 8), SORTED_VALUES)

    def changed(self, x: Any, draws: Draws) -> Any:
        """Of the eight bits of each value the first ones; how many is drawn, without the largest number."""
        low, high = (int(bits) for bits in self.factor)
        drawn = draws.uniform(low, max(high, low + 1))
        step = drawn * 0.0 + 2.0 ** (8 - low)
        for bits in range(low + 1, high):
            step = where(drawn >= bits, 2.0 ** (8 - bits), step)
        whole = unary("floor", clipped(rescaled(x, self.value_range, BYTES), *BYTES))
        return rescaled(unary("floor", whole / step) * step, BYTES, self.value_range)


class Solarization(Augmentation):
    """In training, adds a number and inverts values above a threshold: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "addition_factor": (SHARE, 0.0), "threshold_factor": (SHARE, 0.0), "value_range": SORTED_VALUES,
        "seed": ANY_SEED,
    }  # fmt: skip

    addition_factor: Pair
    threshold_factor: Pair
    value_range: Pair

    def changed(self, x: Any, draws: Draws) -> Any:
        """In the range from 0 to 255 a number added; what is not below a threshold then, taken from 255."""
        addition, threshold = (
            draws.uniform(low, high * 255) for low, high in (self.addition_factor, self.threshold_factor)
        )
        found = clipped(rescaled(x, self.value_range, BYTES) + addition, *BYTES)
        return rescaled(where(found < threshold, found, 255 - found), BYTES, self.value_range)


class RandomErasing(Strengthened):
    """In training, covers a random rectangle of images: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (UNSIGNED, 1.0), "scale": (UNSIGNED, (0.02, 0.33)), "fill_value": (NUMBER.or_none(), None),
        "value_range": VALUES, "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip

    scale: Pair
    fill_value: float | None

    def changed(self, x: Any, draws: Draws) -> Any:
        """Some images with a rectangle of one number, or of normal numbers times the largest value."""
        row, axes = known_sizes(self.name, x), tuple(reversed(self.spatial_axes))
        sides = [unary("sqrt", draws.uniform(*self.scale)) for _ in axes]
        conditions = inside(draws, row, axes, sides)
        covered = draws.happens(*self.factor)
        for condition in conditions:
            covered = covered * condition
        if self.fill_value is not None:
            least, most = self.value_range
            return where(covered, min(max(self.fill_value, least), most), x)
        noise = clipped(draws.normal(row) * self.value_range[1], *self.value_range)
        return where(covered, noise, x)


class RandomGaussianBlur(Strengthened):
    """In training, blurs images at random: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (UNSIGNED, 1.0), "kernel_size": (ODD, 3),
        "sigma": (UNSIGNED, 1.0), "value_range": VALUES, "data_format": FORMAT, "seed": ANY_SEED,
    }  # fmt: skip

    kernel_size: tuple[int, int]
    sigma: Pair

    def changed(self, x: Any, draws: Draws) -> Any:
        """Some images blurred, those of a batch in the same way, and all held to the range."""
        blurred, blurs = x, draws.happens(*self.factor)
        for axis, size in zip(reversed(self.spatial_axes), self.kernel_size, strict=True):
            sigma = draws.uniform(*self.sigma, shared=True) + 1e-6
            weights = [unary("exp", -0.5 * ((k - (size - 1) / 2) / sigma) ** 2) for k in range(size)]
            blurred = weighed(blurred, axis, [w / sum(weights[1:], weights[0]) for w in weights])
        return clipped(where(blurs, blurred, x), *self.value_range)
