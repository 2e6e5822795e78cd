"""Random changes of images: only in training, without effect at prediction time.

Each class is its description and a table of Keras's arguments: kind and default of each. The base class makes
constructor and documentation of that. The classes are in ``random_images.py``, ``random_colors.py`` and
``random_mixes.py``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from foldnet.errors import ConfigError, InputError, UnsupportedError
from foldnet.graph.op import Row
from foldnet.layers.base import Layer
from foldnet.layers.drawing import Draws, part
from foldnet.layers.tensors import Shape
from foldnet.operations.chance.op import InTraining
from foldnet.operations.expression import Expression, emitted
from foldnet.operations.structure.op import Concatenate, Identity
from foldnet.setting_types import (
    COUNT,
    DATA_FORMAT,
    FRACTION,
    NUMBER,
    SEED,
    Kind,
    choice,
    number,
)

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

Pair = tuple[float, float]
Strength = float | Pair
"""A strength as it was given: one number for both directions, or the smallest and the largest."""
Argument = tuple[Kind, object]
"""The kind of an argument, and its default; ``REQUIRED`` if it has none."""
REQUIRED = inspect.Parameter.empty


def _pair(item: Kind, value: Any) -> Pair:
    if not isinstance(value, tuple | list):
        raise TypeError
    first, last = value
    return item.read(first), item.read(last)


def factor(low: float, high: float) -> Kind:
    """A strength, or the smallest and the largest; stored as the two, of which the first is not below ``low``."""

    def read(value: Any) -> Pair:
        if isinstance(value, tuple | list):
            first, last = _pair(NUMBER, value)
            if first > high or last < low:
                raise ValueError
            return min(first, last), max(first, last)
        most = abs(number(low, high).read(value))
        return max(-most, low), most

    return Kind(f"a number from {low:g} to {high:g}, or a pair of them", read)


def kept_factor(item: Kind) -> Kind:
    """A strength, or a pair of them; stored as it is given."""
    return Kind(
        f"{item.words}, or a pair of them",
        lambda value: _pair(item, value) if isinstance(value, tuple | list) else item.read(value),
    )


def around(strength: Strength) -> Pair:
    """The smallest and the largest of a strength that is stored as it was given."""
    if isinstance(strength, tuple | list):
        low, high = sorted(strength)
        return low, high
    return -abs(strength), abs(strength)


def known_sizes(layer: str, x: Expression) -> Row:
    """The shape of an image.

    Raises:
        UnsupportedError: it is not known yet.
    """
    if None in x.shape[1:]:
        raise UnsupportedError(
            f"layer {layer!r} is trained on images of known sizes, and was given shape {x.shape}. Give Input the "
            "height and the width"
        )
    return tuple(int(n or 0) for n in x.shape[1:])


def _shear(value: Any) -> Pair:
    if isinstance(value, tuple | list):
        first, last = sorted(_pair(number(-1, 1), value))
        return first, last
    most = FRACTION.read(value)
    return -most, most


def _share(value: Any) -> Pair:
    if isinstance(value, tuple | list):
        first, last = sorted(_pair(FRACTION, value))
        return first, last
    return 0, FRACTION.read(value)


def _odd(value: Any) -> tuple[int, int]:
    sizes = _pair(COUNT, value if isinstance(value, tuple | list) else (value, value))
    if not all(n % 2 for n in sizes):
        raise ValueError
    return int(sizes[0]), int(sizes[1])


RANGE = Kind("a pair of numbers", lambda value: _pair(NUMBER, value))
SORTED_RANGE = Kind("a pair of numbers", lambda value: sorted(_pair(NUMBER, value)))
SIGNED, UNSIGNED = factor(-1, 1), factor(0, 1)
MOVE, ZOOM = kept_factor(number(-1, 1)), kept_factor(number(-1, 1, above=True))
SHARE = Kind("a number from 0 to 1, or a pair of them", _share)
SHEAR = Kind("a number from 0 to 1, or a pair of them", _shear)
ODD = Kind("an odd number, or a pair of them", _odd)
FILL_MODE: Argument = (choice("reflect", "wrap", "constant", "nearest"), "reflect")
INTERPOLATION: Argument = (choice("nearest", "bilinear"), "bilinear")
FILL_VALUE: Argument = (NUMBER, 0.0)
ANY_SEED: Argument = (SEED, None)
FORMAT: Argument = (DATA_FORMAT, None)
VALUES: Argument = (RANGE, (0, 255))
SORTED_VALUES: Argument = (SORTED_RANGE, (0, 255))

WORDS = {
    "mode": '``"horizontal"``, ``"vertical"`` or ``"horizontal_and_vertical"``.',
    "factor": "how strong the change is, or how likely; a number, or the smallest and the largest.",
    "height_factor": "of the height; a number, or the smallest and the largest.",
    "width_factor": "of the width; a number, or the smallest and the largest.",
    "x_factor": "how far along the width; a number, or the smallest and the largest.",
    "y_factor": "how far along the height; a number, or the smallest and the largest.",
    "brightness_factor": "of the brightness; None for no change.",
    "contrast_factor": "of the contrast; None for no change.",
    "saturation_factor": "of the saturation; None for no change.",
    "hue_factor": "of the hue; None for no change.",
    "addition_factor": "what is added, as a share of the range.",
    "threshold_factor": "above what share of the range values are inverted.",
    "scale": "how large the change is.",
    "kernel_size": "of the blur, odd; one number or two.",
    "sigma": "of the blur; a number, or the smallest and the largest.",
    "fill_mode": '``"reflect"``, ``"wrap"``, ``"constant"`` or ``"nearest"``: what comes from beyond the borders.',
    "fill_value": "what is filled in.",
    "interpolation": '``"bilinear"`` or ``"nearest"``.',
    "value_range": "the smallest and the largest value of images.",
    "num_chains": "how many chains of changes are mixed.",
    "chain_depth": "the most changes in a chain.",
    "alpha": "of the distribution that images are mixed by.",
    "all_ops": "whether all kinds of changes are used.",
    "num_ops": "how many changes follow one another.",
    "height": "of the part.",
    "width": "of the part.",
    "max_number": "how many boxes there are.",
    "seed": "of the random numbers.",
    "data_format": '``"channels_last"`` (by default) or ``"channels_first"``.',
}
"""What each argument is, for the documentation of all classes."""


def _constructor(cls: type[Augmentation]) -> Callable[..., None]:
    """A constructor with the arguments of the class's table."""
    place, end = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_KEYWORD
    parameters = [inspect.Parameter("self", place)]
    parameters += [
        inspect.Parameter(name, place, default=default) for name, (_, default) in cls.arguments.items()
    ]
    parameters += [inspect.Parameter("name", place, default=None)] if cls.name_is_positional else []
    signature = inspect.Signature([*parameters, inspect.Parameter("kwargs", end)])

    def construct(self: Augmentation, *args: Any, **kwargs: Any) -> None:
        given = signature.bind(self, *args, **kwargs)
        given.apply_defaults()
        _, *values = given.args
        common = given.kwargs
        own = dict(zip(cls.arguments, values, strict=False))
        if cls.name_is_positional:
            common["name"] = values[-1]
        Augmentation.start(self, own, **common)

    construct.__signature__ = signature  # type: ignore[attr-defined]
    construct.__name__, construct.__qualname__ = "__init__", f"{cls.__name__}.__init__"
    return construct


class Augmentation(Layer):
    """Base class of random changes of images in training.

    At prediction time, the result is the input. In training it is what ``changed`` makes of that.

    Attributes:
        arguments: Keras's arguments: kind and default of each.
        name_is_positional: whether the constructor takes ``name`` as its last argument.
        not_stored: arguments that Keras leaves out of the configuration.
        channels: how many channels images must have; None for any number.
    """

    arguments: ClassVar[Mapping[str, Argument]] = {}
    name_is_positional: ClassVar[bool] = False
    not_stored: ClassVar[frozenset[str]] = frozenset()
    channels: ClassVar[int | None] = None
    kinds: ClassVar[dict[str, Kind]] = {"data_format": DATA_FORMAT}
    trains_by_default = True
    draws_each_step = True
    ignored_settings = frozenset({"auto_vectorize", "rng_type", "force_generator"})  # how Keras 2 draws
    data_format: str

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if cls.arguments and "kinds" not in vars(cls):
            cls.kinds = {name: kind for name, (kind, _) in cls.arguments.items()}
            cls.__init__ = _constructor(cls)  # type: ignore[method-assign]
            described = "\n".join(f"    {name}: {WORDS[name]}" for name in cls.arguments)
            cls.__doc__ = (
                f"{inspect.cleandoc(cls.__doc__ or '')}\n\nArgs:\n{inspect.cleandoc(described)}".replace(
                    "\n", "\n    "
                )
            )
        super().__init_subclass__(**kwargs)

    def start(
        self, own: Mapping[str, Any], data_format: Any = None, bounding_box_format: Any = None, **common: Any
    ) -> None:
        """Set the common settings, then the class's own.

        Args:
            own: values of ``arguments``.
            data_format: for classes that do not have it among them.
            bounding_box_format: of boxes that come with images in a data set; it has no effect on images.
            common: settings of every layer.
        """
        super().__init__(**common)
        self.data_format = self.checked("data_format", data_format)
        for name, value in own.items():
            setattr(self, name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the layer; see ``Layer.__call__``.

        Raises:
            InputError: a dict of images and what belongs to them.
        """
        if args and isinstance(args[0], Mapping):
            raise InputError(
                f"layer {self.name!r} was called on a dict of {', '.join(map(str, args[0]))}: in a network, "
                "images alone change. Labels, boxes and masks that change with their images belong to the input "
                f"pipeline; apply keras.layers.{type(self).__name__} there, as in dataset.map, or call this layer on "
                "the images"
            )
        return super().__call__(*args, **kwargs)

    @property
    def identity_in_prediction(self) -> bool:
        """True."""
        return True

    def differs_in_training(self) -> bool:
        """True: there, images change."""
        return True

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        config = {k: v for k, v in super().get_config().items() if k not in self.not_stored}
        return {**config, "data_format": self.data_format}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Create a layer from its settings, of which every class has a ``data_format``."""
        layer = super().from_config({k: v for k, v in config.items() if k != "data_format"})
        layer.data_format = layer.checked("data_format", config.get("data_format"))
        return layer

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """The input's shape.

        Raises:
            ConfigError: it is not that of images.
        """
        (shape,) = input_shapes
        if len(shape) not in (3, 4):
            raise ConfigError(f"{type(self).__name__} takes images, and was given shape {shape}")
        channels = shape[-3 if self.data_format == "channels_first" else -1]
        if self.channels is not None and channels not in (None, self.channels):
            raise ConfigError(
                f"{type(self).__name__} takes images of {self.channels} channels, and was given shape {shape}"
            )
        return shape

    @property
    def spatial_axes(self) -> tuple[int, int]:
        """The axes of height and width, batch axis counted."""
        return (2, 3) if self.data_format == "channels_first" else (1, 2)

    @property
    def channel_axis(self) -> int:
        """The axis of channels, batch axis counted."""
        return 1 if self.data_format == "channels_first" else 3

    def colors(self, x: Any) -> list[Any]:
        """Red, green and blue of images.

        Raises:
            ConfigError: they have other channels.
        """
        if x.shape[self.channel_axis] != 3:
            raise ConfigError(
                f"layer {self.name!r}: in training, {type(self).__name__} takes images of 3 channels, and was given "
                f"shape {x.shape}"
            )
        return [part(x, self.channel_axis, k, 1) for k in range(3)]

    def joined(self, colors: Sequence[Any]) -> Any:
        """Images of red, green and blue."""
        return emitted(Concatenate(self.channel_axis), *colors)

    def grey(self, x: Any) -> Any:
        """Images in grey, with one channel; those of one channel as they are."""
        if x.shape[self.channel_axis] == 1:
            return x
        red, green, blue = self.colors(x)
        return red * 0.2989 + green * 0.587 + blue * 0.114

    def changed(self, x: Any, draws: Draws) -> Any:
        """Images as training changes them.

        Args:
            x: the images, (batch, height, width, channels) or (batch, channels, height, width).
            draws: gives random numbers.
        """
        raise ConfigError(f"{type(self).__name__} must say what it changes")  # every subclass does

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The input itself; in training, it is changed.

        Raises:
            UnsupportedError: data without images of their own in each row, or what only training computes.
        """
        x = b.float(inputs[0])
        images = Expression(b, x)
        if not b.trains or b.call_training is False:
            if reason := self.only_trains(images.shape):
                raise UnsupportedError(f"layer {self.name!r}: {reason}")
            return b.emit(Identity(), x)
        if images.ndim != 4:
            raise UnsupportedError(
                f"layer {self.name!r}: in training, Keras takes data of shape {images.shape} for a single image, whose "
                "height is the batch. Give the data a fourth axis, for channels, or call the layer with training=False"
            )
        found = self.changed(images, Draws(b))
        return b.emit(InTraining(), found.value, x) if found.shape == images.shape else str(found.value)
