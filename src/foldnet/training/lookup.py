"""The loss or metric that is meant: by name, class, function, or Keras's stored configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from foldnet.errors import ConfigError
from foldnet.training.loss_functions import ALIASES


@dataclass(frozen=True)
class Kind:
    """What is looked up.

    Attributes:
        what: ``"loss"`` or ``"metric"``.
        base: its class.
        classes: every class by its Keras name.
        functions: every function by its Keras name.
        wrap: makes one of a function and the name it was asked for under.
        others: classes under further names.
    """

    what: str
    base: type[Any]
    classes: Mapping[str, Callable[..., Any]]
    functions: Mapping[str, Callable[..., Any]]
    wrap: Callable[[Callable[..., Any], str], Any]
    others: Callable[[], Mapping[str, Callable[..., Any]]] = dict


def look_up(identifier: Any, kind: Kind) -> Any:
    """The loss or metric that is meant.

    Raises:
        ConfigError: there is none of this name.
    """
    if isinstance(identifier, kind.base):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, kind.base):
        return identifier()
    config: dict[str, Any] = {}
    if isinstance(identifier, Mapping):
        stored = identifier.get("config")
        if isinstance(stored, str):  # a function as Keras stores it
            return look_up(stored, kind)
        # The dtype is a policy, which says nothing here: losses and metrics are float32.
        config = {k: v for k, v in dict(stored or {}).items() if k not in ("fn", "dtype")}
        identifier = identifier.get("class_name")
    if callable(identifier):
        return kind.wrap(identifier, getattr(identifier, "__name__", kind.what))
    name = str(identifier)
    if name in kind.classes:
        return kind.classes[name](**config)
    key = ALIASES.get(name.lower(), name)
    if key in kind.functions:
        return kind.wrap(kind.functions[key], name)
    other = kind.others().get(name.lower())
    if other is not None:
        return other()
    names = ", ".join([*kind.classes, *kind.functions])
    raise ConfigError(f"there is no {kind.what} {identifier!r}; there are {names}")
