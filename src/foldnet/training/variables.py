"""Variables of an optimizer, as in Keras: they can be read like arrays and assigned to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from foldnet.arrays import Array
from foldnet.errors import InputError


class Variable(NDArrayOperatorsMixin):
    """A view of a value stored elsewhere, with functions to read and to write it.

    Args:
        path: owner and name, such as ``adam/iteration``.
        read: returns the array.
        write: sets it.
    """

    __slots__ = ("_read", "_write", "path")
    __hash__ = object.__hash__  # by identity, because == compares element by element
    trainable = False

    def __init__(self, path: str, read: Callable[[], Array], write: Callable[[Array], None]) -> None:
        self.path, self._read, self._write = path, read, write

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def value(self) -> Array:
        """The current array."""
        return np.asarray(self._read())

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.value.ndim

    @property
    def dtype(self) -> str:
        """Name of the dtype."""
        return str(self.value.dtype)

    def numpy(self) -> Array:
        """A copy of the values."""
        return self.value.copy()

    def assign(self, value: Any) -> Variable:
        """Set the values.

        Raises:
            InputError: another shape, or not numbers.
        """
        now = self.value
        try:
            array = np.array(value, now.dtype)
        except (TypeError, ValueError) as error:
            raise InputError(f"variable {self.path!r} was given {value!r}: {error}") from None
        if array.shape != now.shape:
            raise InputError(f"variable {self.path!r} has shape {now.shape}, and was given {array.shape}")
        self._write(array)
        return self

    def assign_add(self, value: Any) -> Variable:
        """Add to the values."""
        return self.assign(self.value + value)

    def assign_sub(self, value: Any) -> Variable:
        """Subtract from the values."""
        return self.assign(self.value - value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array = self.value if dtype is None else self.value.astype(dtype, copy=False)
        return array.copy() if copy else array

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*(i.value if isinstance(i, Variable) else i for i in inputs), **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __repr__(self) -> str:
        return f"<Variable {self.path}, shape={self.shape}, dtype={self.dtype}, value={self.value!r}>"
