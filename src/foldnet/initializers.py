"""Keras's ``initializers``: initial values of weights, with Keras's distributions and defaults.

An initializer called on a shape gives a float32 array. As in Keras, one object gives the same values each time it is
called; names and configurations without a seed make a new object, and so new values, for every weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt
from typing import Any, Literal, assert_never, get_args

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError
from foldnet.initializer_numbers import TRUNCATED_DEVIATION, Shape, fans, truncated_numbers
from foldnet.setting_types import ANY_NUMBERS, AXES_LISTED, NOT_NEGATIVE, NUMBER, Kind, choice, number, whole
from foldnet.settings import Setting, by_name, find


def _seed(value: Any) -> Any:
    if hasattr(value, "next") and hasattr(value, "get_config"):  # a SeedGenerator
        return value
    if isinstance(value, dict) and value.get("class_name") == "SeedGenerator":
        from foldnet import random

        config = value.get("config")
        return getattr(random, "SeedGenerator")(**config if isinstance(config, dict) else {})  # noqa: B009
    return None if value is None else whole().read(value)


SEED = Kind("a whole number, a SeedGenerator, or None", _seed)


class Initializer(Setting):
    """Base class of initializers; a subclass defines ``values``."""

    keras_module = "keras.initializers"

    def values(self, shape: Shape) -> Array:
        """Values of any float dtype for a weight of this shape."""
        raise ConfigError(f"{type(self).__name__} must define how its values are computed")

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Array:
        """Values for a weight of this shape, by default float32."""
        return np.asarray(self.values(tuple(shape)), dtype or np.float32)


class Zeros(Initializer):
    """All 0."""

    def values(self, shape: Shape) -> Array:
        """Zeros."""
        return np.zeros(shape)


class Ones(Initializer):
    """All 1.

    >>> Ones()((2,)).tolist()
    [1.0, 1.0]
    """

    def values(self, shape: Shape) -> Array:
        """Ones."""
        return np.ones(shape)


class Constant(Initializer):
    """All one number.

    Args:
        value: the number, or an array that is broadcast to the shape.
    """

    kinds = {"value": ANY_NUMBERS}  # noqa: RUF012 - typed in the base

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def values(self, shape: Shape) -> Array:
        """The number."""
        return np.ones(shape) * np.asarray(self.value, np.float64)


class Identity(Initializer):
    """The identity matrix times ``gain``."""

    kinds = {"gain": NUMBER}  # noqa: RUF012 - typed in the base

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def values(self, shape: Shape) -> Array:
        """A matrix."""
        if len(shape) != 2:
            raise ConfigError(f"Identity makes matrices, not weights of shape {shape}")
        return self.gain * np.eye(*shape)


class Random(Initializer):
    """Base class of random initializers.

    Args:
        seed: for the same values in every run; random by default (see ``foldnet.utils.set_random_seed``). A
            ``random.SeedGenerator`` gives other values at each call, as in Keras.
    """

    kinds = {"seed": SEED}  # noqa: RUF012 - typed in the base

    def __init__(self, seed: Any = None) -> None:
        self.seed = seed
        self._drawn: int | None = None

    def generator(self) -> np.random.Generator:
        """The same generator at every call, except for a SeedGenerator."""
        if isinstance(self.seed, int):
            return np.random.default_rng(self.seed % 2**64)
        if self.seed is not None:
            return np.random.default_rng([int(n) % 2**64 for n in np.ravel(self.seed.next())])
        if self._drawn is None:
            from foldnet.random import (
                random_seed,  # numpy.random is slow to load, and a network read from a file
            )

            # asks for no numbers
            self._drawn = random_seed()
        return np.random.default_rng(self._drawn)

    def get_config(self) -> dict[str, Any]:
        """Settings; a SeedGenerator in Keras's stored form."""
        config = super().get_config()
        if hasattr(self.seed, "next"):
            config["seed"] = {
                "module": "keras.random", "class_name": "SeedGenerator", "config": self.seed.get_config(),
                "registered_name": None,
            }  # fmt: skip
        return config


class RandomNormal(Random):
    """Normal numbers."""

    kinds = {"mean": NUMBER, "stddev": NOT_NEGATIVE}  # noqa: RUF012 - typed in the base

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def values(self, shape: Shape) -> Array:
        """Normal numbers."""
        return self.generator().normal(self.mean, self.stddev, shape)


class TruncatedNormal(Random):
    """Normal numbers; those beyond two standard deviations are drawn again."""

    kinds = {"mean": NUMBER, "stddev": NOT_NEGATIVE}  # noqa: RUF012 - typed in the base

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    def values(self, shape: Shape) -> Array:
        """Truncated normal numbers."""
        return self.mean + self.stddev * truncated_numbers(self.generator(), shape)


class RandomUniform(Random):
    """Uniformly distributed numbers from an interval."""

    kinds = {"minval": NUMBER, "maxval": NUMBER}  # noqa: RUF012 - typed in the base

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.minval, self.maxval = minval, maxval

    def values(self, shape: Shape) -> Array:
        """Uniform numbers."""
        return self.generator().uniform(self.minval, self.maxval, shape)


Fans = Literal["fan_in", "fan_out", "fan_avg"]
Distribution = Literal["truncated_normal", "untruncated_normal", "uniform"]


class VarianceScaling(Random):
    """Numbers with variance ``scale / n``, where n counts the units before, after, or their mean.

    Args:
        scale: of the variance.
        mode: ``"fan_in"``, ``"fan_out"`` or ``"fan_avg"``.
        distribution: ``"truncated_normal"``, ``"untruncated_normal"`` or ``"uniform"``.
        seed: for the same values in every run.
        input_axes: axes that count the units before; by default all but the last.
        output_axes: axes that count the units after.
    """

    kinds = {  # noqa: RUF012 - typed in the base
        "scale": number(0, above=True),
        "mode": choice(*get_args(Fans)),
        "distribution": choice(*get_args(Distribution), any_case=True),
        "input_axes": AXES_LISTED.or_none(),
        "output_axes": AXES_LISTED.or_none(),
    }

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed)
        is_normal = str(distribution).lower() == "normal"
        self.distribution: Distribution = (
            "truncated_normal" if is_normal else self.checked("distribution", distribution)
        )
        self.scale = scale
        self.mode: Fans = self.checked("mode", mode)
        self.input_axes, self.output_axes = input_axes, output_axes

    def get_config(self) -> dict[str, Any]:
        """Settings; the axes only if given, because older releases of Keras do not know them."""
        config = super().get_config()
        return {k: v for k, v in config.items() if v is not None or not k.endswith("_axes")}

    def values(self, shape: Shape) -> Array:
        """Numbers of the distribution."""
        before, after = fans(shape, self.input_axes, self.output_axes)
        units: dict[Fans, float] = {"fan_in": before, "fan_out": after, "fan_avg": (before + after) / 2}
        variance = self.scale / max(1.0, units[self.mode])
        match self.distribution:
            case "uniform":
                limit = sqrt(3 * variance)
                return self.generator().uniform(-limit, limit, shape)
            case "untruncated_normal":
                return self.generator().normal(0, sqrt(variance), shape)
            case "truncated_normal":
                return truncated_numbers(self.generator(), shape) * (sqrt(variance) / TRUNCATED_DEVIATION)
            case _:
                assert_never(self.distribution)


class _Scaled(VarianceScaling):
    """VarianceScaling with fixed settings."""

    settings: tuple[float, Fans, Distribution]

    def __init__(
        self,
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(*self.settings, seed, input_axes, output_axes)


class GlorotNormal(_Scaled):
    """Truncated normal numbers with variance ``2 / (fan_in + fan_out)`` (Glorot and Bengio, 2010)."""

    settings = (1.0, "fan_avg", "truncated_normal")


class GlorotUniform(_Scaled):
    """Uniform numbers with variance ``2 / (fan_in + fan_out)`` (Glorot and Bengio, 2010)."""

    settings = (1.0, "fan_avg", "uniform")


class HeNormal(_Scaled):
    """Truncated normal numbers with variance ``2 / fan_in`` (He et al., 2015)."""

    settings = (2.0, "fan_in", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform numbers with variance ``2 / fan_in`` (He et al., 2015)."""

    settings = (2.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal numbers with variance ``1 / fan_in`` (LeCun et al., 1998)."""

    settings = (1.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform numbers with variance ``1 / fan_in`` (LeCun et al., 1998)."""

    settings = (1.0, "fan_in", "uniform")


class Orthogonal(Random):
    """A random matrix with orthogonal rows or columns, whichever are fewer (Saxe et al., 2014), times ``gain``."""

    kinds = {"gain": NUMBER}  # noqa: RUF012 - typed in the base

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def values(self, shape: Shape) -> Array:
        """The matrix in the requested shape."""
        if len(shape) < 2:
            raise ConfigError(f"Orthogonal makes weights of rank 2 or more, not of shape {shape}")
        rows, columns = prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(self.generator().normal(size=(max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))  # makes the distribution over orthogonal matrices uniform
        return self.gain * (q.T if rows < columns else q).reshape(shape)


IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal
constant, identity, ones, zeros = Constant, Identity, Ones, Zeros
glorot_normal, glorot_uniform, he_normal, he_uniform = GlorotNormal, GlorotUniform, HeNormal, HeUniform
lecun_normal, lecun_uniform, orthogonal, variance_scaling = (
    LecunNormal,
    LecunUniform,
    Orthogonal,
    VarianceScaling,
)
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal

_CLASSES = by_name(
    {
        cls.__name__: cls
        for cls in (
            Constant, GlorotNormal, GlorotUniform, HeNormal, HeUniform, Identity, LecunNormal, LecunUniform, Ones,
            Orthogonal, RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling, Zeros,
        )
    },
    {
        "normal": "RandomNormal", "uniform": "RandomUniform", "one": "Ones", "zero": "Zeros",
        "IdentityInitializer": "Identity", "OrthogonalInitializer": "Orthogonal",
    },
)  # fmt: skip


class _Given(Constant):
    """The values of an array, for a weight of the same shape; stored as a Constant."""

    def values(self, shape: Shape) -> Array:
        """The array's."""
        array = np.asarray(self.value, np.float64)
        if array.shape != shape:
            raise ConfigError(
                f"an array of shape {array.shape} was given as initializer of a weight of shape {shape}"
            )
        return array

    def serialize(self) -> dict[str, Any]:
        """The configuration of a Constant with the same values."""
        return {**super().serialize(), "class_name": "Constant"}


def get(identifier: Any) -> Any:
    """The initializer for an identifier.

    Args:
        identifier: an initializer, its class or name, a function of the shape, an array of the weight's shape, Keras's
            stored configuration, or None for none.

    Raises:
        ConfigError: there is no such name.
        UnsupportedError: a class foldnet does not have.

    >>> get("he_normal").mode
    'fan_in'
    """
    if identifier is None:
        return None
    if hasattr(identifier, "__array__") and not callable(identifier):
        return _Given(identifier)
    if callable(identifier) and not isinstance(identifier, type):
        return identifier
    return find(identifier, _CLASSES, Initializer, "initializer")


deserialize = get


def serialize(initializer: Initializer) -> dict[str, Any]:
    """The configuration as Keras stores it."""
    return initializer.serialize()


def initialize(initializer: Any, shape: Shape) -> Array:
    """Float32 values for a new weight; ``glorot_uniform`` for None.

    >>> initialize("ones", (2,)).tolist()
    [1.0, 1.0]
    """
    array = np.array(get("glorot_uniform" if initializer is None else initializer)(shape), np.float32)
    if array.shape != shape:
        raise ConfigError(
            f"the initializer {initializer!r} gave values of shape {array.shape} for a weight of {shape}"
        )
    return array
