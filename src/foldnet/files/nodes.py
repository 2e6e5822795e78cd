"""Stored calls after reading: references to tensors, constants, and their structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from foldnet.errors import FileFormatError, UnsupportedError
from foldnet.files import strict_json

Ref = tuple[str, int, int]
"""Layer name, index of the call, index of the call's output."""


@dataclass(frozen=True)
class Constant:
    """A constant argument of an operation."""

    value: Any


@dataclass
class Node:
    """One stored call of a layer.

    Attributes:
        args: its input, or its inputs.
        kwargs: constants by name.
        old_style: whether it is stored as Keras 1 and 2 do.
        mask: passed with it, if any.
        named: its further tensors, by argument.
    """

    args: Any
    kwargs: dict[str, Any]
    old_style: bool
    mask: Any = None
    named: dict[str, Any] = field(default_factory=dict)

    @property
    def tensors(self) -> list[Any]:
        """All its tensors, nested."""
        return [self.args, *([] if self.mask is None else [self.mask]), *self.named.values()]


def reference(entry: object, where: str) -> Ref:
    """Read a reference from a list of three entries."""
    entry = strict_json.listing(entry, where)
    if len(entry) != 3:
        raise FileFormatError(f"{where} refers to {entry!r}, expected a layer, a call and a result")
    return (
        strict_json.text(entry[0], where),
        strict_json.whole(entry[1], where),
        strict_json.whole(entry[2], where),
    )


def keras_tensor(value: object, where: str) -> Ref:
    """Read a reference from a record of Keras 3."""
    if not isinstance(value, Mapping) or value.get("class_name") != "__keras_tensor__":
        raise constant_refused(where)
    return reference(strict_json.mapping(value.get("config"), where).get("keras_history"), where)


def constant_refused(where: str) -> UnsupportedError:
    """The error for a constant where a layer takes only tensors."""
    return UnsupportedError(
        f"{where} has a constant among its arguments; foldnet reads calls on tensors only. "
        "Put the constant into a layer of its own, such as Rescaling, and save again."
    )


def joined(items: list[Any]) -> Any:
    """A list of operands; one constant if all of them are constants."""
    constant = all(isinstance(item, Constant) for item in items)
    return Constant([item.value for item in items]) if constant else items


def operand(value: object, where: str) -> Any:
    """Read an operation's argument from a file of Keras 3: a tensor, a constant, or a list of them."""
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
