"""Find the activation for a name, a stored configuration, a function or an activation layer, and the reverse."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from foldnet.activations import functions
from foldnet.activations.functions import ALIASES, FUNCTIONS, Function
from foldnet.errors import ConfigError, SettingTypeError, UnsupportedError
from foldnet.setting_types import AXES, FLAG, NUMBER, Kind, near, shown
from foldnet.signatures import parameters_of


def _limit(value: Any) -> float | None:
    return value if value in (None, float("inf")) else NUMBER.read(value)


@dataclass(frozen=True)
class LayerForm:
    """An activation layer as a function: its settings are the function's parameters, some renamed."""

    function: Function
    defaults: Mapping[str, Any]
    old_names: Mapping[str, str] = field(default_factory=dict)


LAYER_FORMS: dict[str, LayerForm] = {
    "ELU": LayerForm(functions.elu, {"alpha": 1.0}),
    "LeakyReLU": LayerForm(functions.leaky_relu, {"negative_slope": 0.3}, {"alpha": "negative_slope"}),
    "ReLU": LayerForm(functions.relu, {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}),
    "Softmax": LayerForm(functions.softmax, {"axis": -1}),
    "ThresholdedReLU": LayerForm(functions.thresholded_relu, {"theta": 1.0}),
}
"""Activation layers without weights, which Keras accepts wherever it accepts an activation."""

PARAMETERS: dict[str, Kind] = {
    "alpha": NUMBER, "approximate": FLAG, "axis": AXES, "b": NUMBER, "default_value": NUMBER,
    "max_value": Kind("a number, or None", _limit), "negative_slope": NUMBER, "theta": NUMBER, "threshold": NUMBER,
}  # fmt: skip
"""What each parameter of an activation may be."""

_NO_MEANING = frozenset({"name", "trainable", "batch_input_shape"})


def get(identifier: Any, supplied: Mapping[str, Function] | None = None) -> Function:
    """The activation that ``identifier`` means.

    Args:
        identifier: None (``linear``), a name, a function, a ``functools.partial`` of one, an activation
            layer, or any of these as a file's configuration stores it.
        supplied: functions for names that a file does not define, such as ``{"<lambda>": fn}``.

    Raises:
        UnsupportedError: the name is not one of Keras's and was not supplied for the file that has it.
        ConfigError: it cannot name an activation, or a parameter has the wrong type.

    >>> get("relu") is functions.relu
    True
    """
    if identifier is None:
        return functions.linear
    if hasattr(identifier, "get_config"):  # a layer: LeakyReLU(0.1)
        return _layer_function(type(identifier).__name__, identifier.get_config(), supplied)
    if callable(identifier):
        known(identifier)  # checks the parameters of one of foldnet's
        return identifier
    if isinstance(identifier, Mapping):
        return _from_config(identifier, supplied)
    if not isinstance(identifier, str):
        raise SettingTypeError(
            f"an activation must be a name, a function or a Keras configuration, not {shown(identifier)}"
        )
    if supplied and identifier in supplied:
        return supplied[identifier]
    if identifier in LAYER_FORMS:
        return _layer_function(identifier, {}, supplied)
    function = FUNCTIONS.get(identifier) or ALIASES.get(identifier)
    if function is not None:
        return function
    if supplied is None:  # no file was read
        names = [*FUNCTIONS, *ALIASES, *LAYER_FORMS]
        raise ConfigError(f"there is no activation {identifier!r}: {near(identifier, names)}")
    raise _unknown(identifier)


def _unknown(name: str) -> UnsupportedError:
    return UnsupportedError(
        f"the file names the activation {name!r} but cannot say what it computes. "
        f"Supply it: load_model(path, activations={{{name!r}: fn}}) with a NumPy function, or with "
        "functools.partial of one of foldnet.activations so that it compiles, too."
    )


def _from_config(stored: Mapping[str, Any], supplied: Mapping[str, Function] | None) -> Function:
    name, config = stored.get("class_name"), stored.get("config")
    if supplied and isinstance(name, str) and name in supplied:
        return supplied[name]
    if isinstance(config, str):  # {"class_name": "function", "config": "relu"}
        return get(config, supplied)
    if not isinstance(name, str):
        raise ConfigError(f"an activation's configuration needs a class_name, got {dict(stored)!r}")
    if isinstance(config, Mapping) and (name in LAYER_FORMS or name == "Activation"):
        return _layer_function(name, config, supplied)
    raise _unknown(name)


def _layer_function(
    name: str, config: Mapping[str, Any], supplied: Mapping[str, Function] | None
) -> Function:
    """The function of an activation layer, from its class and settings."""
    policy = config.get("dtype")
    if isinstance(policy, Mapping):
        policy = (policy.get("config") or {}).get("name")
    if policy not in (None, "float32"):
        raise UnsupportedError(
            f"an activation {name} has dtype policy {policy!r}; foldnet computes in float32"
        )
    if name == "Activation":
        return get(config.get("activation"), supplied)
    form = LAYER_FORMS.get(name)
    if form is None:
        raise UnsupportedError(
            f"a layer {name} is used as an activation; foldnet takes {', '.join(sorted(LAYER_FORMS))} there. "
            "Put the layer after this one instead."
        )
    given = {form.old_names.get(k, k): v for k, v in config.items() if k not in _NO_MEANING and k != "dtype"}
    if unknown := {k for k, v in given.items() if k not in form.defaults and v is not None}:
        raise UnsupportedError(f"an activation {name} has the unknown setting {', '.join(sorted(unknown))}")
    function = functools.partial(form.function, **{k: given.get(k, v) for k, v in form.defaults.items()})
    known(function)  # checks them
    return function


def known(function: Function) -> tuple[str, dict[str, Any]] | None:
    """Name and full parameters of one of these functions, or of a ``functools.partial`` of one; else None.

    Raises:
        ConfigError: a parameter that the function does not have, or one that it needs and was not given.

    >>> known(functools.partial(functions.relu, max_value=6))
    ('relu', {'negative_slope': 0.0, 'max_value': 6, 'threshold': 0.0})
    """
    keywords: dict[str, Any] = {}
    base = function
    while isinstance(base, functools.partial):
        if base.args:
            return None
        keywords = {**base.keywords, **keywords}
        base = base.func
    name = getattr(base, "__name__", "")
    if FUNCTIONS.get(name) is not base:
        return None
    parameters = list(parameters_of(base).values())[1:]
    if unknown := set(keywords) - {p.name for p in parameters}:
        raise ConfigError(
            f"activation {name} takes {sorted(p.name for p in parameters)}, not {sorted(unknown)}"
        )
    values = {p.name: keywords.get(p.name, p.default) for p in parameters}
    if missing := [k for k, v in values.items() if v is inspect.Parameter.empty]:
        raise ConfigError(
            f"activation {name} needs values for {', '.join(missing)}: "
            f"functools.partial(foldnet.activations.{name}, ...)"
        )
    return name, {k: PARAMETERS[k](v, f"activation {name}", k) for k, v in values.items()}


def serialize(function: Function) -> Any:
    """A function as Keras stores it: its name, or an activation layer's configuration for other parameters.

    A function without such a form (a caller's own, or ``gelu(approximate=True)``) is returned unchanged.

    >>> serialize(functions.relu), serialize(functools.partial(functions.leaky_relu, negative_slope=0.1))
    ('relu', {'module': 'keras.layers', 'class_name': 'LeakyReLU', 'config': {'negative_slope': 0.1}})
    """
    named = known(function)
    if named is None:
        return function
    name, values = named
    defaults = {p.name: p.default for p in parameters_of(FUNCTIONS[name]).values()}
    if all(defaults[k] == v for k, v in values.items()):
        return name
    for class_name, form in LAYER_FORMS.items():
        if form.function is FUNCTIONS[name]:
            return {"module": "keras.layers", "class_name": class_name, "config": values}
    return function


def deserialize(config: Any) -> Function:
    """The function of a stored activation, as Keras calls it: ``get``."""
    return get(config)
