"""Base class of objects in a layer's configuration: initializers, regularizers, constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from foldnet.errors import ConfigError, FoldnetError, UnsupportedError
from foldnet.naming import snake_case
from foldnet.setting_types import Checked, near, shown
from foldnet.signatures import parameters_of


class Setting(Checked):
    """Base class; objects store the arguments of the constructor as attributes of the same names."""

    keras_module: ClassVar[str]
    """Keras's module of the class."""

    def get_config(self) -> dict[str, Any]:
        """Settings under Keras's names."""
        if type(self).__init__ is object.__init__:
            return {}
        names = [p for p in parameters_of(type(self).__init__) if p != "self"]
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """An object with the settings from ``get_config``."""
        return cls(**config)

    def serialize(self) -> dict[str, Any]:
        """The configuration as Keras stores it."""
        return {
            "module": self.keras_module,
            "class_name": type(self).__name__,
            "config": self.get_config(),
            "registered_name": None,
        }

    def __repr__(self) -> str:
        settings = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({settings})"


def by_name(classes: Mapping[str, type[Any]], aliases: Mapping[str, str]) -> dict[str, type[Any]]:
    """Classes by all of Keras's names for them: class name, snake case, and older names."""
    names = dict(classes) | {snake_case(name): cls for name, cls in classes.items()}
    return names | {alias: classes[name] for alias, name in aliases.items()}


def find(identifier: object, classes: Mapping[str, type[Any]], base: type[Any], what: str) -> Any:
    """The object for an identifier: an object, its class, its name, or Keras's stored configuration.

    Raises:
        ConfigError: there is no such name, or its settings are wrong.
        UnsupportedError: an object of another library, or a class that foldnet does not have.
    """
    if isinstance(identifier, base):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, base):
        return identifier()
    if isinstance(identifier, Mapping):
        name, config = identifier.get("class_name"), identifier.get("config")
        if isinstance(config, str):  # a function: {"class_name": "function", "config": "its_name"}
            name, config = config, {}
        if not isinstance(name, str) or not isinstance(config, Mapping | None):
            raise ConfigError(
                f"{shown(identifier)} is not a stored {what}: that has a class_name and a config"
            )
        cls = classes.get(name)
        if cls is None:
            raise UnsupportedError(f"foldnet has no {what} {name!r}: {near(name, _names(classes))}")
        known = parameters_of(cls.__init__)
        # Older releases of Keras stored the dtype among the settings.
        config = {k: v for k, v in dict(config or {}).items() if k != "dtype" or k in known}
        try:
            return cls.from_config(config)
        except FoldnetError:
            raise
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{what} {name!r} cannot be made from {shown(config)}: {error}") from None
    if isinstance(identifier, str):
        if identifier not in classes:
            raise ConfigError(f"there is no {what} {identifier!r}: {near(identifier, _names(classes))}")
        return classes[identifier]()
    if callable(identifier) or hasattr(identifier, "get_config"):
        raise UnsupportedError(
            f"{shown(identifier)} cannot be compiled as {what}; give one of {', '.join(_names(classes))}"
        )
    raise ConfigError(
        f"{shown(identifier)} is not a {what}; give a name or an object of {', '.join(_names(classes))}"
    )


def _names(classes: Mapping[str, type[Any]]) -> list[str]:
    return list(dict.fromkeys(cls.__name__ for cls in classes.values()))
