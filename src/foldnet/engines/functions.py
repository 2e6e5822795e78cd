"""The elementwise functions of expressions, one record each: in NumPy, in C, as source text, and their slopes.

``Unary`` and ``Combine`` name one of these. Both engines and the exports read the same record, so that a function
is added in one place; ``graph.train_ops`` holds the names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldnet import activations

Array = np.ndarray[Any, Any]
Slope = Callable[..., Array]

_erf = np.frompyfunc(math.erf, 1, 1)


@dataclass(frozen=True)
class Function:
    """One elementwise function.

    Attributes:
        compute: on NumPy arrays.
        c: C of the operands ``{0}``, ``{1}``.
        text: NumPy source of the operands, for exported files.
        slopes: for each operand, what the gradient is in NumPy, from ``(g, *operands, y)``; none if it has none.
        c_slopes: the same in C, of ``{0}``, ``{1}``, the result ``{y}`` and ``{g}``.
    """

    compute: Callable[..., Any]
    c: str
    text: str
    slopes: tuple[Slope, ...] = ()
    c_slopes: tuple[str, ...] = ()


def erf(x: Array) -> Array:
    """The error function."""
    return np.asarray(_erf(np.asarray(x, np.float64)), np.float64).astype(np.asarray(x).dtype)


def _one(
    compute: Callable[..., Any], c: str, text: str, slope: Slope | None = None, c_slope: str = ""
) -> Function:
    return Function(compute, c, text, () if slope is None else (slope,), (c_slope,) if c_slope else ())


def _sign_c(value: str) -> str:
    return f"(({value}) > 0.0f ? 1.0f : ({value}) < 0.0f ? -1.0f : ({value}))"


UNARY: dict[str, Function] = {
    "negative": _one(np.negative, "-({0})", "-{0}", lambda g, x, y: -g, "(-{g})"),
    "abs": _one(
        np.abs, "fn_abs({0})", "np.abs({0})", lambda g, x, y: g * np.sign(x),
        "({0} > 0.0f ? {g} : {0} < 0.0f ? -{g} : 0.0f)",
    ),
    "sign": _one(np.sign, _sign_c("{0}"), "np.sign({0})"),
    "square": _one(np.square, "(({0}) * ({0}))", "np.square({0})", lambda g, x, y: g * 2 * x, "(2.0f * {0} * {g})"),
    "sqrt": _one(np.sqrt, "sqrtf({0})", "np.sqrt({0})", lambda g, x, y: g * 0.5 / y, "({g} * 0.5f / {y})"),
    "rsqrt": _one(
        lambda x: 1 / np.sqrt(x), "(1.0f / sqrtf({0}))", "1 / np.sqrt({0})",
        lambda g, x, y: g * -0.5 * y / x, "({g} * -0.5f * {y} / {0})",
    ),
    "reciprocal": _one(
        np.reciprocal, "(1.0f / ({0}))", "1 / {0}", lambda g, x, y: -g * y * y, "(-{g} * {y} * {y})"
    ),
    "exp": _one(np.exp, "fn_exp({0})", "np.exp({0})", lambda g, x, y: g * y, "({g} * {y})"),
    "expm1": _one(np.expm1, "fn_expm1({0})", "np.expm1({0})", lambda g, x, y: g * (y + 1), "({g} * ({y} + 1.0f))"),
    "log": _one(np.log, "fn_log({0})", "np.log({0})", lambda g, x, y: g / x, "({g} / {0})"),
    "log1p": _one(np.log1p, "fn_log1p({0})", "np.log1p({0})", lambda g, x, y: g / (1 + x), "({g} / (1.0f + {0}))"),
    "log2": _one(
        np.log2, "log2f({0})", "np.log2({0})", lambda g, x, y: g / (x * np.log(2).astype(x.dtype)),
        "({g} / ({0} * 0.693147181f))",
    ),
    "log10": _one(
        np.log10, "log10f({0})", "np.log10({0})", lambda g, x, y: g / (x * np.log(10).astype(x.dtype)),
        "({g} / ({0} * 2.30258509f))",
    ),
    "tanh": _one(
        np.tanh, "fn_tanh({0})", "np.tanh({0})", lambda g, x, y: g * (1 - y * y), "({g} * (1.0f - {y} * {y}))"
    ),
    "sigmoid": _one(
        activations.sigmoid, "fn_sigmoid({0})", "1 / (1 + np.exp(-{0}))", lambda g, x, y: g * y * (1 - y),
        "({g} * {y} * (1.0f - {y}))",
    ),
    "softplus": _one(
        lambda x: np.logaddexp(x, np.zeros((), x.dtype)), "fn_softplus({0})", "np.logaddexp({0}, np.float32(0))",
        lambda g, x, y: g * activations.sigmoid(x), "({g} * fn_sigmoid({0}))",
    ),
    "sin": _one(np.sin, "sinf({0})", "np.sin({0})", lambda g, x, y: g * np.cos(x), "({g} * cosf({0}))"),
    "cos": _one(np.cos, "cosf({0})", "np.cos({0})", lambda g, x, y: g * -np.sin(x), "({g} * -sinf({0}))"),
    "tan": _one(np.tan, "tanf({0})", "np.tan({0})", lambda g, x, y: g * (1 + y * y), "({g} * (1.0f + {y} * {y}))"),
    "arcsin": _one(
        np.arcsin, "asinf({0})", "np.arcsin({0})", lambda g, x, y: g / np.sqrt(1 - x * x),
        "({g} / sqrtf(1.0f - {0} * {0}))",
    ),
    "arccos": _one(
        np.arccos, "acosf({0})", "np.arccos({0})", lambda g, x, y: -g / np.sqrt(1 - x * x),
        "(-{g} / sqrtf(1.0f - {0} * {0}))",
    ),
    "arctan": _one(
        np.arctan, "atanf({0})", "np.arctan({0})", lambda g, x, y: g / (1 + x * x), "({g} / (1.0f + {0} * {0}))"
    ),
    "sinh": _one(np.sinh, "sinhf({0})", "np.sinh({0})", lambda g, x, y: g * np.cosh(x), "({g} * coshf({0}))"),
    "cosh": _one(np.cosh, "coshf({0})", "np.cosh({0})", lambda g, x, y: g * np.sinh(x), "({g} * sinhf({0}))"),
    "arcsinh": _one(
        np.arcsinh, "asinhf({0})", "np.arcsinh({0})", lambda g, x, y: g / np.sqrt(1 + x * x),
        "({g} / sqrtf(1.0f + {0} * {0}))",
    ),
    "arccosh": _one(
        np.arccosh, "acoshf({0})", "np.arccosh({0})", lambda g, x, y: g / np.sqrt(x * x - 1),
        "({g} / sqrtf({0} * {0} - 1.0f))",
    ),
    "arctanh": _one(
        np.arctanh, "atanhf({0})", "np.arctanh({0})", lambda g, x, y: g / (1 - x * x), "({g} / (1.0f - {0} * {0}))"
    ),
    "erf": _one(
        erf, "erff({0})", "np.vectorize(math.erf, otypes=[np.float32])({0})",
        lambda g, x, y: g * (2 / math.sqrt(math.pi)) * np.exp(-x * x), "({g} * 1.12837917f * fn_exp(-{0} * {0}))",
    ),
    "floor": _one(np.floor, "floorf({0})", "np.floor({0})"),
    "ceil": _one(np.ceil, "ceilf({0})", "np.ceil({0})"),
    "trunc": _one(np.trunc, "truncf({0})", "np.trunc({0})"),
    "round": _one(np.rint, "rintf({0})", "np.rint({0})"),
    "logical_not": _one(np.logical_not, "(({0}) == 0.0f ? 1.0f : 0.0f)", "({0} == 0).astype(np.float32)"),
    "isnan": _one(np.isnan, "(({0}) != ({0}) ? 1.0f : 0.0f)", "np.isnan({0}).astype(np.float32)"),
    "isfinite": _one(
        np.isfinite, "(({0}) - ({0}) == 0.0f ? 1.0f : 0.0f)", "np.isfinite({0}).astype(np.float32)"
    ),
    "isinf": _one(
        np.isinf, "(fn_abs({0}) == (float)INFINITY ? 1.0f : 0.0f)", "np.isinf({0}).astype(np.float32)"
    ),
    "stop_gradient": _one(lambda x: x, "({0})", "{0}"),
}  # fmt: skip
"""Functions of one value."""


def _compared(function: Callable[..., Any], sign: str) -> Function:
    return Function(
        function, f"({{0}} {sign} {{1}} ? 1.0f : 0.0f)", f"({{0}} {sign} {{1}}).astype(np.float32)"
    )


def _power_slopes(g: Array, a: Array, b: Array, y: Array) -> tuple[Array, Array]:
    positive = np.where(a > 0, a, 1)
    return g * b * np.power(a, b - 1), np.where(a > 0, g * y * np.log(positive), 0)


def _share(a: Array, b: Array, first: Array) -> Array:
    # As in the frameworks, a tie shares the gradient equally.
    return np.where(a == b, 0.5, np.where(first, 1.0, 0.0))


_FIRST = "({0} $ {1} ? 1.0f : {0} == {1} ? 0.5f : 0.0f)"


def _extreme(function: Callable[..., Any], name: str, sign: str, larger: Callable[..., Any]) -> Function:
    first = _FIRST.replace("$", sign)
    return Function(
        function,
        f"fn_{name}({{0}}, {{1}})",
        f"np.{name}({{0}}, {{1}})",
        (
            lambda g, a, b, y: (g * _share(a, b, larger(a, b))).astype(g.dtype),
            lambda g, a, b, y: (g * (1 - _share(a, b, larger(a, b)))).astype(g.dtype),
        ),
        (f"({{g}} * {first})", f"({{g}} * (1.0f - {first}))"),
    )


COMBINE: dict[str, Function] = {
    "add": Function(
        np.add, "({0} + {1})", "{0} + {1}", (lambda g, a, b, y: g, lambda g, a, b, y: g), ("{g}", "{g}")
    ),
    "subtract": Function(
        np.subtract, "({0} - {1})", "{0} - {1}", (lambda g, a, b, y: g, lambda g, a, b, y: -g), ("{g}", "(-{g})")
    ),
    "multiply": Function(
        np.multiply, "({0} * {1})", "{0} * {1}", (lambda g, a, b, y: g * b, lambda g, a, b, y: g * a),
        ("({g} * {1})", "({g} * {0})"),
    ),
    "divide": Function(
        np.divide, "({0} / {1})", "{0} / {1}", (lambda g, a, b, y: g / b, lambda g, a, b, y: -g * y / b),
        ("({g} / {1})", "(-{g} * {y} / {1})"),
    ),
    "power": Function(
        np.power, "powf({0}, {1})", "np.power({0}, {1})",
        (lambda g, a, b, y: _power_slopes(g, a, b, y)[0], lambda g, a, b, y: _power_slopes(g, a, b, y)[1]),
        ("({g} * {1} * powf({0}, {1} - 1.0f))", "({0} > 0.0f ? {g} * {y} * logf({0}) : 0.0f)"),
    ),
    "maximum": _extreme(np.maximum, "maximum", ">", np.greater),
    "minimum": _extreme(np.minimum, "minimum", "<", np.less),
    "mod": Function(
        np.mod, "fn_mod({0}, {1})", "np.mod({0}, {1})",
        (lambda g, a, b, y: g, lambda g, a, b, y: -g * np.floor(a / b)),
        ("{g}", "(-{g} * floorf({0} / {1}))"),
    ),
    "floor_divide": Function(np.floor_divide, "fn_floor_divide({0}, {1})", "np.floor_divide({0}, {1})"),
    "arctan2": Function(
        np.arctan2, "atan2f({0}, {1})", "np.arctan2({0}, {1})",
        (lambda g, a, b, y: g * b / (a * a + b * b), lambda g, a, b, y: -g * a / (a * a + b * b)),
        ("({g} * {1} / ({0} * {0} + {1} * {1}))", "(-{g} * {0} / ({0} * {0} + {1} * {1}))"),
    ),
    "equal": _compared(np.equal, "=="),
    "not_equal": _compared(np.not_equal, "!="),
    "less": _compared(np.less, "<"),
    "less_equal": _compared(np.less_equal, "<="),
    "greater": _compared(np.greater, ">"),
    "greater_equal": _compared(np.greater_equal, ">="),
    "logical_and": Function(
        np.logical_and, "({0} != 0.0f && {1} != 0.0f ? 1.0f : 0.0f)",
        "np.logical_and({0}, {1}).astype(np.float32)",
    ),
    "logical_or": Function(
        np.logical_or, "({0} != 0.0f || {1} != 0.0f ? 1.0f : 0.0f)", "np.logical_or({0}, {1}).astype(np.float32)"
    ),
}  # fmt: skip
"""Functions of two values."""

WHERE_C = "({0} != 0.0f ? {1} : {2})"
