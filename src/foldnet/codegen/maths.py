"""The C functions of ``maths.h`` and ``rows.h``: which a piece of code needs, and how an activation calls its own."""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from foldnet.codegen.headers import header
from foldnet.errors import UnsupportedError
from foldnet.graph.op import Elementwise

PARAMETERS: dict[str, tuple[str, ...]] = {
    "relu": ("negative_slope", "max_value", "threshold"),
    "leaky_relu": ("negative_slope",),
    "elu": ("alpha",),
    "celu": ("alpha",),
    "hard_shrink": ("threshold",),
    "soft_shrink": ("threshold",),
    "squareplus": ("b",),
    "threshold": ("threshold", "default_value"),
    "thresholded_relu": ("theta",),
}
"""Parameters of the activations that have any, in the order in which their C functions take them."""


def literal(value: float) -> str:
    """A float32 as C writes it, exactly; a float also where math.h has its macros as doubles.

    >>> literal(0.1), literal(float("inf"))
    ('0.1f', '(float)INFINITY')
    """
    rounded = np.float32(value)
    if np.isnan(rounded):
        return "(float)NAN"
    if np.isinf(rounded):
        return "(float)INFINITY" if rounded > 0 else "-(float)INFINITY"
    text = str(rounded)
    return (text if "." in text or "e" in text else text + ".0") + "f"


@cache
def _functions() -> dict[str, str]:
    text = "".join(header(__file__, n) for n in ("maths.h", "rows.h"))
    # A function is its comment, if any, from `static inline` to the brace that closes it in column one.
    found = re.findall(
        r"(?:^/\* (?:(?!\*/).)*?\*/\n)?^static inline \w+ (?:fn_\w+)\(.*?^}\n", text, re.M | re.S
    )
    return {re.search(r"static inline \w+ (fn_\w+)\(", f)[1]: f for f in found}  # type: ignore[index]


def functions_for(code: str) -> str:
    """The C of every ``fn_`` function that the code calls, callees first."""
    known = _functions()
    order: dict[str, None] = {}

    def need(text: str) -> None:
        for name in re.findall(r"\bfn_\w+(?=\()", text):
            if name in known and name not in order:
                body = known[name].split("{", 1)[1]
                need(body)
                order[name] = None

    need(code)
    bits = "typedef union { float f; int32_t i; } fn_bits;\n"
    texts = [known[name] for name in order]
    return "\n".join(([bits] if any("fn_bits" in t for t in texts) else []) + texts)


def call(function: Elementwise | None, x: str) -> str:
    """The C expression of an activation of ``x``.

    Raises:
        UnsupportedError: a NumPy function of the caller's own.
    """
    if function is None:
        return x
    if function.function is not None:
        raise UnsupportedError(
            f"activation {function.name!r} is a NumPy function, which runs on the reference engine only. Use "
            'engine="reference", or express it by functools.partial of one of foldnet.activations.'
        )
    name, given = function.name, dict(function.params)
    if name == "linear":
        return x
    if name == "gelu" and given.get("approximate"):
        return f"fn_gelu_tanh({x})"
    if f"fn_{name}" not in _functions():
        raise UnsupportedError(f'activation {name!r} has no compiled form; use engine="reference"')
    if name == "relu":
        if given.get("max_value") is None:
            given["max_value"] = float("inf")
        if given == {"negative_slope": 0.0, "max_value": float("inf"), "threshold": 0.0}:
            return f"fn_relu_plain({x})"
    arguments = [x, *(literal(given[p]) for p in PARAMETERS.get(name, ()))]
    return f"fn_{name}({', '.join(arguments)})"
