"""What a stored call is read into: references to tensors, constants, and their structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldnet.errors import FileFormatError, UnsupportedError
from foldnet.files import strict_json

Ref = tuple[str, int, int]
"""Layer name, which of its calls, which of the call's results."""


@dataclass(frozen=True)
class Constant:
    """What an operation is called on beside tensors."""

    value: Any


@dataclass
class Node:
    """One stored call of a layer: what it is called on, how, and the mask passed with it, if any."""

    args: Any
    kwargs: dict[str, Any]
    old_style: bool
    mask: Any = None


def reference(entry: object, where: str) -> Ref:
    """The reference that three entries of a list are."""
    entry = strict_json.listing(entry, where)
    if len(entry) != 3:
        raise FileFormatError(f"{where} refers to {entry!r}, expected a layer, a call and a result")
    return (
        strict_json.text(entry[0], where),
        strict_json.whole(entry[1], where),
        strict_json.whole(entry[2], where),
    )


def keras_tensor(value: object, where: str) -> Ref:
    """The reference that a record of Keras 3 is."""
    if not isinstance(value, Mapping) or value.get("class_name") != "__keras_tensor__":
        raise constant_refused(where)
    return reference(strict_json.mapping(value.get("config"), where).get("keras_history"), where)


def constant_refused(where: str) -> UnsupportedError:
    """The error for a constant where a layer takes tensors."""
    return UnsupportedError(
        f"{where} has a constant among its arguments; foldnet reads calls on tensors only. "
        "Put the constant into a layer of its own, such as Rescaling, and save again."
    )


def joined(items: list[Any]) -> Any:
    """A list of operands, as one constant where all of them are."""
    constant = all(isinstance(item, Constant) for item in items)
    return Constant([item.value for item in items]) if constant else items


def operand(value: object, where: str) -> Any:
    """An operation's argument in a file of Keras 3: a tensor, a constant, or a list of them."""
    if isinstance(value, list):
        return joined([operand(item, where) for item in value])
    if not isinstance(value, Mapping):
        return Constant(strict_json.numbers(value))
    kind, config = value.get("class_name"), value.get("config")
    if kind == "__keras_tensor__":
        return keras_tensor(value, where)
    config = strict_json.mapping(config if config is not None else {}, where)
    if kind == "__ellipsis__":
        return Constant(...)
    if kind == "__slice__":
        limits = [config.get(k) for k in ("start", "stop", "step")]
        if not all(v is None or type(v) is int for v in limits):
            raise UnsupportedError(f"{where} has the slice {limits}, whose limits are not whole numbers")
        return Constant(slice(*limits))
    if kind in ("__numpy__", "__tensor__"):
        array = np.asarray(strict_json.numbers(config.get("value")))
        if array.dtype.kind not in "fib":
            raise FileFormatError(f"{where} has an array that is not of numbers")
        return Constant(array.astype(strict_json.text(config.get("dtype", "float32"), where)))
    raise constant_refused(where)
