"""Functions of single values in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from foldnet import activations
from foldnet.engines.functions import COMBINE, UNARY
from foldnet.errors import UnsupportedError
from foldnet.graph.graph import Array
from foldnet.graph.op import Elementwise, Op
from foldnet.operations.elementwise.op import (
    Activation,
    Binary,
    Combine,
    PRelu,
    Unary,
    Where,
)
from foldnet.operations.kernels import Kernel, Moment


def apply_elementwise(function: Elementwise | None, x: Array) -> Array:
    """An elementwise activation by its settings; None is linear.

    Raises:
        UnsupportedError: a function that the caller supplied does not keep the shape.
    """
    if function is None:
        return x
    if function.function is None:
        return activations.ELEMENTWISE[function.name](x, **dict(function.params))
    y = np.asarray(function.function(x), dtype=np.float64)
    if y.shape != x.shape:
        raise UnsupportedError(
            f"the supplied activation {function.name!r} made shape {y.shape} out of {x.shape}; it must treat "
            "each value alone and keep the shape"
        )
    return y


def activation(op: Activation, x: Array) -> Array:
    """The activation."""
    return apply_elementwise(op.function, x)


def p_relu(op: PRelu, x: Array, alpha: Array) -> Array:
    """``relu(x) - alpha * relu(-x)`` (He et al., 2015)."""
    return np.maximum(x, 0) - alpha * np.maximum(-x, 0)


def binary(op: Binary, a: Array, b: Array) -> Array:
    """Two operands, value by value."""
    return apply_elementwise(op.activation, COMBINE[op.kind].compute(a, b))


def unary(op: Unary, x: Array) -> Array:
    """One value, elementwise."""
    return np.asarray(UNARY[op.kind].compute(x), dtype=np.float64)


def combine(op: Combine, a: Array, b: Array) -> Array:
    """Two values, elementwise."""
    return np.asarray(COMBINE[op.kind].compute(a, b), dtype=np.float64)


def where(op: Where, condition: Array, a: Array, b: Array) -> Array:
    """A choice, elementwise."""
    return np.where(condition != 0, a, b).astype(np.float64)


def _working(a: Array, b: Array) -> np.dtype[Any]:
    floats = [x.dtype for x in (a, b) if x.dtype.kind == "f"]
    return np.result_type(*floats) if floats else np.result_type(a, b)


def unary_in_step(op: Unary, moment: Moment, x: Array) -> Array:
    """One value, elementwise."""
    return np.asarray(UNARY[op.kind].compute(x), dtype=x.dtype)


def combine_in_step(op: Combine, moment: Moment, a: Array, b: Array) -> Array:
    """Two values, elementwise."""
    return np.asarray(COMBINE[op.kind].compute(a, b), dtype=_working(a, b))


def where_in_step(op: Where, moment: Moment, condition: Array, a: Array, b: Array) -> Array:
    """A choice, elementwise."""
    return np.where(condition != 0, a, b)


RULES: dict[type[Op], Kernel] = {
    Activation: Kernel(activation),
    PRelu: Kernel(p_relu),
    Binary: Kernel(binary),
    Unary: Kernel(unary, unary_in_step),
    Combine: Kernel(combine, combine_in_step),
    Where: Kernel(where, where_in_step),
}
