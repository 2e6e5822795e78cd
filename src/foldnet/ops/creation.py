"""Functions that create arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.operations import expression as e
from foldnet.ops import elementwise as f
from foldnet.ops.records import operation
from foldnet.promotion import as_array, dtype_of, floating, result_type


def convert_to_numpy(x: Any) -> Array:
    """Convert to a NumPy array."""
    return as_array(x)


@operation("ConvertToTensor", "core", settings=("dtype", "sparse", "ragged"))
def convert_to_tensor(
    x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None
) -> Any:
    """Convert to an array, which is foldnet's tensor; an expression is only cast to the dtype."""
    if isinstance(x, e.Expression):
        return x if dtype is None else f.cast(x, dtype)
    return as_array(x) if dtype is None else f.cast_array(x, dtype_of(dtype))


def copy(x: Any) -> Any:
    """A copy of an array; an expression is returned as it is, since it never changes."""
    return x if isinstance(x, e.Expression) else np.array(as_array(x))


def is_tensor(x: Any) -> bool:
    """Whether a value is an array or an expression."""
    return isinstance(x, np.ndarray | e.Expression)


def dtype(x: Any) -> str:
    """The dtype's name."""
    return x.dtype if isinstance(x, e.Expression) else as_array(x).dtype.name


def zeros(shape: Any, dtype: Any = None) -> Array:
    """An array of 0."""
    return np.zeros(shape, dtype_of(dtype))


def ones(shape: Any, dtype: Any = None) -> Array:
    """An array of 1."""
    return np.ones(shape, dtype_of(dtype))


def empty(shape: Any, dtype: Any = None) -> Array:
    """An array of 0 (Keras does not specify the values)."""
    return np.zeros(shape, dtype_of(dtype))


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Array:
    """An array of one value."""
    return np.full(shape, fill_value, dtype_of(dtype))


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Array:
    """An array with 1 on a diagonal."""
    return np.eye(N, M, k, dtype_of(dtype))


def identity(n: int, dtype: Any = None) -> Array:
    """A square array with 1 on the diagonal."""
    return np.eye(n, dtype=dtype_of(dtype))


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Array:
    """Evenly spaced numbers from ``start`` up to, but not including, ``stop``."""
    given = [v for v in (start, stop, step) if v is not None]
    own = result_type(*given) if dtype is None else dtype_of(dtype)
    return (
        np.arange(start, stop, step, dtype=own)
        if stop is not None
        else np.arange(0, start, step or 1, dtype=own)
    )


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """``num`` evenly spaced numbers from ``start`` to ``stop``."""
    own = floating(*(v if isinstance(v, int | float) else as_array(v) for v in (start, stop)))
    return np.linspace(start, stop, num, endpoint, retstep, dtype or own, axis)  # type: ignore[call-overload]


@operation("ZerosLike", settings=("dtype",))
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros in the shape of x."""
    return full_like(x, 0, dtype)


@operation("OnesLike", settings=("dtype",))
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones in the shape of x."""
    return full_like(x, 1, dtype)


@operation("FullLike", settings=("dtype",))
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """One value in the shape of x."""
    if not isinstance(x, e.Expression):
        x = as_array(x)
        return np.full_like(x, fill_value, dtype_of(dtype) if dtype is not None else x.dtype)
    kind = x.dtype if dtype is None else np.dtype(dtype).name
    found = f.where(f.equal(x, x) if not x.is_int else f.less_equal(x, x), 1.0, 1.0)
    return f.cast(f.multiply(f.stop_gradient(found), fill_value), kind)


def tril(x: Any, k: int = 0) -> Array:
    """The values on and below a diagonal."""
    return np.tril(as_array(x), k)


def triu(x: Any, k: int = 0) -> Array:
    """The values on and above a diagonal."""
    return np.triu(as_array(x), k)


def diag(x: Any, k: int = 0) -> Array:
    """The diagonal of a matrix, or a matrix with this diagonal."""
    return np.diag(as_array(x), k)


def meshgrid(*x: Any, indexing: str = "xy") -> list[Array]:
    """Coordinates of a grid."""
    return list(np.meshgrid(*(as_array(v) for v in x), indexing=indexing))  # type: ignore[call-overload]
