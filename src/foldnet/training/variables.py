"""Variables that a metric keeps its state in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from foldnet.errors import InputError
from foldnet.layers.weight import Weight

Array = np.ndarray[Any, Any]


class Variable(Weight):
    """A variable that belongs to no layer; it reads like an array, and ``assign`` sets it.

    Args:
        value: its first one.
        name: of the variable.

    >>> total = Variable(np.zeros(2, np.float32), "total")
    >>> total.assign_add([1.0, 2.0]).numpy().tolist(), total.path
    ([1.0, 2.0], 'total')
    """

    __slots__ = ("_array",)
    __hash__ = object.__hash__

    def __init__(self, value: Array, name: str) -> None:
        self._array, self.name, self.shown = value, name, None

    @property
    def value(self) -> Array:
        """The variable's own array."""
        return self._array

    @property
    def path(self) -> str:
        """The name."""
        return self.name

    @property
    def trainable(self) -> bool:
        """False: nothing learns it."""
        return False

    @property
    def dtype(self) -> str:
        """The dtype's name, as Keras's variables have it."""
        return str(self._array.dtype)

    def assign(self, value: Any) -> Variable:
        """Set the values.

        Raises:
            InputError: another shape.
        """
        array = np.array(value, self._array.dtype)
        if array.shape != self._array.shape:
            raise InputError(f"variable {self.name!r} has shape {self._array.shape}, not {array.shape}")
        self._array = array
        return self


def nested(value: Any) -> Sequence[Any]:
    """What lists, tuples and dicts hold, at any depth; a value itself if it is none of these."""
    if isinstance(value, dict):
        return [leaf for entry in value.values() for leaf in nested(entry)]
    if isinstance(value, list | tuple):
        return [leaf for entry in value for leaf in nested(entry)]
    return [value]
