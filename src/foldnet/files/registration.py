"""The caller's own classes and functions, by the names that files have for them.

A file only has names. What a name means is decided by the program that opens the file, through ``custom_objects``,
``custom_object_scope`` or ``register_keras_serializable``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from foldnet.activations import FUNCTIONS
from foldnet.errors import ConfigError

_registered: dict[str, Any] = {}
_names: dict[Any, str] = {}
_scope: ContextVar[Mapping[str, Any]] = ContextVar("custom_objects", default=MappingProxyType({}))


class CustomObjectScope:
    """A context in which files and configurations may use these classes and functions.

    Args:
        custom_objects: classes and functions by their names in files.

    >>> with custom_object_scope({"double": lambda x: 2 * x}):
    ...     get_registered_object("double")(4)
    8
    """

    def __init__(self, custom_objects: Mapping[str, Any] | None) -> None:
        self.custom_objects = dict(custom_objects or {})

    def __enter__(self) -> CustomObjectScope:
        self._token = _scope.set(self.custom_objects)
        return self

    def __exit__(self, *_: object) -> None:
        _scope.reset(self._token)


custom_object_scope = CustomObjectScope


def get_custom_objects() -> dict[str, Any]:
    """The registered classes and functions by name. The dict itself is returned and may be changed."""
    return _registered


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Any], Any]:
    """A decorator that registers a class or function under the name ``package>name``.

    Args:
        package: prefix, so that two libraries can use the same name.
        name: by default that of the class or function.

    Raises:
        ConfigError: a class without ``get_config``.

    >>> @register_keras_serializable("mine")
    ... def double(x):
    ...     return 2 * x
    >>> get_registered_name(double)
    'mine>double'
    """

    def register(thing: Any) -> Any:
        if isinstance(thing, type) and not hasattr(thing, "get_config"):
            raise ConfigError(
                f"class {thing.__name__} has no get_config() method, so a file cannot hold its settings; add one"
            )
        key = f"{package}>{thing.__name__ if name is None else name}"
        _registered[key] = thing
        _names[thing] = key
        return thing

    return register


def get_registered_name(obj: Any) -> str:
    """The name under which a class or function is registered; its ``__name__`` if it is not."""
    try:
        return _names.get(obj) or str(obj.__name__)
    except TypeError:  # an unhashable object cannot be registered
        return str(obj.__name__)


def get_registered_object(
    name: str,
    custom_objects: Mapping[str, Any] | None = None,
    module_objects: Mapping[str, Any] | None = None,
) -> Any:
    """Look up a name in the scope, among registered objects, and in these dicts; None if it is unknown."""
    for known in (_scope.get(), _registered, custom_objects or {}, module_objects or {}):
        if name in known:
            return known[name]
    return None


def known_objects(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """All classes and functions that a file may currently name, by their full and short (after ``>``) names.

    Args:
        given: given by the caller; these take precedence.
    """
    every = {**_registered, **_scope.get(), **(given or {})}
    short = {key.rsplit(">", 1)[-1]: value for key, value in every.items() if ">" in key}
    # "mine>relu" must not replace the usual "relu".
    return {**{key: value for key, value in short.items() if key not in FUNCTIONS}, **every}
