"""Mixtures of images and of their changes; see ``augmentation.py``."""

from __future__ import annotations

from typing import Any, ClassVar

from foldnet.layers.augmentation import (
    ANY_SEED,
    FORMAT,
    INTERPOLATION,
    REQUIRED,
    UNSIGNED,
    VALUES,
    Argument,
    Augmentation,
)
from foldnet.layers.drawing import Draws
from foldnet.setting_types import COUNT, FLAG, NOT_NEGATIVE, NUMBER, WHOLE


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

    def changed(self, x: Any, draws: Draws) -> Any:
        """The images."""
        return x
