"""The random changes of images that Keras has; see ``augmentation.py``."""

from __future__ import annotations

from typing import ClassVar

from foldnet.errors import UnsupportedError
from foldnet.layers.augmentation import (
    ANY_SEED,
    FILL_MODE,
    FILL_VALUE,
    FORMAT,
    INTERPOLATION,
    MOVE,
    ODD,
    REQUIRED,
    SHARE,
    SHEAR,
    SIGNED,
    SORTED_VALUES,
    UNSIGNED,
    VALUES,
    ZOOM,
    Argument,
    Augmentation,
    factor,
    kept_factor,
)
from foldnet.layers.tensors import Shape
from foldnet.setting_types import COUNT, FLAG, FRACTION, NOT_NEGATIVE, NUMBER, WHOLE, choice, number


class RandomFlip(Augmentation):
    """In training, flips images at random: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "mode": (choice("horizontal", "vertical", "horizontal_and_vertical"), "horizontal_and_vertical"),
        "seed": ANY_SEED,
        "data_format": FORMAT,
    }


class RandomRotation(Augmentation):
    """In training, turns images by a random share of a full turn: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (SIGNED, REQUIRED), "fill_mode": FILL_MODE, "interpolation": INTERPOLATION, "seed": ANY_SEED,
        "fill_value": FILL_VALUE, "data_format": FORMAT,
    }  # fmt: skip


class RandomTranslation(Augmentation):
    """In training, moves images by random shares of their size: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "height_factor": (MOVE, REQUIRED), "width_factor": (MOVE, REQUIRED), "fill_mode": FILL_MODE,
        "interpolation": INTERPOLATION, "seed": ANY_SEED, "fill_value": FILL_VALUE, "data_format": FORMAT,
    }  # fmt: skip


class RandomZoom(Augmentation):
    """In training, enlarges or shrinks images at random: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "height_factor": (ZOOM, REQUIRED), "width_factor": (ZOOM.or_none(), None), "fill_mode": FILL_MODE,
        "interpolation": INTERPOLATION, "seed": ANY_SEED, "fill_value": FILL_VALUE, "data_format": FORMAT,
    }  # fmt: skip


class RandomShear(Augmentation):
    """In training, shears images at random: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "x_factor": (SHEAR, 0.0),
        "y_factor": (SHEAR, 0.0),
        "interpolation": INTERPOLATION, "fill_mode": FILL_MODE, "fill_value": FILL_VALUE, "data_format": FORMAT,
        "seed": ANY_SEED,
    }  # fmt: skip


class RandomPerspective(Augmentation):
    """In training, shows images in a random perspective: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (UNSIGNED, 1.0), "scale": (FRACTION, 1.0), "interpolation": INTERPOLATION, "fill_value": FILL_VALUE,
        "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip


class RandomElasticTransform(Augmentation):
    """In training, distorts images at random as if they were of rubber: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (UNSIGNED, 1.0), "scale": (UNSIGNED, 1.0), "interpolation": INTERPOLATION, "fill_mode": FILL_MODE,
        "fill_value": FILL_VALUE, "value_range": VALUES, "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip


class RandomErasing(Augmentation):
    """In training, covers a random rectangle of images: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (UNSIGNED, 1.0), "scale": (UNSIGNED, (0.02, 0.33)), "fill_value": (NUMBER.or_none(), None),
        "value_range": VALUES, "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip


class RandomGaussianBlur(Augmentation):
    """In training, blurs images at random: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (UNSIGNED, 1.0), "kernel_size": (ODD, 3),
        "sigma": (UNSIGNED, 1.0), "value_range": VALUES, "data_format": FORMAT, "seed": ANY_SEED,
    }  # fmt: skip


class RandomBrightness(Augmentation):
    """In training, adds a random number to all values of an image: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (SIGNED, REQUIRED), "value_range": SORTED_VALUES, "seed": ANY_SEED,
    }  # fmt: skip


class RandomContrast(Augmentation):
    """In training, changes the contrast of images at random: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (UNSIGNED, REQUIRED), "value_range": VALUES, "seed": ANY_SEED,
    }  # fmt: skip


class RandomSaturation(Augmentation):
    """In training, changes the saturation of colours at random: (batch, height, width, 3)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (SIGNED, REQUIRED), "value_range": SORTED_VALUES, "data_format": FORMAT, "seed": ANY_SEED,
    }  # fmt: skip


class RandomHue(Augmentation):
    """In training, changes the hue of colours at random: (batch, height, width, 3)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (UNSIGNED, REQUIRED), "value_range": VALUES, "data_format": FORMAT, "seed": ANY_SEED,
    }  # fmt: skip


class RandomSharpness(Augmentation):
    """In training, makes images sharper or softer at random: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (UNSIGNED, REQUIRED), "value_range": SORTED_VALUES, "data_format": FORMAT, "seed": ANY_SEED,
    }  # fmt: skip


class RandomColorDegeneration(Augmentation):
    """In training, takes colour out of images at random: (batch, height, width, 3)."""

    channels = 3
    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (SIGNED, REQUIRED), "value_range": SORTED_VALUES, "data_format": FORMAT, "seed": ANY_SEED,
    }  # fmt: skip


class RandomColorJitter(Augmentation):
    """In training, changes brightness, contrast, saturation and hue at random: (batch, height, width, 3)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "value_range": VALUES, "brightness_factor": (kept_factor(number(-1, 1)).or_none(), None),
        "contrast_factor": (kept_factor(FRACTION).or_none(), None),
        "saturation_factor": (kept_factor(number(-1, 1)).or_none(), None),
        "hue_factor": (kept_factor(FRACTION).or_none(), None), "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip


class RandomGrayscale(Augmentation):
    """In training, takes the colour out of some images: (batch, height, width, 3)."""

    not_stored = frozenset({"seed"})
    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (FRACTION, 0.5), "data_format": FORMAT, "seed": ANY_SEED,
    }  # fmt: skip


class RandomInvert(Augmentation):
    """In training, inverts the values of some images: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (UNSIGNED, 1.0), "value_range": VALUES, "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip


class RandomPosterization(Augmentation):
    """In training, leaves values fewer bits at random: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (factor(1, 8), REQUIRED), "value_range": SORTED_VALUES, "data_format": FORMAT, "seed": ANY_SEED,
    }  # fmt: skip


class Solarization(Augmentation):
    """In training, adds a number and inverts values above a threshold: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "addition_factor": (SHARE, 0.0), "threshold_factor": (SHARE, 0.0), "value_range": SORTED_VALUES,
        "seed": ANY_SEED,
    }  # fmt: skip


class CutMix(Augmentation):
    """In training, puts parts of some images into others: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (UNSIGNED, 1.0), "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip


class MixUp(Augmentation):
    """In training, mixes images with others: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "alpha": (NOT_NEGATIVE, 0.2), "data_format": FORMAT, "seed": ANY_SEED,
    }  # fmt: skip


class AugMix(Augmentation):
    """In training, mixes chains of random changes of images: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "value_range": VALUES, "num_chains": (COUNT, 3), "chain_depth": (COUNT, 3), "factor": (UNSIGNED, 0.3),
        "alpha": (NOT_NEGATIVE, 1.0), "all_ops": (FLAG, True), "interpolation": INTERPOLATION, "seed": ANY_SEED,
        "data_format": FORMAT,
    }  # fmt: skip


class RandAugment(Augmentation):
    """In training, makes several random changes of images: (batch, height, width, channels)."""

    arguments: ClassVar[dict[str, Argument]] = {
        "value_range": VALUES, "num_ops": (COUNT, 2), "factor": (UNSIGNED, 0.5), "interpolation": INTERPOLATION,
        "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip


class MaxNumBoundingBoxes(Augmentation):
    """Sets how many boxes come with an image in a data set; images do not change: (batch, height, width, channels)."""

    not_stored = frozenset({"fill_value"})
    arguments: ClassVar[dict[str, Argument]] = {"max_number": (WHOLE, REQUIRED), "fill_value": (NUMBER, -1)}


class RandomCrop(Augmentation):
    """In training, cuts a random part out of images: (batch, height, width, channels).

    At prediction time Keras 3 gives back the whole image, although it says that its size is that of the part. So
    foldnet takes images that have this size already, and refuses others; ``CenterCrop`` cuts out the middle.
    """

    height: int
    width: int

    name_is_positional = True
    arguments: ClassVar[dict[str, Argument]] = {
        "height": (COUNT, REQUIRED), "width": (COUNT, REQUIRED), "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape.

        Raises:
            UnsupportedError: images of another size.
        """
        shape = super().compute_output_shape(*input_shapes)
        channels_first = self.data_format == "channels_first"
        size, wanted = (shape[-2:] if channels_first else shape[-3:-1]), (self.height, self.width)
        if size != wanted:
            raise UnsupportedError(
                f"layer {self.name!r}: a RandomCrop to {wanted} is given images of {size}, and Keras's releases differ "
                "in what it does with them at prediction time. Put a CenterCrop or a Resizing in its place"
            )
        return shape
