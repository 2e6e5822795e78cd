"""Find a loss or metric by its name, class, function, or Keras's stored configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from foldnet.errors import ConfigError, FoldnetError
from foldnet.naming import snake_case
from foldnet.training.loss_functions import ALIASES
from foldnet.training.suggestions import suggestion


@dataclass(frozen=True)
class Kind:
    """What kind of object is looked up: losses or metrics.

    Attributes:
        what: ``"loss"`` or ``"metric"``.
        base: the base class.
        classes: every class by its Keras name.
        functions: every function by its Keras name.
        wrap: makes a loss or metric of a function and the name it was looked up by.
        by_class: whether a snake_case name means the class rather than the function, as Keras does for metrics.
    """

    what: str
    base: type[Any]
    classes: Mapping[str, type[Any]]
    functions: Mapping[str, Callable[..., Any]]
    wrap: Callable[[Callable[..., Any], str], Any]
    by_class: bool = False


def look_up(identifier: Any, kind: Kind) -> Any:
    """Find a loss or metric.

    Raises:
        ConfigError: the name is unknown, or the object cannot be made with these settings.
    """
    if isinstance(identifier, kind.base):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, kind.base):
        return _made(identifier, {}, kind)
    if isinstance(identifier, Mapping):
        stored = identifier.get("config")
        if isinstance(stored, str):  # a function as Keras stores it
            return look_up(stored, kind)
        name = str(identifier.get("class_name"))
        # A dtype that is a policy is ignored: losses and metrics compute in float32.
        config = {k: v for k, v in dict(stored or {}).items() if k != "dtype" or isinstance(v, str)}
        if name in kind.classes:
            return _made(kind.classes[name], config, kind)
        return look_up(name, kind)
    if callable(identifier):
        own = getattr(identifier, "__name__", None) or getattr(identifier, "name", None)
        return kind.wrap(identifier, own or snake_case(type(identifier).__name__))
    name = str(identifier)
    if name in kind.classes:
        return _made(kind.classes[name], {}, kind)
    key = ALIASES.get(name.lower(), name)
    of_class = {snake_case(title): cls for title, cls in kind.classes.items()} if kind.by_class else {}
    if key in of_class:
        return _made(of_class[key], {}, kind)
    if key in kind.functions:
        return kind.wrap(kind.functions[key], name)
    known = suggestion(name, [*kind.classes, *kind.functions, *ALIASES])
    raise ConfigError(
        f"there is no {kind.what} {name[:100]!r}{known[:600]} Or give a function of y_true and y_pred written with "
        "foldnet.ops."
    )


def _made(cls: type[Any], config: Mapping[str, Any], kind: Kind) -> Any:
    try:
        return cls.from_config(config)
    except FoldnetError:
        raise
    except (TypeError, ValueError) as error:
        settings = f"from {dict(config)}" if config else "without settings"
        raise ConfigError(f"the {kind.what} {cls.__name__} cannot be made {settings}: {error}") from None
