"""What generated C needs of the standard library's mathematics, which compilers know without its header.

Reading ``math.h`` takes compilers longer than the functions of a small program that use it.
"""

from __future__ import annotations

import re

_OF_FLOATS = ("ceilf", "cosf", "fabsf", "floorf", "rintf", "sinf", "sqrtf", "tanf", "truncf")
_OF_DOUBLES = ("ceil", "fabs", "floor", "sqrt")
_DECLARED = {
    **{name: f"float {name}(float x);" for name in _OF_FLOATS},
    **{name: f"double {name}(double x);" for name in _OF_DOUBLES},
    **{name: f"float {name}(float x, float y);" for name in ("fmodf", "powf")},
}
"""Declarations as the standard has them; a program may write them itself (C11, 7.1.4)."""

_MACROS = {
    "INFINITY": "#ifndef INFINITY\n#define INFINITY __builtin_inff()\n#endif",
    "NAN": '#ifndef NAN\n#define NAN __builtin_nanf("")\n#endif',
}

_OTHERS = (
    r"acos|acosh|asin|asinh|atan|atan2|atanh|cbrt|copysign|cos|cosh|erf|erfc|exp|exp2|"
    r"expm1|fdim|fma|fmax|fmin|fmod|frexp|hypot|ilogb|ldexp|lgamma|llrint|llround|log|log10|"
    r"log1p|log2|logb|lrint|lround|modf|nan|nearbyint|nextafter|pow|remainder|remquo|rint|"
    r"round|scalbln|scalbn|sin|sinh|tan|tanh|tgamma|trunc"
)
_IN_HEADER = re.compile(
    rf"(?:(?:{_OTHERS}|{'|'.join(_OF_DOUBLES)})[fl]?|isnan|isinf|isfinite|isnormal|signbit|fpclassify)\("
    r"|HUGE_VALF?|M_[A-Z0-9_]+"
)
_WORD = re.compile(r"[A-Za-z_]\w*\(?")


def mathematics(code: str) -> str:
    """Declarations of what a piece of C uses of ``math.h``; the header, if it uses more than a few functions of it.

    Args:
        code: C.

    >>> print(mathematics("y = sqrtf(x) < INFINITY;"))
    float sqrtf(float x);
    #ifndef INFINITY
    #define INFINITY __builtin_inff()
    #endif
    >>> mathematics("y = erff(x);")
    '#include <math.h>'
    """
    code = re.sub(r"/\*.*?\*/", "", code, flags=re.S)
    words = set(_WORD.findall(code))
    called = {w.rstrip("(") for w in words if _IN_HEADER.fullmatch(w)} | {
        n for n in _DECLARED if f"{n}(" in words
    }
    if not called <= _DECLARED.keys():
        return "#include <math.h>"
    declared = [text for name, text in _DECLARED.items() if name in called]
    return "\n".join([*declared, *(text for name, text in _MACROS.items() if name in words)])
