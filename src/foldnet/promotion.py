"""Promotion of dtypes as in Keras: Python's numbers take the dtype of arrays, and integers with floats give float32.

NumPy combines int32 and float32 to float64, but Keras to float32. Arrays of 64 bits keep their size, as on Keras's
NumPy backend; Python's own numbers, and lists of them, become 32 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from foldnet.arrays import Array

FLOATX = np.dtype(np.float32)
"""Keras's floatx; foldnet computes only in it."""


def dtype_of(name: Any) -> np.dtype[Any]:
    """The dtype of a name, as Keras writes them, or of a Python type."""
    if name in (None, float, "float"):
        return FLOATX
    if name in (int, "int"):
        return np.dtype(np.int32)
    return np.dtype(name)


def _leaves(value: object) -> list[Any]:
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, list | tuple) else [value]


def as_array(x: object) -> Array:
    """Convert to an array; Python's numbers become float32, int32 or bool."""
    if isinstance(x, np.ndarray):
        return x
    if isinstance(x, bool | int | float | list | tuple):
        array = np.asarray(x)
        if not any(hasattr(leaf, "dtype") for leaf in _leaves(x)) and array.dtype.kind in "fi":
            return array.astype(FLOATX if array.dtype.kind == "f" else np.int32)
        return array
    return np.asarray(x)


def result_type(*operands: Any) -> np.dtype[Any]:
    """The dtype in which Keras combines these operands."""
    strong = [np.dtype(o.dtype) for o in operands if hasattr(o, "dtype") and not isinstance(o, float)]
    kinds = {np.asarray(o).dtype.kind for o in operands if not hasattr(o, "dtype") or isinstance(o, float)}
    floats = [d for d in strong if d.kind == "f"]
    if floats:
        return np.result_type(*floats)
    if "f" in kinds:
        return FLOATX
    whole = [d for d in strong if d.kind in "iu"]
    if whole:
        found = np.result_type(*whole)
        return FLOATX if found.kind == "f" else found
    return np.dtype(np.int32) if kinds & {"i", "u"} else np.dtype(bool)


def floating(*operands: Any) -> np.dtype[Any]:
    """The same, but at least a floating dtype."""
    found = result_type(*operands)
    return found if found.kind == "f" else FLOATX


def arrays(*operands: Any) -> list[Array]:
    """The operands as arrays of the dtype in which Keras combines them."""
    dtype = result_type(*(o if isinstance(o, bool | int | float) else as_array(o) for o in operands))
    return [as_array(o).astype(dtype, copy=False) for o in operands]
