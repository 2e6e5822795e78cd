"""Mixtures of images and of their changes; see ``augmentation.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from foldnet.errors import UnsupportedError
from foldnet.layers.augmentation import (
    ANY_SEED,
    FORMAT,
    INTERPOLATION,
    REQUIRED,
    UNSIGNED,
    VALUES,
    Argument,
    Augmentation,
    Pair,
    known_sizes,
)
from foldnet.layers.auto_contrast import AutoContrast
from foldnet.layers.coloring import equalized
from foldnet.layers.drawing import Draws, chosen, clipped, inside, where
from foldnet.layers.random_colors import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomContrast,
    RandomPosterization,
    RandomSharpness,
    Solarization,
    Strengthened,
)
from foldnet.layers.random_images import RandomRotation, RandomShear, RandomTranslation
from foldnet.operations.expression import unary
from foldnet.setting_types import COUNT, FLAG, NOT_NEGATIVE, NUMBER, WHOLE

MIXED = (
    "random_shear", "random_translation", "random_rotation", "random_posterization", "solarization", "auto_contrast",
    "equalization",
)  # fmt: skip
ALSO_MIXED = ("random_brightness", "random_color_degeneration", "random_contrast", "random_sharpness")
"""What ``AugMix`` chooses among, and what ``all_ops`` adds, in Keras's order."""


def mixing_alpha(layer: Augmentation, alpha: float) -> float:
    """The shape of the distribution of a layer's weights.

    Raises:
        UnsupportedError: it is 0.
    """
    if alpha > 0:
        return alpha
    raise UnsupportedError(
        f"layer {layer.name!r}: with alpha 0, the weights that Keras draws are no numbers. Give it a positive alpha, "
        "or leave the layer out"
    )


class CutMix(Augmentation):
    """In training, puts parts of some images into others: (batch, height, width, channels).

    Labels do not change with the images; see ``MixUp``.
    """

    arguments: ClassVar[dict[str, Argument]] = {
        "factor": (UNSIGNED, 1.0), "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip

    factor: Pair

    def changed(self, x: Any, draws: Draws) -> Any:
        """A rectangle of each image from another one of the batch; how large it is comes from a beta distribution."""
        weight = draws.beta(draws.uniform(*self.factor, shared=True) + 1e-6)
        ratio, axes = unary("sqrt", 1 - weight), tuple(reversed(self.spatial_axes))
        covered: Any = 1
        for condition in inside(draws, known_sizes(self.name, x), axes, [ratio, ratio]):
            covered = condition * covered
        return where(covered, draws.shuffled(x), x)


class MixUp(Augmentation):
    """In training, mixes images with others: (batch, height, width, channels).

    Within a network it mixes images alone, as in Keras: labels stay those of the first image. Where labels are to be
    mixed, too, do it where the data come from, as with ``dataset.map`` of Keras's layer.
    """

    arguments: ClassVar[dict[str, Argument]] = {
        "alpha": (NOT_NEGATIVE, 0.2), "data_format": FORMAT, "seed": ANY_SEED,
    }  # fmt: skip

    alpha: float

    def changed(self, x: Any, draws: Draws) -> Any:
        """Each image and another one of the batch, mixed by weights of a beta distribution."""
        others = draws.shuffled(x)
        weight = draws.beta(mixing_alpha(self, self.alpha))
        return weight * x + (1 - weight) * others


Change = Callable[[Any, Draws], Any]
"""Makes other images of images."""


class Augmented(Strengthened):
    """Base class of layers that choose among the changes of others, the same for all images of a batch."""

    interpolation: str

    def changes(self) -> dict[str, Change]:
        """The changes by Keras's names of their layers, in the order of ``RandAugment``."""
        common = {"name": self.name, "data_format": self.data_format}
        moved = {**common, "interpolation": self.interpolation}
        colored = {**common, "value_range": self.value_range}
        bits = max(1, int(8 * self.factor[1]))
        contrast = AutoContrast.from_config(colored)
        layers: dict[str, tuple[type[Augmentation], dict[str, Any]]] = {
            "random_shear": (RandomShear, {**moved, "x_factor": self.factor, "y_factor": self.factor}),
            "random_translation": (
                RandomTranslation, {**moved, "height_factor": self.factor, "width_factor": self.factor},
            ),
            "random_rotation": (RandomRotation, {**moved, "factor": self.factor}),
            "random_brightness": (RandomBrightness, {**colored, "factor": self.factor}),
            "random_color_degeneration": (RandomColorDegeneration, {**colored, "factor": self.factor}),
            "random_contrast": (RandomContrast, {**colored, "factor": self.factor}),
            "random_sharpness": (RandomSharpness, {**colored, "factor": self.factor}),
            "random_posterization": (RandomPosterization, {**colored, "factor": bits}),
            "solarization": (
                Solarization, {**colored, "addition_factor": self.factor, "threshold_factor": self.factor},
            ),
        }  # fmt: skip
        made: dict[str, Change] = {
            name: cls.from_config(config).changed for name, (cls, config) in layers.items()
        }
        made["auto_contrast"] = lambda x, draws: draws.lowered(contrast, x)
        made["equalization"] = lambda x, draws: equalized(x, self.value_range, self.channel_axis)
        return made


class RandAugment(Augmented):
    """In training, makes several random changes of images: (batch, height, width, channels).

    As in Keras, all images of a batch get the same kinds of changes, each with its own numbers.
    """

    arguments: ClassVar[dict[str, Argument]] = {
        "value_range": VALUES, "num_ops": (COUNT, 2), "factor": (UNSIGNED, 0.5), "interpolation": INTERPOLATION,
        "seed": ANY_SEED, "data_format": FORMAT,
    }  # fmt: skip

    num_ops: int

    def changed(self, x: Any, draws: Draws) -> Any:
        """One change after the other; a kind that is chosen twice has the same numbers both times."""
        changes, own = list(self.changes().values()), draws.again()
        for which in [draws.uniform(0, len(changes), shared=True) for _ in range(self.num_ops)]:
            own.restart()
            x = chosen(which, *(change(x, own) for change in changes))
        return x


class AugMix(Augmented):
    """In training, mixes chains of random changes of images: (batch, height, width, channels).

    All images of a batch get the same kinds of changes, each with its own numbers. The kinds are drawn for each step;
    Keras draws them when it compiles a step.
    """

    arguments: ClassVar[dict[str, Argument]] = {
        "value_range": VALUES, "num_chains": (COUNT, 3), "chain_depth": (COUNT, 3), "factor": (UNSIGNED, 0.3),
        "alpha": (NOT_NEGATIVE, 1.0), "all_ops": (FLAG, True), "interpolation": INTERPOLATION, "seed": ANY_SEED,
        "data_format": FORMAT,
    }  # fmt: skip

    num_chains: int
    chain_depth: int
    alpha: float
    all_ops: bool

    def changed(self, x: Any, draws: Draws) -> Any:
        """The images and the mean of the chains, mixed by random weights.

        Raises:
            UnsupportedError: ``alpha`` is 0.
        """
        alpha, made = mixing_alpha(self, self.alpha), self.changes()
        changes = [made[name] for name in (*MIXED, *(ALSO_MIXED if self.all_ops else ()))]
        weights, own = draws.dirichlet(alpha, self.num_chains), draws.beta(alpha, shared=True)
        total: Any = 0
        for weight in weights:
            y = x
            for _ in range(self.chain_depth):
                which = draws.uniform(0, len(changes) + 1, shared=True)
                y = chosen(which, *(change(y, draws) for change in changes), y)
            total = y * weight + total
        return clipped(own * x + (1 - own) * total, *self.value_range)


class MaxNumBoundingBoxes(Augmentation):
    """Sets how many boxes come with an image in a data set; images do not change: (batch, height, width, channels)."""

    not_stored = frozenset({"fill_value"})
    arguments: ClassVar[dict[str, Argument]] = {"max_number": (WHOLE, REQUIRED), "fill_value": (NUMBER, -1)}

    def changed(self, x: Any, draws: Draws) -> Any:
        """The images."""
        return x
