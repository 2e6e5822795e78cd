"""Elementwise functions: arithmetic, comparisons, logic."""

from __future__ import annotations

from typing import Any, Literal, assert_never

import numpy as np

from foldnet.arrays import Array
from foldnet.graph.op import FLOAT, Elementwise
from foldnet.operations import expression as e
from foldnet.operations.elementwise.functions import BINARY, FUNCTIONS
from foldnet.operations.elementwise.op import Unary, Where
from foldnet.operations.structure.op import Cast
from foldnet.ops.records import operation
from foldnet.promotion import FLOATX, arrays, as_array, floating

Gives = Literal["float", "own", "bool"]
"""Which dtype a function gives: floats, that of its operands, or truth values."""


def _unary(
    name: str, keras_class: str, doc: str, kind: str = "", gives: Gives = "float", module: str = "numpy"
) -> Any:
    """Make a function of one operand."""
    kind = kind or name

    def function(x: Any) -> Any:
        return _computed(kind, gives, x)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}, elementwise."
    return operation(keras_class, module)(function)


def _dtype(gives: Gives, own: e.Kind | None) -> e.Kind | None:
    """What an expression is given, where ``own`` is for the operands' dtype."""
    match gives:
        case "float":
            return "float32"
        case "own":
            return own
        case "bool":
            return "bool"
        case _:
            assert_never(gives)


def _computed(kind: str, gives: Gives, x: Any) -> Any:
    if isinstance(x, e.Expression):
        return e.unary(kind, x, _dtype(gives, x.dtype if x.dtype != "bool" else "int32"))
    x = as_array(x)
    if gives == "float":
        x = x.astype(floating(x), copy=False)
    if kind == "square" and x.dtype.kind == "b":
        x = x.astype(np.int32)
    with np.errstate(all="ignore"):
        return np.asarray(FUNCTIONS[kind].compute(x), bool if gives == "bool" else x.dtype)


absolute = _unary("absolute", "Absolute", "Absolute value", "abs", "own")
arccos = _unary("arccos", "Arccos", "Inverse cosine")
arccosh = _unary("arccosh", "Arccosh", "Inverse hyperbolic cosine")
arcsin = _unary("arcsin", "Arcsin", "Inverse sine")
arcsinh = _unary("arcsinh", "Arcsinh", "Inverse hyperbolic sine")
arctan = _unary("arctan", "Arctan", "Inverse tangent")
arctanh = _unary("arctanh", "Arctanh", "Inverse hyperbolic tangent")
ceil = _unary("ceil", "Ceil", "Smallest whole number not below")
cos = _unary("cos", "Cos", "Cosine")
cosh = _unary("cosh", "Cosh", "Hyperbolic cosine")
erf = _unary("erf", "Erf", "The error function", module="math")
exp = _unary("exp", "Exp", "Exponential")
expm1 = _unary("expm1", "Expm1", "``exp(x) - 1``")
floor = _unary("floor", "Floor", "Largest whole number not above")
isfinite = _unary("isfinite", "Isfinite", "Whether neither infinite nor NaN", gives="bool")
isinf = _unary("isinf", "Isinf", "Whether infinite", gives="bool")
isnan = _unary("isnan", "Isnan", "Whether NaN", gives="bool")
log = _unary("log", "Log", "Natural logarithm")
log10 = _unary("log10", "Log10", "Logarithm to base 10")
log1p = _unary("log1p", "Log1p", "``log(1 + x)``")
log2 = _unary("log2", "Log2", "Logarithm to base 2")
logical_not = _unary("logical_not", "LogicalNot", "Whether 0", gives="bool")
negative = _unary("negative", "Negative", "``-x``", gives="own")
reciprocal = _unary("reciprocal", "Reciprocal", "``1 / x``")
rsqrt = _unary("rsqrt", "Rsqrt", "``1 / sqrt(x)``", module="math")
sign = _unary("sign", "Sign", "-1, 0 or 1", gives="own")
sin = _unary("sin", "Sin", "Sine")
sinh = _unary("sinh", "Sinh", "Hyperbolic sine")
sqrt = _unary("sqrt", "Sqrt", "Square root")
square = _unary("square", "Square", "``x * x``", gives="own")
tan = _unary("tan", "Tan", "Tangent")
tanh = _unary("tanh", "Tanh", "Hyperbolic tangent")
trunc = _unary("trunc", "Trunc", "Truncation towards 0", gives="own")


@operation("StopGradient", "core")
def stop_gradient(variable: Any) -> Any:
    """The value itself, without a gradient."""
    return _computed("stop_gradient", "own", variable)


def abs(x: Any) -> Any:
    """Absolute value, elementwise."""
    return absolute(x)


def _binary(name: str, keras_class: str, doc: str, kind: str = "", gives: Gives = "own") -> Any:
    kind = kind or name

    def function(x1: Any, x2: Any) -> Any:
        if e.is_expression(x1, x2):
            if gives == "bool" and kind.startswith("logical"):
                x1, x2 = e.arithmetic(kind, x1, x2)
            return e.binary(kind, x1, x2, _dtype(gives, None))
        a, b = arrays(x1, x2)
        if a.dtype.kind == "b" and kind in ("floor_divide", "mod", "power"):
            a, b = a.astype(np.int32), b.astype(np.int32)
        if gives == "float":
            a, b = (v.astype(floating(v), copy=False) for v in (a, b))
        with np.errstate(all="ignore"):
            return np.asarray(BINARY[kind].compute(a, b))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}, elementwise, with broadcasting."
    return operation(keras_class)(function)


add = _binary("add", "Add", "Sum")
arctan2 = _binary("arctan2", "Arctan2", "Angle of the point (x2, x1)", gives="float")
divide = _binary("divide", "Divide", "Quotient", gives="float")
equal = _binary("equal", "Equal", "Whether equal", gives="bool")
floor_divide = _binary("floor_divide", "FloorDivide", "Quotient rounded down")
greater = _binary("greater", "Greater", "Whether greater", gives="bool")
greater_equal = _binary("greater_equal", "GreaterEqual", "Whether greater or equal", gives="bool")
less = _binary("less", "Less", "Whether less", gives="bool")
less_equal = _binary("less_equal", "LessEqual", "Whether less or equal", gives="bool")
logical_and = _binary("logical_and", "LogicalAnd", "Whether both are not 0", gives="bool")
logical_or = _binary("logical_or", "LogicalOr", "Whether either is not 0", gives="bool")
maximum = _binary("maximum", "Maximum", "The larger")
minimum = _binary("minimum", "Minimum", "The smaller")
mod = _binary("mod", "Mod", "Remainder, with the sign of the divisor")
multiply = _binary("multiply", "Multiply", "Product")
not_equal = _binary("not_equal", "NotEqual", "Whether not equal", gives="bool")
power = _binary("power", "Power", "``x1`` to the power ``x2``")
subtract = _binary("subtract", "Subtract", "Difference")
true_divide = _binary("true_divide", "TrueDivide", "Quotient", "divide", gives="float")


@operation("LogicalXor")
def logical_xor(x1: Any, x2: Any) -> Any:
    """Whether exactly one is not 0, elementwise."""
    return not_equal(logical_not(x1), logical_not(x2))


@operation("Logaddexp")
def logaddexp(x1: Any, x2: Any) -> Any:
    """``log(exp(x1) + exp(x2))`` without overflow, elementwise."""
    if not e.is_expression(x1, x2):
        a, b = arrays(x1, x2)
        return np.logaddexp(a.astype(floating(a)), b.astype(floating(b)))
    return add(maximum(x1, x2), log1p(exp(negative(absolute(subtract(x1, x2))))))


def squared_difference(x1: Any, x2: Any) -> Any:
    """``(x1 - x2)²``, elementwise."""
    return square(subtract(x1, x2))


@operation("Where")
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """``x1`` where the condition is not 0, else ``x2``, elementwise; for a condition alone its nonzero indices.

    Raises:
        UnsupportedError: the indices of an expression, whose number depends on the data.
    """
    if x1 is None or x2 is None:
        if e.is_expression(condition):
            raise e.refuse("where of a condition alone", "give it two values to choose from")
        return tuple(places.astype(np.int32) for places in np.nonzero(condition))
    if e.is_expression(condition, x1, x2):
        if not e.is_expression(condition):
            condition = np.asarray(condition) != 0
        x1, x2 = e.arithmetic("where", x1, x2)
        return e.emitted(Where(), condition, x1, x2, dtype=e.promoted(x1, x2), spread=True)
    a, b = arrays(x1, x2)
    return np.where(as_array(condition) != 0, a, b)


@operation("Clip", settings=("x_min", "x_max"))
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """``x`` clipped to two limits, elementwise."""
    return minimum(maximum(x, x_min), x_max)


@operation("Round", settings=("decimals",))
def round(x: Any, decimals: int = 0) -> Any:
    """``x`` rounded to this many decimals, halves to even, elementwise."""
    if isinstance(x, e.Expression):
        if decimals == 0:
            return e.unary("round", x, x.dtype)
        return divide(e.unary("round", multiply(x, 10.0**decimals)), 10.0**decimals)
    x = as_array(x)
    return np.round(x, decimals).astype(x.dtype)


@operation("NanToNum", settings=("nan", "posinf", "neginf"))
def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """Replace NaN and infinities (by default with 0 and the largest floats), elementwise."""
    if not isinstance(x, e.Expression):
        return np.nan_to_num(as_array(x), nan=nan, posinf=posinf, neginf=neginf)
    largest = float(np.finfo(np.float32).max)
    x = where(isnan(x), nan, x)
    x = where(greater(x, largest), largest if posinf is None else posinf, x)
    return where(less(x, -largest), -largest if neginf is None else neginf, x)


@operation("Isclose", settings=("equal_nan",))
def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether ``|x1 - x2| <= atol + rtol |x2|`` or both are the same infinity, elementwise."""
    if not e.is_expression(x1, x2):
        a, b = arrays(x1, x2)
        return np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)
    near = less_equal(absolute(subtract(x1, x2)), add(multiply(absolute(x2), rtol), atol))
    far = logical_or(isinf(x1), isinf(x2))
    found = logical_or(equal(x1, x2), logical_and(near, logical_not(far)))
    return logical_or(found, logical_and(isnan(x1), isnan(x2))) if equal_nan else found


def cast_array(x: Any, dtype: Any) -> Array:
    """An array converted to another dtype; floats are truncated towards 0."""
    with np.errstate(all="ignore"):
        return as_array(x).astype(dtype, copy=False)


@operation("Cast", "core", settings=("dtype",))
def cast(x: Any, dtype: Any) -> Any:
    """``x`` converted to another dtype; floats are truncated towards 0.

    Raises:
        UnsupportedError: an expression to a dtype other than float32, integers or bool.
    """
    if not isinstance(x, e.Expression):
        return cast_array(x, dtype)
    name = np.dtype(dtype).name
    if name == "bool":
        return not_equal(x, 0)
    if name.startswith(("int", "uint")):
        kind = "stop_gradient" if x.dtype == "bool" else "trunc"
        return x if x.dtype == "int32" else e.emitted(Unary(Elementwise(kind)), x, dtype="int32")
    if np.dtype(dtype) != FLOATX:
        raise e.refuse(f'cast to "{name}"', 'a program computes in float32: ops.cast(x, "float32")')
    if x.is_int:
        return e.emitted(Cast(FLOAT), x)
    return e.Expression(x.builder, x.value, "float32", x.in_network)


def saturate_cast(x: Any, dtype: Any) -> Any:
    """``x`` converted to another dtype; values beyond its range become its limits."""
    kind = np.dtype(dtype)
    limits: Any = np.iinfo(kind) if kind.kind in "iu" else np.finfo(kind) if kind.kind == "f" else None
    return cast(x, dtype) if limits is None else cast(clip(x, limits.min, limits.max), dtype)
