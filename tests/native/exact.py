"""What elementwise functions and slopes are exactly, as C of a double x; and the floats near which they change."""

from __future__ import annotations

FUNCTIONS = {
    "exp": "exp(x)",
    "expm1": "expm1(x)",
    "log": "log(x)",
    "log1p": "log1p(x)",
    "log2": "log2(x)",
    "log10": "log10(x)",
    "sinh": "sinh(x)",
    "cosh": "cosh(x)",
    "tanh": "tanh(x)",
    "sin": "sin(x)",
    "cos": "cos(x)",
    "tan": "tan(x)",
    "arcsin": "asin(x)",
    "arccos": "acos(x)",
    "arctan": "atan(x)",
    "arcsinh": "asinh(x)",
    "arccosh": "acosh(x)",
    "arctanh": "atanh(x)",
    "erf": "erf(x)",
    "erfc": "erfc(x)",
    "sigmoid": "1 / (1 + exp(-x))",
    "silu": "x / (1 + exp(-x))",
    "softplus": "(x > 0 ? x : 0) + log1p(exp(-fabs(x)))",
    "log_sigmoid": "-((x < 0 ? -x : 0) + log1p(exp(-fabs(x))))",
    "mish": "x > 40 ? x : x * (exp(x) * (exp(x) + 2) / (exp(x) * (exp(x) + 2) + 2))",
    "gelu": "0.5 * x * erfc(-x * 0.70710678118654752440)",
    "gelu_tanh": "x / (1 + exp(-1.5957691216057307117 * (x + 0.044715 * x * x * x)))",
    "tanh_shrink": "fabs(x) < 0.0625 ? x * x * x * (1 / 3.0 - x * x * (2 / 15.0 - x * x * (17 / 315.0"
    " - x * x * (62 / 2835.0 - x * x * (1382 / 155925.0))))) : x - tanh(x)",
    "selu": "x > 0 ? 1.0507009873554805 * x : 1.7580993408473766 * expm1(x)",
    "elu": "x > 0 ? x : 0.3f * expm1(x)",
    "celu": "x > 0 ? x : 0.3f * expm1(x / 0.3f)",
    "softsign": "x / (1 + fabs(x))",
    "hard_sigmoid": "(x + 3 < 0 ? 0 : x + 3 > 6 ? 6 : x + 3) / 6",
}
"""Functions of ``maths.h`` that round more than once."""

SETTINGS = {"elu": "0.3f", "celu": "0.3f"}
"""The arguments of a function after x."""

PARAMETERS = {"alpha": float.fromhex("0x1.333334p-2"), "approximate": 0.0}
"""The same by their names: 0.3 as a float."""

RECORDS = {"gelu_tanh": ("gelu", {"approximate": 1.0})}
"""The record and the parameters of a function that has another name in C."""

_SIGMOID, _EXP = "(1 / (1 + exp(-x)))", "exp(x > 30 ? 30 : x)"
_BELL, _PHI = "(0.39894228040143267794 * exp(-0.5 * x * x))", "(0.5 * erfc(-x * 0.70710678118654752440))"
_MISH = f"({_EXP} * ({_EXP} + 2) + 2)"
_INSIDE = "(1.5957691216057307117 * (x + 0.044715 * x * x * x))"
_TILT = "(1.5957691216057307117 * (x + 0.134145 * x * x * x))"
_GATE = f"(1 / (1 + exp(-{_INSIDE})))"
_CUT = "(x < -30 ? -30 : x > 30 ? 30 : x)"

SLOPES = {
    "exp": ("exp(x)", "0", 1.1),
    "expm1": ("exp(x)", "1", 1.6),
    "log": ("1 / x", "0", 0.5),
    "log1p": ("1 / (1 + x)", "0", 1.6),
    "tanh": ("1 - tanh(x) * tanh(x)", "1", 1.2),
    "sigmoid": (f"{_SIGMOID} * (1 / (1 + exp(x)))", _SIGMOID, 2),
    "softplus": (_SIGMOID, "0", 1.8),
    "log_sigmoid": ("1 / (1 + exp(x))", "0", 1.8),
    "silu": (f"{_SIGMOID} * (1 + x / (1 + exp(x)))", f"fmax({_SIGMOID} * fmax(1, fabs({_CUT})), 1e-30)", 1),
    "mish": (
        f"{_EXP} * ({_EXP} + 2) / {_MISH} + (x > 30 ? 30 : x) * 4 * ({_EXP} / {_MISH}) * (({_EXP} + 1) / {_MISH})",
        f"fmax({_EXP} / ({_EXP} + 1) * fmax(1, fabs({_CUT})), 1e-30)",
        1,
    ),
    "gelu": (f"{_PHI} + x * {_BELL}", f"fmax({_PHI}, fabs(x) * {_BELL})", 1.8),
    "gelu_tanh": (
        f"{_GATE} + {_TILT} * {_GATE} / (1 + exp({_INSIDE}))",
        f"fmax({_GATE} * fmax(1, fabs({_TILT} / (1 + exp({_INSIDE})))), 1e-30)",
        1,
    ),
    "tanh_shrink": ("tanh(x) * tanh(x)", "0", 2),
    "elu": ("x > 0 ? 1 : 0.3f * exp(x)", "0", 1.7),
    "selu": ("x > 0 ? 1.0507009873554805 : 1.7580993408473766 * exp(x)", "0", 2),
    "softsign": ("1 / ((1 + fabs(x)) * (1 + fabs(x)))", "1e-30", 1),
    "erf": ("1.1283791670955125739 * exp(-x * x)", "0", 1.5),
}
"""Slopes, and the size of the terms that a slope is the sum of: a sum that cancels has the digits of its terms."""

PLACES = (
    0.0, -0.0, float("inf"), float("-inf"), 1.0, -1.0, 0.5, -0.5, 2.0**-126, -(2.0**-126), 2.0, -2.0, 0.625, -0.625,
    88.72284, -103.97208, -87.33655, 20.0, -20.0, 3.0, -3.0, 0.70710678, 1.41421356, 0.41421356, 2.41421356, 8192.0,
    12.0, -12.0, 126.0, -126.0, 15.5, -15.5, 10.5, -10.5,
)  # fmt: skip
"""All floats near these are looked at."""
