"""Layer settings as Keras stores them: activations, initializers, regularizers, constraints, dtype policies.

Keras 3 (``.keras``) and Keras 2 (``.h5``, which tf_keras also opens) write some of them differently. Both are
written here, so that settings that one of them cannot represent are refused in one place.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from enum import Enum
from typing import Any

import numpy as np

from foldnet import activations
from foldnet.activations.naming import LAYER_FORMS
from foldnet.errors import UnsupportedError
from foldnet.layers.base import Layer


class Dialect(Enum):
    """Which Keras's names and forms a file uses.

    ``KERAS_2`` is what Keras 3 and tf_keras both open, where they agree; ``TF_KERAS`` is for tf_keras alone.
    """

    KERAS_3 = "Keras 3"
    KERAS_2 = "Keras 2"
    TF_KERAS = "tf_keras"

    @property
    def is_old(self) -> bool:
        """Whether it is that of ``.h5`` files."""
        return self is not Dialect.KERAS_3


FOREIGN_ACTIVATIONS = frozenset({"hard_sigmoid_keras2", "thresholded_relu", "threshold"})
"""Activations that Keras 3 has no name for."""

_OLD_NAMES = {"zero": "zeros", "one": "ones"}


def record(module: str, class_name: str, config: object) -> dict[str, Any]:
    """An object as Keras stores it."""
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def stored_setting(layer: Layer, name: str, value: object, dialect: Dialect) -> Any:
    """A setting of a layer as a file holds it.

    Raises:
        UnsupportedError: the dialect cannot represent it.
    """
    if name.endswith("activation"):
        return stored_activation(value, dialect, f"layer {layer.name!r} ({type(layer).__name__})")
    for kind in ("initializer", "regularizer", "constraint"):
        if name.endswith(kind):
            return stored_object(value, f"keras.{kind}s", f"layer {layer.name!r}: {name}")
    return plain_data(value, f"layer {layer.name!r}: {name}")


def stored_activation(function: object, dialect: Dialect, where: str) -> Any:
    """An activation as its name, or as the activation layer with its parameters.

    Raises:
        UnsupportedError: it is a user's function without a name, or has parameters that no Keras layer has.
    """
    named = activations.known(activations.get(function))
    if named is None:
        own = own_name(function, activations.FUNCTIONS)
        if own is None:
            raise UnsupportedError(
                f"{where}: the activation {getattr(function, '__name__', function)!r} is a function of your own "
                "without a name of its own, and a file holds only names. Use one of foldnet.activations, define "
                "it with def under another name, or freeze the network and save the predictor."
            )
        return function_record(own) if dialect is Dialect.KERAS_3 else own
    name, parameters = named
    if name == "hard_sigmoid_keras2" or (name == "hard_sigmoid" and dialect.is_old):
        raise UnsupportedError(
            f"{where}: Keras 2 and Keras 3 compute different functions under the name 'hard_sigmoid', and a "
            f"{'.keras' if dialect is Dialect.KERAS_3 else '.h5'} file cannot say which of them {name} is. "
            f"{'Save hard_sigmoid to .keras.' if name == 'hard_sigmoid' else 'Keep the file it came from.'}"
        )
    stored = activations.serialize(activations.get(function))
    if isinstance(stored, str) and stored not in FOREIGN_ACTIVATIONS:
        return stored
    form = next((c for c, f in LAYER_FORMS.items() if f.function is activations.FUNCTIONS[name]), None)
    if form is None or (form == "ThresholdedReLU" and dialect is Dialect.KERAS_3):
        raise UnsupportedError(
            f"{where}: {dialect.value} cannot say the activation {name} with {parameters}. Put its own layer "
            "after this one where there is one, or freeze the network and save the predictor."
        )
    return record("keras.layers", form, layer_settings(form, parameters, dialect))


def own_name(function: object, taken: Container[str]) -> str | None:
    """The name under which a file can refer to a user's function, which must be supplied when the file is read.

    Args:
        function: the function.
        taken: names that mean something else in a file.

    Returns:
        Its registered name, else its ``__name__``; None for a lambda, for objects without a name, and if
        the name belongs to another function.
    """
    from foldnet.files.registration import get_registered_name, known_objects

    title = getattr(function, "__name__", None)
    if not callable(function) or not isinstance(title, str) or title == "<lambda>":
        return None
    name = get_registered_name(function)
    return None if name in taken or known_objects(None).get(name, function) is not function else name


def function_record(name: str) -> dict[str, Any]:
    """A function as Keras stores it: only its name."""
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


def layer_settings(class_name: str, config: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """The settings of an activation layer, with the dialect's names."""
    config = dict(config)
    if class_name == "LeakyReLU" and dialect.is_old:
        config["alpha"] = config.pop("negative_slope")
    return config


def stored_object(value: object, module: str, where: str) -> Any:
    """An initializer, regularizer or constraint: a name, or class and settings.

    Raises:
        UnsupportedError: it is a function, or an object without ``get_config``.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return _OLD_NAMES.get(value, value)
    if isinstance(value, Mapping) and isinstance(value.get("class_name"), str):
        config = value.get("config")
        if isinstance(config, str):
            return config
        if not isinstance(config or {}, Mapping):
            raise UnsupportedError(f"{where} is {value!r}, whose settings are not a dict")
        # Keras 2 stored a dtype in initializers, which Keras 3 does not accept.
        kept = {
            k: v for k, v in dict(config or {}).items() if (k != "dtype" and v is not None) or k == "seed"
        }
        return record(module, value["class_name"], plain_data(kept, where))
    if hasattr(value, "get_config"):
        return record(module, type(value).__name__, plain_data(value.get_config(), where))
    raise UnsupportedError(
        f"{where} is {value!r}, which a file cannot hold; give Keras's name or an object of its classes"
    )


def plain_data(value: object, where: str) -> Any:
    """Convert a value to JSON data.

    Raises:
        UnsupportedError: it is not made of numbers, text, lists and dicts.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(k): plain_data(v, where) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain_data(v, where) for v in value]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise UnsupportedError(f"{where} is {value!r}, which a file cannot hold")


def stored_policy(name: str, dialect: Dialect) -> Any:
    """A dtype policy: an object in Keras 3, a name in Keras 2 unless it is mixed."""
    if dialect is Dialect.KERAS_3:
        return record("keras", "DTypePolicy", {"name": name})
    if name.startswith("mixed_"):
        return record("keras.mixed_precision", "Policy", {"name": name})
    return name
