"""The elementwise functions, one record each: NumPy, C, NumPy source, slopes and range.

``Unary`` and ``Binary`` name one of these, whether a layer has it as its activation or an expression computes it. Both
engines, the exports and the doctor read the same record, so that a function is added in one place.

A slope is what the gradient on an operand is, given ``o`` (the functions of ``foldnet.ops``), the gradient ``g`` on the
result, the operands, the result ``y`` and the parameters. It is written once: on arrays it computes, on expressions it
is traced, and printed as C (``slopes.py``). At a kink it is the one that JAX derives from Keras's formula: mostly the
one from below, 0.5 where Keras cuts with ``clip``, and 1 for ``leaky_relu`` at 0.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldnet import activations
from foldnet.arrays import Array
from foldnet.graph.op import Elementwise
from foldnet.operations.elementwise.slope_functions import COMPUTED

INF = math.inf
Slope = Callable[..., Any]
Template = str | Callable[[Mapping[str, float]], str]
"""Source with ``{0}`` and ``{1}`` for operands and ``[alpha]`` for parameters; or a function of the parameters."""
Range = tuple[float, float]


@dataclass(frozen=True)
class Function:
    """One function of one or two values.

    Attributes:
        compute: on NumPy arrays, parameters by keyword.
        c: in C, without parentheses around it or its operands (``codegen.expressions.composed`` knows where they go).
        text: in NumPy source, for exported files.
        slopes: for each operand, what the gradient on it is; none if the function has none.
        range: the smallest and the largest result, or a function of the parameters that returns them.
        parameters: their names.
        activation: whether it is one of Keras's activations, which the reference engine rounds once from float64, in
            training, too; in training it computes the others in the working precision.
    """

    compute: Callable[..., Any]
    c: Template
    text: Template
    slopes: tuple[Slope, ...] = ()
    range: Range | Callable[..., Range] = (-INF, INF)
    parameters: tuple[str, ...] = ()
    activation: bool = False

    def values(self, params: Mapping[str, float]) -> Range:
        """The smallest and the largest result with these parameters."""
        return self.range(**params) if callable(self.range) else self.range


def filled(template: Template, params: Mapping[str, float], number: Callable[[float], str]) -> str:
    """A template with its parameters written in; the operands stay.

    >>> filled("fn_elu({0}, [alpha])", {"alpha": 0.5}, str)
    'fn_elu({0}, 0.5)'
    """
    text = template if isinstance(template, str) else template(params)
    for name, value in params.items():
        text = text.replace(f"[{name}]", number(value))
    return text


JUMPS = ("threshold", "theta")
"""Parameters at which a function may jump."""


def parameters(function: Elementwise) -> dict[str, float]:
    """A function's parameters, with infinity for None (no limit).

    Where it may jump it does so at a float32, as in Keras and in C: the data can hold that very number.
    """

    def held(name: str, value: float | None) -> float:
        if value is None:
            return INF
        return float(np.float32(value)) if name in JUMPS else value

    return {name: held(name, value) for name, value in function.params}


def of(function: Elementwise) -> Function:
    """The record of a built-in function.

    Raises:
        KeyError: there is no such name.
    """
    return FUNCTIONS[function.name]


_erf = np.frompyfunc(math.erf, 1, 1)
_erfc = np.frompyfunc(math.erfc, 1, 1)


def _float64(function: Callable[[Array], Any]) -> Callable[[Array], Array]:
    def compute(x: Array) -> Array:
        return np.asarray(function(np.asarray(x, np.float64)), np.float64).astype(np.asarray(x).dtype)

    return compute


def _sign(value: str) -> str:
    return f"{value} > 0.0f ? 1.0f : {value} < 0.0f ? -1.0f : {value}"


def _power_at(o: Any, g: Any, a: Any, b: Any, y: Any) -> Any:
    return o.where(a > 0, g * y * o.log(o.where(a > 0, a, 1.0)), 0.0)


def _compared(function: Callable[..., Any], sign: str) -> Function:
    return Function(
        function,
        f"{{0}} {sign} {{1}} ? 1.0f : 0.0f",
        f"({{0}} {sign} {{1}}).astype(np.float32)",
        range=(0, 1),
    )


def _first(o: Any, a: Any, b: Any, is_first: Any) -> Any:
    """The first operand's share of a maximum's gradient: 1 or 0, and 0.5 for a tie."""
    return o.where(is_first, 1.0, o.where(o.equal(a, b), 0.5, 0.0))


EXPRESSIONS: dict[str, Function] = {
    "negative": Function(np.negative, "-{0}", "-{0}", (lambda o, g, x, y: -g,)),
    "abs": Function(
        np.abs, "fn_abs({0})", "np.abs({0})",
        (lambda o, g, x, y: o.where(x > 0, g, o.where(x < 0, -g, 0.0)),), (0, INF),
    ),
    "sign": Function(np.sign, _sign("{0}"), "np.sign({0})", range=(-1, 1)),
    "square": Function(
        np.square, "{0} * {0}", "np.square({0})", (lambda o, g, x, y: 2.0 * x * g,), (0, INF)
    ),
    "sqrt": Function(np.sqrt, "sqrtf({0})", "np.sqrt({0})", (lambda o, g, x, y: g * 0.5 / y,), (0, INF)),
    "rsqrt": Function(
        lambda x: 1 / np.sqrt(x), "1.0f / sqrtf({0})", "1 / np.sqrt({0})",
        (lambda o, g, x, y: g * -0.5 * y / x,), (0, INF),
    ),
    "reciprocal": Function(np.reciprocal, "1.0f / {0}", "1 / {0}", (lambda o, g, x, y: -g * y * y,)),
    "exp": Function(np.exp, "fn_exp({0})", "np.exp({0})", (lambda o, g, x, y: g * y,), (0, INF)),
    "expm1": Function(
        np.expm1, "fn_expm1({0})", "np.expm1({0})", (lambda o, g, x, y: g * (y + 1.0),), (-1, INF)
    ),
    "log": Function(np.log, "fn_log({0})", "np.log({0})", (lambda o, g, x, y: g / x,)),
    "log1p": Function(np.log1p, "fn_log1p({0})", "np.log1p({0})", (lambda o, g, x, y: g / (1.0 + x),)),
    "log2": Function(np.log2, "fn_log2({0})", "np.log2({0})", (lambda o, g, x, y: g / (x * math.log(2)),)),
    "log10": Function(np.log10, "fn_log10({0})", "np.log10({0})", (lambda o, g, x, y: g / (x * math.log(10)),)),
    "sin": Function(np.sin, "fn_sin({0})", "np.sin({0})", (lambda o, g, x, y: g * o.cos(x),), (-1, 1)),
    "cos": Function(np.cos, "fn_cos({0})", "np.cos({0})", (lambda o, g, x, y: g * -o.sin(x),), (-1, 1)),
    "tan": Function(np.tan, "fn_tan({0})", "np.tan({0})", (lambda o, g, x, y: g * (1.0 + y * y),)),
    "arcsin": Function(
        np.arcsin, "fn_arcsin({0})", "np.arcsin({0})", (lambda o, g, x, y: g / o.sqrt(1.0 - x * x),),
        (-math.pi / 2, math.pi / 2),
    ),
    "arccos": Function(
        np.arccos, "fn_arccos({0})", "np.arccos({0})", (lambda o, g, x, y: -g / o.sqrt(1.0 - x * x),), (0, math.pi)
    ),
    "arctan": Function(
        np.arctan, "fn_arctan({0})", "np.arctan({0})", (lambda o, g, x, y: g / (1.0 + x * x),),
        (-math.pi / 2, math.pi / 2),
    ),
    "sinh": Function(np.sinh, "fn_sinh({0})", "np.sinh({0})", (lambda o, g, x, y: g * o.cosh(x),)),
    "cosh": Function(np.cosh, "fn_cosh({0})", "np.cosh({0})", (lambda o, g, x, y: g * o.sinh(x),), (1, INF)),
    "arcsinh": Function(
        np.arcsinh, "fn_arcsinh({0})", "np.arcsinh({0})", (lambda o, g, x, y: g / o.sqrt(1.0 + x * x),)
    ),
    "arccosh": Function(
        np.arccosh, "fn_arccosh({0})", "np.arccosh({0})", (lambda o, g, x, y: g / o.sqrt(x * x - 1.0),), (0, INF)
    ),
    "arctanh": Function(np.arctanh, "fn_arctanh({0})", "np.arctanh({0})", (lambda o, g, x, y: g / (1.0 - x * x),)),
    "erf": Function(
        _float64(_erf), "fn_erf({0})", "np.vectorize(math.erf, otypes=[np.float32])({0})",
        (lambda o, g, x, y: g * o.erf_slope(x),), (-1, 1),
    ),
    "erfc": Function(
        _float64(_erfc), "fn_erfc({0})", "np.vectorize(math.erfc, otypes=[np.float32])({0})",
        (lambda o, g, x, y: -g * o.erf_slope(x),), (0, 2),
    ),
    "floor": Function(np.floor, "floorf({0})", "np.floor({0})"),
    "ceil": Function(np.ceil, "ceilf({0})", "np.ceil({0})"),
    "trunc": Function(np.trunc, "truncf({0})", "np.trunc({0})"),
    "round": Function(np.rint, "rintf({0})", "np.rint({0})"),
    "logical_not": Function(
        np.logical_not, "{0} == 0.0f ? 1.0f : 0.0f", "({0} == 0).astype(np.float32)", range=(0, 1)
    ),
    "isnan": Function(
        np.isnan, "{0} != {0} ? 1.0f : 0.0f", "np.isnan({0}).astype(np.float32)", range=(0, 1)
    ),
    "isfinite": Function(
        np.isfinite, "{0} - {0} == 0.0f ? 1.0f : 0.0f", "np.isfinite({0}).astype(np.float32)", range=(0, 1)
    ),
    "isinf": Function(
        np.isinf, "fn_abs({0}) == (float)INFINITY ? 1.0f : 0.0f", "np.isinf({0}).astype(np.float32)", range=(0, 1)
    ),
    "stop_gradient": Function(lambda x: x, "{0}", "{0}"),
}  # fmt: skip
"""Functions of one value that expressions compute."""


def _activation(
    compute: Callable[..., Any], c: Template, text: Template, slope: Slope, range: Any = (-INF, INF)
) -> Function:
    """A record whose slope is given as the derivative, which is multiplied by the gradient."""
    parameters = tuple(inspect.signature(compute).parameters)[1:]
    return Function(
        compute, c, text, (lambda o, g, x, y, **p: g * slope(o, x, y, **p),), range, parameters, True
    )


def _inside(low: float, high: float, slope: float) -> Slope:
    return lambda o, x, y: o.where(o.logical_and(x > low, x < high), slope, 0.0)


def _relu_c(p: Mapping[str, float]) -> str:
    plain = p["negative_slope"] == 0 and p["max_value"] == INF and p["threshold"] == 0
    return "fn_relu_plain({0})" if plain else "fn_relu({0}, [negative_slope], [max_value], [threshold])"


def _relu_text(p: Mapping[str, float]) -> str:
    if p["threshold"] == 0 and p["negative_slope"] == 0:
        return "np.maximum({0}, 0)" if p["max_value"] == INF else "np.clip({0}, 0, [max_value])"
    usual = {"negative_slope": 0, "max_value": INF, "threshold": 0}
    settings = "".join(f", {k}=[{k}]" for k in usual if p[k] != usual[k])
    return f"relu({{0}}{settings})"


def _relu_slope(o: Any, x: Any, y: Any, negative_slope: float, max_value: float, threshold: float) -> Any:
    # Keras's formula depends on the parameters, and so does the slope at the kinks.
    if max_value == INF and threshold == 0 and negative_slope:
        return o.where(x >= 0, 1.0, negative_slope)
    inside: Any = 1.0
    if max_value == 6 and threshold == 0:
        inside = o.where(x < 6, 1.0, 0.0)
    elif max_value != INF:
        above = o.where(x > 0, 1.0, o.where(x < 0, 0.0, 0.5))
        inside = above * o.where(x < max_value, 1.0, o.where(x > max_value, 0.0, 0.5))
    below = o.where(x < threshold, negative_slope, 0.0) if negative_slope else 0.0
    return o.where(x > threshold, inside, below)


def _sigmoid_slope(o: Any, x: Any, y: Any) -> Any:
    # Of the two forms the one that rounds less.
    return o.where(y < 0.5, y - y * y, y * (1.0 - y))


def _gelu_slope(o: Any, x: Any, y: Any, approximate: float) -> Any:
    return o.gelu_tanh_slope(x) if approximate else o.gelu_slope(x)


ACTIVATIONS: dict[str, Function] = {
    "celu": _activation(
        activations.celu, "fn_celu({0}, [alpha])", "celu({0}, alpha=[alpha])",
        lambda o, x, y, alpha: o.where(x > 0, 1.0, o.exp(x / alpha)), lambda alpha: (-alpha, INF),
    ),
    "elu": _activation(
        activations.elu, "fn_elu({0}, [alpha])", "elu({0}, alpha=[alpha])",
        lambda o, x, y, alpha: o.where(x > 0, 1.0, alpha * o.exp(x)), lambda alpha: (-alpha, INF),
    ),
    "exponential": _activation(
        activations.exponential, "fn_exponential({0})", "np.exp({0})", lambda o, x, y: y, (0, INF)
    ),
    "gelu": _activation(
        activations.gelu, lambda p: "fn_gelu_tanh({0})" if p["approximate"] else "fn_gelu({0})",
        lambda p: "gelu_tanh({0})" if p["approximate"] else "gelu({0})", _gelu_slope, (-0.17005, INF),
    ),
    "hard_shrink": _activation(
        activations.hard_shrink, "fn_hard_shrink({0}, [threshold])", "hard_shrink({0}, threshold=[threshold])",
        lambda o, x, y, threshold: o.where(o.abs(x) > threshold, 1.0, 0.0),
    ),
    "hard_sigmoid": _activation(
        activations.hard_sigmoid, "fn_hard_sigmoid({0})", "hard_sigmoid({0})", _inside(-3, 3, 1 / 6), (0, 1)
    ),
    "hard_sigmoid_keras2": _activation(
        activations.hard_sigmoid_keras2, "fn_hard_sigmoid_keras2({0})", "hard_sigmoid_keras2({0})",
        _inside(-2.5, 2.5, 0.2), (0, 1),
    ),
    "hard_silu": _activation(
        activations.hard_silu, "fn_hard_silu({0})", "hard_silu({0})",
        lambda o, x, y: o.where(x > -3, o.where(x < 3, x * (1 / 3) + 0.5, 1.0), 0.0), (-0.375, INF),
    ),
    "hard_tanh": _activation(
        activations.hard_tanh, "fn_hard_tanh({0})", "np.clip({0}, -1, 1)",
        lambda o, x, y: o.where(o.logical_and(x >= -1, x <= 1), 1.0, 0.0), (-1, 1),
    ),
    "leaky_relu": _activation(
        activations.leaky_relu, "fn_leaky_relu({0}, [negative_slope])",
        "leaky_relu({0}, negative_slope=[negative_slope])",
        lambda o, x, y, negative_slope: o.where(x >= 0, 1.0, negative_slope),
    ),
    "linear": Function(activations.linear, "{0}", "{0}", (lambda o, g, x, y: g,), activation=True),
    "log_sigmoid": _activation(
        activations.log_sigmoid, "fn_log_sigmoid({0})", "log_sigmoid({0})", lambda o, x, y: o.sigmoid(-x), (-INF, 0)
    ),
    "mish": _activation(
        activations.mish, "fn_mish({0})", "mish({0})", lambda o, x, y: o.mish_slope(x), (-0.30885, INF)
    ),
    "relu": _activation(
        activations.relu, _relu_c, _relu_text, _relu_slope,
        lambda negative_slope, max_value, threshold: (-INF if negative_slope else 0, max_value),
    ),
    "relu6": _activation(
        activations.relu6, "fn_relu6({0})", "np.clip({0}, 0, 6)", _inside(0, 6, 1.0), (0, 6)
    ),
    "selu": _activation(
        activations.selu, "fn_selu({0})", "selu({0})",
        lambda o, x, y: o.where(x > 0, 1.0507009873554805, 1.7580993408473766 * o.exp(x)), (-1.7580993408473766, INF),
    ),
    "sigmoid": _activation(
        activations.sigmoid, "fn_sigmoid({0})", "sigmoid({0})", _sigmoid_slope, (0, 1)
    ),
    "silu": _activation(
        activations.silu, "fn_silu({0})", "silu({0})", lambda o, x, y: o.silu_slope(x), (-0.27847, INF)
    ),
    "soft_shrink": _activation(
        activations.soft_shrink, "fn_soft_shrink({0}, [threshold])", "soft_shrink({0}, threshold=[threshold])",
        lambda o, x, y, threshold: o.where(o.abs(x) > threshold, 1.0, 0.0),
    ),
    "softplus": _activation(
        activations.softplus, "fn_softplus({0})", "softplus({0})", lambda o, x, y: o.sigmoid(x), (0, INF)
    ),
    "softsign": _activation(
        activations.softsign, "fn_softsign({0})", "softsign({0})", lambda o, x, y: o.softsign_slope(x), (-1, 1)
    ),
    "sparse_plus": _activation(
        activations.sparse_plus, "fn_sparse_plus({0})", "sparse_plus({0})",
        lambda o, x, y: o.where(x <= -1, 0.0, o.where(x < 1, 0.5 * (x + 1.0), 1.0)), (0, INF),
    ),
    "sparse_sigmoid": _activation(
        activations.sparse_sigmoid, "fn_sparse_sigmoid({0})", "sparse_sigmoid({0})",
        lambda o, x, y: o.where(
            o.logical_and(x > -1, x < 1), 0.5, o.where(o.logical_or(o.equal(x, -1), o.equal(x, 1)), 0.25, 0.0)
        ), (0, 1),
    ),
    "squareplus": _activation(
        activations.squareplus, "fn_squareplus({0}, [b])", "squareplus({0}, b=[b])",
        lambda o, x, y, b: 0.5 * (1.0 + x / o.sqrt(x * x + b)), (0, INF),
    ),
    "tanh": _activation(activations.tanh, "fn_tanh({0})", "np.tanh({0})", lambda o, x, y: 1.0 - y * y, (-1, 1)),
    "tanh_shrink": _activation(
        activations.tanh_shrink, "fn_tanh_shrink({0})", "tanh_shrink({0})", lambda o, x, y: o.tanh_shrink_slope(x)
    ),
    "threshold": _activation(
        activations.threshold, "fn_threshold({0}, [threshold], [default_value])",
        "above_threshold({0}, threshold=[threshold], default_value=[default_value])",
        lambda o, x, y, threshold, default_value: o.where(x > threshold, 1.0, 0.0),
        lambda threshold, default_value: (min(threshold, default_value), INF),
    ),
    "thresholded_relu": _activation(
        activations.thresholded_relu, "fn_thresholded_relu({0}, [theta])", "thresholded_relu({0}, theta=[theta])",
        lambda o, x, y, theta: o.where(x > theta, 1.0, 0.0), lambda theta: (min(0, theta), INF),
    ),
}  # fmt: skip
"""Keras's elementwise activations."""


def _slope(name: str) -> Function:
    compute, text, bend = COMPUTED[name]
    return Function(_float64(compute), f"fn_{name}({{0}})", text, (lambda o, g, x, y: g * bend(o, x),))


SLOPES: dict[str, Function] = {name: _slope(name) for name in COMPUTED}
"""Slopes that are functions of their own."""

FUNCTIONS: dict[str, Function] = {**EXPRESSIONS, **ACTIVATIONS, **SLOPES}
"""Every function of one value."""

BINARY: dict[str, Function] = {
    "add": Function(np.add, "{0} + {1}", "{0} + {1}", (lambda o, g, a, b, y: g, lambda o, g, a, b, y: g)),
    "subtract": Function(
        np.subtract, "{0} - {1}", "{0} - {1}", (lambda o, g, a, b, y: g, lambda o, g, a, b, y: -g)
    ),
    "multiply": Function(
        np.multiply, "{0} * {1}", "{0} * {1}", (lambda o, g, a, b, y: g * b, lambda o, g, a, b, y: g * a)
    ),
    "divide": Function(
        np.divide, "{0} / {1}", "{0} / {1}", (lambda o, g, a, b, y: g / b, lambda o, g, a, b, y: -g * y / b)
    ),
    "power": Function(
        np.power, "fn_power({0}, {1})", "np.power({0}, {1})",
        (lambda o, g, a, b, y: g * b * o.power(a, b - 1.0), _power_at),
    ),
    "maximum": Function(
        np.maximum, "fn_maximum({0}, {1})", "np.maximum({0}, {1})",
        (
            lambda o, g, a, b, y: g * _first(o, a, b, a > b),
            lambda o, g, a, b, y: g * (1.0 - _first(o, a, b, a > b)),
        ),
    ),
    "minimum": Function(
        np.minimum, "fn_minimum({0}, {1})", "np.minimum({0}, {1})",
        (
            lambda o, g, a, b, y: g * _first(o, a, b, a < b),
            lambda o, g, a, b, y: g * (1.0 - _first(o, a, b, a < b)),
        ),
    ),
    "mod": Function(
        np.mod, "fn_mod({0}, {1})", "np.mod({0}, {1})",
        (lambda o, g, a, b, y: g, lambda o, g, a, b, y: -g * o.floor(a / b)),
    ),
    "floor_divide": Function(np.floor_divide, "fn_floor_divide({0}, {1})", "np.floor_divide({0}, {1})"),
    "arctan2": Function(
        np.arctan2, "fn_arctan2({0}, {1})", "np.arctan2({0}, {1})",
        (
            lambda o, g, a, b, y: g * b / (a * a + b * b),
            lambda o, g, a, b, y: -g * a / (a * a + b * b),
        ), (-math.pi, math.pi),
    ),
    "prelu": Function(
        lambda x, alpha: np.maximum(x, 0) - alpha * np.maximum(-x, 0),  # He et al., 2015
        "fn_prelu({0}, {1})", "np.maximum({0}, 0) + {1} * np.minimum({0}, 0)",
        (
            lambda o, g, x, alpha, y: g * o.where(x > 0, 1.0, o.where(x < 0, alpha, 0.0)),
            lambda o, g, x, alpha, y: g * o.where(x < 0, x, 0.0),
        ),
    ),
    "equal": _compared(np.equal, "=="),
    "not_equal": _compared(np.not_equal, "!="),
    "less": _compared(np.less, "<"),
    "less_equal": _compared(np.less_equal, "<="),
    "greater": _compared(np.greater, ">"),
    "greater_equal": _compared(np.greater_equal, ">="),
    "logical_and": Function(
        np.logical_and, "{0} != 0.0f && {1} != 0.0f ? 1.0f : 0.0f",
        "np.logical_and({0}, {1}).astype(np.float32)", range=(0, 1),
    ),
    "logical_or": Function(
        np.logical_or, "{0} != 0.0f || {1} != 0.0f ? 1.0f : 0.0f", "np.logical_or({0}, {1}).astype(np.float32)",
        range=(0, 1),
    ),
}  # fmt: skip
"""Functions of two values."""

WHERE = Function(
    lambda condition, a, b: np.where(condition != 0, a, b), "{0} != 0.0f ? {1} : {2}",
    "np.where({0} != 0, {1}, {2}).astype(np.float32)",
    (
        lambda o, g, condition, a, b, y: None,
        lambda o, g, condition, a, b, y: o.where(condition, g, 0.0),
        lambda o, g, condition, a, b, y: o.where(condition, 0.0, g),
    ),
)  # fmt: skip
"""The choice between two values."""
