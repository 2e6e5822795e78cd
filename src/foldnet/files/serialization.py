"""Convert objects to Keras's configurations (dicts of module, class, settings and registered name) and back.

The module in a configuration is never imported: only foldnet's own classes and functions, and those
that the caller registered or passes, are used. Code in a configuration (a lambda) is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from foldnet import activations, constraints, initializers, regularizers
from foldnet.arrays import Array
from foldnet.errors import ConfigError, FileFormatError, FoldnetError, SettingTypeError, UnsupportedError
from foldnet.files.calls import BAD_SETTINGS
from foldnet.files.dialects import NETWORKS
from foldnet.files.keras_objects import Dialect, function_record
from foldnet.files.read_config import Reader
from foldnet.files.registration import get_registered_name, known_objects
from foldnet.files.write_config import layer_record
from foldnet.layers import LAYERS
from foldnet.layers.base import Layer
from foldnet.layers.tensors import SymbolicTensor
from foldnet.settings import Setting

_LAMBDA = (
    "a lambda is code, and code in a configuration would be arbitrary code execution, which foldnet never does; give "
    "the function a name with def, and supply it by custom_objects or register_keras_serializable"
)


def serialize_keras_object(obj: object) -> Any:
    """The configuration of an object, as JSON data.

    Args:
        obj: a layer, network, loss, metric, optimizer, schedule, initializer, regularizer or constraint; a function of
            foldnet's or a named one of yours; numbers, texts, arrays, slices, and lists and dicts of these.

    Raises:
        ConfigError: it is a lambda.
        UnsupportedError: an object without ``get_config``.

    >>> serialize_keras_object(slice(None, 20, 1))["config"]
    {'start': None, 'stop': 20, 'step': 1}
    """
    if obj is None or isinstance(obj, bool | int | float | str):
        return obj
    if isinstance(obj, list | tuple):
        return type(obj)(serialize_keras_object(x) for x in obj) if type(obj) in (list, tuple) else list(obj)
    if isinstance(obj, Mapping):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, slice):
        parts = {key: serialize_keras_object(getattr(obj, key)) for key in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, SymbolicTensor):
        return {"class_name": "__keras_tensor__", "config": {"shape": obj.shape, "dtype": obj.dtype}}
    if isinstance(obj, np.ndarray | np.generic):
        if obj.ndim == 0:
            return obj.item()
        return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": obj.dtype.name}}
    if isinstance(obj, Layer):
        return layer_record(obj, Dialect.KERAS_3)
    return _object(obj)


def _object(obj: object) -> dict[str, Any]:
    """The configuration of a function, or of an object with ``get_config``."""
    if isinstance(obj, Setting):
        return obj.serialize()
    if hasattr(obj, "get_config"):
        module = _module_of(type(obj))
        name = type(obj).__name__
        return {
            "module": module or type(obj).__module__,
            "class_name": name,
            "config": serialize_keras_object(dict(obj.get_config())),
            "registered_name": None if module else get_registered_name(type(obj)),
        }
    title = str(getattr(obj, "__name__", ""))
    if title == "<lambda>":
        raise ConfigError(_LAMBDA)
    if not callable(obj) or not title:
        raise UnsupportedError(
            f"{type(obj).__name__} objects have no get_config() method; add a get_config() method to the class"
        )
    builtin = any(known.get(title) is obj for known in _functions().values())
    return function_record(title if builtin else get_registered_name(obj))


def _functions() -> dict[str, Mapping[str, Any]]:
    """foldnet's functions, by Keras's modules and names."""
    from foldnet.training import losses, metric_names

    return {
        "keras.activations": activations.FUNCTIONS,
        "keras.losses": losses.FUNCTIONS,
        "keras.metrics": metric_names.FUNCTIONS,
    }


def _classes() -> dict[str, tuple[Mapping[str, Any], Callable[[Any], Any]]]:
    """foldnet's classes by Keras's modules and names, with the function that creates one from a configuration."""
    from foldnet.training import losses, metric_names, optimizers, schedules

    by_title = {cls.__name__: cls for cls in optimizers.OPTIMIZERS.values()}

    def schedule(config: Any) -> Any:
        return schedules.SCHEDULES[config["class_name"]].from_config(config["config"])

    return {
        "keras.optimizers": (by_title, optimizers.get),
        "keras.optimizers.schedules": (schedules.SCHEDULES, schedule),
        "keras.losses": (losses.CLASSES, losses.get),
        "keras.metrics": (metric_names.CLASSES, metric_names.get),
    }


def _module_of(cls: type) -> str | None:
    """Keras's module of one of foldnet's classes; None for other classes."""
    name = cls.__name__
    return next((module for module, (known, _) in _classes().items() if known.get(name) is cls), None)


_SETTINGS = {
    "keras.initializers": initializers,
    "keras.regularizers": regularizers,
    "keras.constraints": constraints,
}


def deserialize_keras_object(
    config: object, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True, **kwargs: Any
) -> Any:
    """Create the object that a configuration describes.

    Args:
        config: from ``serialize_keras_object`` or from Keras.
        custom_objects: your own classes and functions, by their names in the configuration.
        safe_mode: must be True: code in a configuration is never run.
        kwargs: ``module_objects``: more classes and functions.

    Raises:
        ConfigError: an unknown name, a lambda, or invalid settings.
        UnsupportedError: something foldnet cannot represent.

    >>> deserialize_keras_object({"class_name": "L2", "module": "keras.regularizers", "config": {"l2": 0.1}})
    L2(l2=0.1)
    """
    if not safe_mode:
        raise UnsupportedError(f"safe_mode=False would run code from a configuration: {_LAMBDA}")
    more = kwargs.pop("module_objects", None)
    if kwargs:
        raise ConfigError(f"deserialize_keras_object does not take {', '.join(kwargs)}")
    try:
        return _made(config, known_objects({**(more or {}), **(custom_objects or {})}))
    except RecursionError:
        raise ConfigError("the configuration nests too deeply") from None


def _made(config: object, known: Mapping[str, Any]) -> Any:
    if isinstance(config, str):
        return known.get(config, config)
    if isinstance(config, list | tuple):
        return [_made(value, known) for value in config]
    if not isinstance(config, Mapping):
        return config
    if "class_name" not in config or "config" not in config:
        return {key: _made(value, known) for key, value in config.items()}
    name, settings = config["class_name"], config["config"]
    if not isinstance(name, str):
        raise SettingTypeError(f"the class_name of a configuration is a text, not {name!r}")
    if name in _PLAIN:
        return _PLAIN[name](_dict(settings, name), known)
    if name == "__lambda__":
        raise ConfigError(_LAMBDA)
    if name == "__typespec__":
        raise SettingTypeError("a type of TensorFlow's is not an object of a network")
    if name == "function":
        return _function(config, settings, known)
    return _instance(config, name, _dict(settings, name), known)


def _dict(settings: object, name: str) -> Mapping[str, Any]:
    if not isinstance(settings, Mapping):
        raise SettingTypeError(f"the config of a {name} is a dict of settings, not {settings!r}")
    return settings


def _keras_tensor(settings: Mapping[str, Any], _: object) -> SymbolicTensor:
    shape = settings.get("shape")
    if not isinstance(shape, list | tuple):
        raise SettingTypeError(f"the shape of a tensor is a list of sizes, not {shape!r}")
    return SymbolicTensor(tuple(shape), str(settings.get("dtype", "float32")))


def _array(settings: Mapping[str, Any], _: object) -> Array:
    try:
        return np.array(settings["value"], settings.get("dtype"))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"the configuration of an array is not valid: {error}") from None


_PLAIN: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Any]] = {
    "__keras_tensor__": _keras_tensor,
    "__tensor__": _array,
    "__numpy__": _array,
    "__bytes__": lambda settings, _: str(settings.get("value", "")).encode("utf-8"),
    "__ellipsis__": lambda *_: Ellipsis,
    "__slice__": lambda s, known: slice(*(_made(s.get(k), known) for k in ("start", "stop", "step"))),
}


def _builtin(registered: object, name: str) -> None:
    """Refuse a configuration that has a built-in name and another registered name."""
    if registered not in (None, "", name, "function"):
        raise ConfigError(
            f"the configuration of {name!r} says that it is registered as {registered!r}, and resolved to a Keras "
            "built-in of that name; these contradict each other"
        )


def _function(config: Mapping[str, Any], name: object, known: Mapping[str, Any]) -> Any:
    if not isinstance(name, str):
        raise SettingTypeError(f"the config of a function is its name, a text, not {name!r}")
    registered = config.get("registered_name")
    for key in (registered, name):
        if isinstance(key, str) and callable(known.get(key)):
            return known[key]
    module = config.get("module")
    places = _functions()
    for place in sorted(places, key=lambda p: p != module):
        if name in places[place]:
            _builtin(registered, name)
            return places[place][name]
    raise ConfigError(
        f"there is no function {name!r}; supply it: custom_objects={{{name!r}: fn}}, or register_keras_serializable"
    )


def _instance(
    config: Mapping[str, Any], name: str, settings: Mapping[str, Any], known: Mapping[str, Any]
) -> Any:
    registered = config.get("registered_name")
    module = str(config.get("module") or "")
    own = known.get(registered) if isinstance(registered, str) else None
    own = own or (known.get(name) if not module.startswith("keras") else None)
    if own is not None:
        if not hasattr(own, "from_config"):
            raise ConfigError(
                f"{name!r} is supplied as {own!r}, which is not a class with a from_config() method"
            )
        if isinstance(own, type) and issubclass(own, Layer):
            return Reader(supplied=known).layer(config)
        return own.from_config(dict(settings))
    if name in LAYERS or name in NETWORKS:
        _builtin(registered if name not in NETWORKS else None, name)
        if name in NETWORKS and "layers" not in settings:
            raise FileFormatError(f"the configuration of a {name} is a dict with 'name' and 'layers'")
        return Reader(supplied=known).layer(
            {"registered_name": None, **config, "config": _named(name, settings)}
        )
    for place, package in _SETTINGS.items():
        if module in ("", place) and (found := _setting(package, name, settings)) is not None:
            _builtin(registered, name)
            return found
    for place, (classes, make) in _classes().items():
        if module in ("", place) and name in classes:
            _builtin(registered, name)
            with _settings_of(name):
                return make({"class_name": name, "config": settings})
    raise ConfigError(
        f"there is no class {name!r}; supply it: custom_objects={{{name!r}: cls}}, or register_keras_serializable"
    )


def _named(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A layer's settings with a name, which configurations written by hand may lack."""
    from foldnet.naming import snake_case, unique_name

    if settings.get("name") or name in NETWORKS:
        return dict(settings)
    return {**settings, "name": unique_name(snake_case(name))}


def _setting(package: object, name: str, settings: Mapping[str, Any]) -> Any:
    classes = {k: v for k, v in vars(package).items() if isinstance(v, type) and issubclass(v, Setting)}
    if name not in classes:
        return None
    with _settings_of(name):
        return classes[name].from_config(settings)


@contextmanager
def _settings_of(name: str) -> Iterator[None]:
    """Turns errors that a class raises on bad settings into one error."""
    try:
        yield
    except BAD_SETTINGS as error:
        if isinstance(error, FoldnetError):
            raise
        raise ConfigError(f"the settings of this {name} are not valid: {error}") from None
