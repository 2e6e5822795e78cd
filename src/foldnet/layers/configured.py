"""Layer settings: which there are, how they are checked, ``get_config`` and ``from_config``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from foldnet import activations
from foldnet.errors import ConfigError, UnsupportedError
from foldnet.layers.inner import restored_layers, stored_layers
from foldnet.setting_types import (
    CONSTRAINT,
    FLAG,
    INITIALIZER,
    NAME,
    REGULARIZER,
    STRICT_FLAG,
    Checked,
    Kind,
    near,
)
from foldnet.signatures import parameters_of

WEIGHTS = (
    "kernel", "recurrent", "bias", "depthwise", "pointwise", "embeddings", "alpha", "gamma", "beta", "moving_mean",
    "moving_variance",
)  # fmt: skip


class Configured(Checked):
    """The settings of a layer: attributes with the names of the arguments of ``__init__``."""

    name: str
    trainable: bool
    dtype_policy: str
    activity_regularizer: Any

    ignored_settings: ClassVar[frozenset[str]] = frozenset()
    """Settings that Keras stores for this class and that have no effect in foldnet."""

    fixed_settings: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    """Settings of which foldnet supports only these values; others are refused."""

    renamed_settings: ClassVar[Mapping[str, str]] = {}
    """Older names of settings."""

    kept_as: ClassVar[Mapping[str, str]] = {}
    """Settings whose attribute has another name, because every layer already has an attribute of that name."""

    keyword_settings: ClassVar[tuple[str, ...]] = ()
    """Settings that the constructor takes by name only, as in Keras."""

    layers_in_settings: ClassVar[tuple[str, ...]] = ()
    """Settings that are layers, or lists of layers."""

    unstored_settings: ClassVar[frozenset[str]] = frozenset()
    """Arguments that are not stored as settings, such as initial weights."""

    kinds: ClassVar[Mapping[str, Kind]] = {
        "name": NAME, "trainable": STRICT_FLAG, "autocast": FLAG, "activity_regularizer": REGULARIZER,
        "activation": Kind("an activation: its name, or a function", activations.get),
    } | {
        f"{weight}_{what}": kind
        for weight in WEIGHTS
        for what, kind in (("initializer", INITIALIZER), ("regularizer", REGULARIZER), ("constraint", CONSTRAINT))
    }  # fmt: skip

    def described(self) -> str:
        """Name and class, for errors."""
        name, whole = self.__dict__.get("name"), self.__dict__.get("part_of")
        if whole is not None:
            described: str = whole.described()
            return described
        return type(self).__name__ if name is None else f"layer {name!r} ({type(self).__name__})"

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype_policy,
        }
        if self.activity_regularizer is not None:
            given = self.activity_regularizer
            config["activity_regularizer"] = given.serialize() if hasattr(given, "serialize") else given
        for parameter in settings_of(type(self)):
            if parameter == "activity_regularizer":
                continue
            value = getattr(self, self.kept_as.get(parameter, parameter))
            if parameter in self.layers_in_settings:
                value = stored_layers(value)
            config[parameter] = value.serialize() if hasattr(value, "serialize") else value
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Create a layer from its settings, from ``get_config`` or a file.

        Raises:
            ConfigError: an invalid setting, or a required one is missing.
            UnsupportedError: an unknown setting.
        """
        common = {"name", "trainable", "dtype", "activity_regularizer", "autocast", "batch_input_shape"}
        own = set(settings_of(cls))
        config = {cls.renamed_settings.get(k, k): v for k, v in config.items()}
        config = restored_layers(config, cls.layers_in_settings, cls.__name__)
        for setting, accepted in cls.fixed_settings.items():
            if config.get(setting) not in (None, *accepted):
                raise UnsupportedError(
                    f"layer {config.get('name')!r} ({cls.__name__}): foldnet cannot compute "
                    f"{setting}={config[setting]!r}. Save the network without it."
                )
        unknown = set(config) - common - own - cls.ignored_settings - set(cls.fixed_settings)
        if unknown:
            raise UnsupportedError(
                f"layer {config.get('name')!r} ({cls.__name__}): foldnet does not know the setting "
                f"{', '.join(sorted(unknown))}; it knows {', '.join(sorted(own))}"
            )
        needed = [n for n, p in parameters_of(cls.__init__).items() if p.default is p.empty]
        if missing := [n for n in needed if n in own and n not in config]:
            raise ConfigError(f"layer {config.get('name')!r} ({cls.__name__}) needs {', '.join(missing)}")
        return cls(**{k: v for k, v in config.items() if k in common | own})


def settings_of(cls: type[Any]) -> list[str]:
    """Names of a layer class's own settings."""
    parameters = parameters_of(cls.__init__).values()
    # Common arguments (name, dtype, ...) are keywords; "name" is positional where it is in Keras.
    own = [p.name for p in parameters if p.name not in ("self", "name") and p.kind is p.POSITIONAL_OR_KEYWORD]
    return [*(name for name in own if name not in cls.unstored_settings), *cls.keyword_settings]


def unknown_arguments_error(layer: Configured, unknown: Mapping[str, Any]) -> ConfigError:
    """The error for unknown arguments."""
    own = settings_of(type(layer))
    common = [*own, "name", "trainable", "dtype", "activity_regularizer", "input_shape"]
    names = ", ".join(map(repr, unknown))
    return ConfigError(
        f"{layer.described()} takes no argument {names}: {near(next(iter(unknown)), list(dict.fromkeys(common)))}"
    )
