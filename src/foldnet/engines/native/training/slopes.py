"""C of the derivatives of activations, from the operand ``{0}``, the result ``{y}`` and the gradient ``{g}``."""

from __future__ import annotations

from foldnet.codegen.maths import literal
from foldnet.errors import UnsupportedError
from foldnet.graph.op import Elementwise

_INSIDE = "({{0}} > {0} && {{0}} < {1} ? {2} : 0.0f)"
_SIGMOID = "fn_sigmoid({0})"

SLOPES: dict[str, str] = {
    "celu": "({0} > 0.0f ? 1.0f : fn_exp({0} / [alpha]))",
    "elu": "({0} > 0.0f ? 1.0f : [alpha] * fn_exp({0}))",
    "exponential": "{y}",
    "gelu": "fn_gelu_slope({0}, [approximate])",
    "hard_shrink": "(fn_abs({0}) > [threshold] ? 1.0f : 0.0f)",
    "hard_sigmoid": _INSIDE.format("-3.0f", "3.0f", "0.166666667f"),
    "hard_sigmoid_keras2": _INSIDE.format("-2.5f", "2.5f", "0.2f"),
    "hard_silu": "(({0} > -3.0f ? {0} < 3.0f ? {0} * 0.333333333f + 0.5f : 1.0f : 0.0f))",
    "hard_tanh": "({0} >= -1.0f && {0} <= 1.0f ? 1.0f : 0.0f)",
    "leaky_relu": "({0} >= 0.0f ? 1.0f : [negative_slope])",
    "linear": "1.0f",
    "log_sigmoid": "fn_sigmoid(-{0})",
    "mish": "fn_mish_slope({0})",
    "relu6": _INSIDE.format("0.0f", "6.0f", "1.0f"),
    "selu": "({0} > 0.0f ? 1.05070098f : 1.75809934f * fn_exp({0}))",
    "sigmoid": "({y} * (1.0f - {y}))",
    "silu": "fn_silu_slope({0})",
    "soft_shrink": "(fn_abs({0}) > [threshold] ? 1.0f : 0.0f)",
    "softplus": _SIGMOID,
    "softsign": "(1.0f / ((1.0f + fn_abs({0})) * (1.0f + fn_abs({0}))))",
    "sparse_plus": "({0} <= -1.0f ? 0.0f : {0} < 1.0f ? 0.5f * ({0} + 1.0f) : 1.0f)",
    "sparse_sigmoid": "({0} > -1.0f && {0} < 1.0f ? 0.5f : {0} == -1.0f || {0} == 1.0f ? 0.25f : 0.0f)",
    "squareplus": "(0.5f * (1.0f + {0} / sqrtf({0} * {0} + [b])))",
    "tanh": "(1.0f - {y} * {y})",
    "tanh_shrink": "fn_tanh_shrink_slope({0})",
    "threshold": "({0} > [threshold] ? 1.0f : 0.0f)",
    "thresholded_relu": "({0} > [theta] ? 1.0f : 0.0f)",
}
"""Slope of each activation, with its parameters in brackets."""


def _relu(negative_slope: float | None, max_value: float | None, threshold: float | None) -> str:
    """Which formula Keras computes depends on the parameters, and with it the slope where pieces meet."""
    no_limit = max_value in (None, float("inf"))
    if no_limit and not threshold and negative_slope:
        return SLOPES["leaky_relu"]
    inside = "1.0f"
    if max_value == 6 and not threshold:
        inside = "({0} < 6.0f ? 1.0f : 0.0f)"
    elif not no_limit:
        inside = (
            "({0} > 0.0f ? 1.0f : {0} < 0.0f ? 0.0f : 0.5f) * "
            "({0} < [max_value] ? 1.0f : {0} > [max_value] ? 0.0f : 0.5f)"
        )
    return f"({{0}} > [threshold] ? {inside} : {{0}} < [threshold] ? [negative_slope] : 0.0f)"


HELPERS = """\
static inline float fn_gelu_slope(float x, float approximate) {
  const float t = fn_tanh(0.797884561f * FMA(0.044715f * x * x, x, x));
  const float rough = 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * 0.797884561f * (1.0f + 0.134145f * x * x);
  const float exact = 0.5f * fn_erfc(x * -0.707106781f) + x * 0.398942280f * fn_exp(-0.5f * x * x);
  return approximate != 0.0f ? rough : exact;
}

static inline float fn_mish_slope(float x) {
  const float t = fn_tanh(fn_softplus(x));
  return t + x * (1.0f - t * t) * fn_sigmoid(x);
}

static inline float fn_silu_slope(float x) {
  const float s = fn_sigmoid(x);
  return s * (1.0f + x * (1.0f - s));
}

static inline float fn_tanh_shrink_slope(float x) {
  const float t = fn_tanh(x);
  return t * t;
}
"""
"""C functions that some slopes call."""


def helpers_for(code: str) -> str:
    """Those of the functions above that the code calls."""
    return "\n\n".join(f for f in HELPERS.split("\n\n") if f.split("(")[0].split()[-1] in code)


def slope(function: Elementwise) -> str:
    """C of the gradient on an activation's operand.

    Raises:
        UnsupportedError: the activation was supplied as a plain function, whose derivative nobody knows.
    """
    if function.function is not None or function.name not in (*SLOPES, "relu"):
        raise UnsupportedError(
            f"the activation {function.name!r} has no compiled derivative; use functools.partial of one of "
            "foldnet.activations, if one of them fits"
        )
    given: dict[str, float | None] = dict(function.params)
    text = _relu(**given) if function.name == "relu" else SLOPES[function.name]
    for name, value in given.items():
        text = text.replace(f"[{name}]", literal(float("inf") if value is None else float(value)))
    return f"({{g}} * {text})"
