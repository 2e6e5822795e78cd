"""Classes and functions of the caller's own, under the names by which files mention them.

A file can only name them: what a name means comes from the program that opens the file, by ``custom_objects``, by
``custom_object_scope`` or by ``register_keras_serializable``, and never from the file.
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
    """Inside, files and configurations may name these classes and functions.

    Args:
        custom_objects: by the names that files have for them.

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
    """The registered classes and functions by name: the dict itself, to add to or to clear."""
    return _registered


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Any], Any]:
    """A decorator: files may name this class or function, as ``package>name``.

    Args:
        package: before the name, so that two libraries may use one name.
        name: that of the class or function if None.

    Raises:
        ConfigError: a class that does not tell its settings.

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
    """The name under which a class or function is registered; its own if it is not."""
    try:
        return _names.get(obj) or str(obj.__name__)
    except TypeError:  # what cannot be hashed was never registered
        return str(obj.__name__)


def get_registered_object(
    name: str,
    custom_objects: Mapping[str, Any] | None = None,
    module_objects: Mapping[str, Any] | None = None,
) -> Any:
    """The class or function of a name: of the scope, registered, or of these dicts; None if there is none."""
    for known in (_scope.get(), _registered, custom_objects or {}, module_objects or {}):
        if name in known:
            return known[name]
    return None


def known_objects(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """All classes and functions that a file may name now, under their full names and these names' last parts.

    Args:
        given: to the function that reads; they count before the others.
    """
    every = {**_registered, **_scope.get(), **(given or {})}
    short = {key.rsplit(">", 1)[-1]: value for key, value in every.items() if ">" in key}
    # "mine>relu" must not become what every file means by "relu".
    return {**{key: value for key, value in short.items() if key not in FUNCTIONS}, **every}
