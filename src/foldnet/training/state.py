"""Variables that hold a metric's state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.training.variables import Variable


class StateVariable(Variable):
    """A variable with its own array.

    Args:
        value: the initial array.
        name: of the variable.

    >>> total = StateVariable(np.zeros(2, np.float32), "total")
    >>> total.assign_add([1.0, 2.0]).numpy().tolist(), total.name
    ([1.0, 2.0], 'total')
    """

    __slots__ = ("_array",)
    __hash__ = object.__hash__

    def __init__(self, value: Array, name: str) -> None:
        self._array, self.path = value, name

    @property
    def value(self) -> Array:
        """The variable's own array."""
        return self._array

    def _write(self, value: Array) -> None:
        self._array = value

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        targets = kwargs.pop("out", ())
        found = super().__array_ufunc__(ufunc, method, *inputs, **kwargs)
        return targets[0].assign(found) if targets else found  # `total += 1`

    def __reduce__(self) -> tuple[type, tuple[Array, str]]:
        return StateVariable, (self._array, self.path)


def nested(value: object) -> Sequence[Any]:
    """All values in nested lists, tuples and dicts; a value that is none of these alone."""
    if isinstance(value, dict):
        return [leaf for entry in value.values() for leaf in nested(entry)]
    if isinstance(value, list | tuple):
        return [leaf for entry in value for leaf in nested(entry)]
    return [value]
