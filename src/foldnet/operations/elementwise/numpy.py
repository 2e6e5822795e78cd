"""Elementwise functions in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import UnsupportedError
from foldnet.graph.op import Elementwise, Op
from foldnet.operations.elementwise.functions import BINARY, FUNCTIONS, WHERE, of, parameters
from foldnet.operations.elementwise.op import Binary, Slope, Unary, Where
from foldnet.operations.elementwise.slopes import on_arrays, uses
from foldnet.operations.kernels import Kernel, StepContext


def apply_elementwise(function: Elementwise | None, x: Array) -> Array:
    """An elementwise activation by its settings; None is linear.

    Raises:
        UnsupportedError: a function that the caller supplied does not keep the shape.
    """
    if function is None:
        return x
    if function.function is None:
        return np.asarray(of(function).compute(x, **parameters(function)), np.float64)
    y = np.asarray(function.function(x), dtype=np.float64)
    if y.shape != x.shape:
        raise UnsupportedError(
            f"the supplied activation {function.name!r} made shape {y.shape} out of {x.shape}; it must treat "
            "each value alone and keep the shape"
        )
    return y


def unary(op: Unary, x: Array) -> Array:
    """A function of one value."""
    return apply_elementwise(op.function, x)


def unary_in_step(op: Unary, context: StepContext, x: Array) -> Array:
    """Activations are rounded once from float64; other functions compute in the working precision."""
    function = op.function
    if function.function is not None or of(function).activation:
        return unary(op, x.astype(np.float64)).astype(x.dtype)
    return np.asarray(of(function).compute(x), x.dtype)


def binary(op: Binary, a: Array, b: Array) -> Array:
    """A function of two values."""
    return apply_elementwise(op.activation, np.asarray(BINARY[op.kind].compute(a, b), np.float64))


def _working(a: Array, b: Array) -> np.dtype[Any]:
    floats = [x.dtype for x in (a, b) if x.dtype.kind == "f"]
    return np.result_type(*floats) if floats else np.result_type(a, b)


def binary_in_step(op: Binary, context: StepContext, a: Array, b: Array) -> Array:
    """A function of two values in the working precision."""
    y = np.asarray(BINARY[op.kind].compute(a, b), dtype=_working(a, b))
    return (
        y if op.activation is None else apply_elementwise(op.activation, y.astype(np.float64)).astype(y.dtype)
    )


def where(op: Where, condition: Array, a: Array, b: Array) -> Array:
    """The choice between two values."""
    return np.where(condition != 0, a, b).astype(np.float64)


def where_in_step(op: Where, context: StepContext, condition: Array, a: Array, b: Array) -> Array:
    """The choice between two values."""
    return np.where(condition != 0, a, b)


def slope_in_step(op: Slope, context: StepContext, *given: Array) -> Array:
    """The gradient on one operand, by the slope of the function's record."""
    params = parameters(op.function)
    names = uses(op.table, op.function.name, tuple(params.items()), op.place)
    values = dict(zip(names, given, strict=True))
    shape = np.broadcast_shapes(*(a.shape for a in given))
    g = values.get("g", np.zeros(shape, given[0].dtype))
    record = {"unary": FUNCTIONS, "binary": BINARY, "where": {"where": WHERE}}[op.table][op.function.name]
    count = {"unary": 1, "binary": 2, "where": 3}[op.table]
    nothing = np.zeros((), g.dtype)  # operands that the slope does not use
    operands = [values.get(str(k), nothing) for k in range(count)]
    found = on_arrays(record, params, op.place, g, operands, values.get("y", nothing))
    return np.broadcast_to(found, shape)


RULES: dict[type[Op], Kernel] = {
    Unary: Kernel(unary, unary_in_step),
    Binary: Kernel(binary, binary_in_step),
    Where: Kernel(where, where_in_step),
    Slope: Kernel(None, slope_in_step),
}
