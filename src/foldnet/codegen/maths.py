"""The C functions of ``maths.h`` and of the files beside it, which a piece of code needs of them, and numbers in C."""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from foldnet.codegen.headers import header


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


FILES = ("maths.h", "angles.h", "activations.h", "slopes.h", "numbers.h", "rows.h", "texts.h")
"""What is written by hand."""

_DEFINED = {
    "fn_bits": "typedef union { float f; int32_t i; } fn_bits;\n",
    "fn_wide_bits": "typedef union { double f; uint64_t i; } fn_wide_bits;\n",
    "AS_A_LOOP": """\
/* Before a short loop: gcc would write it out, and makes a vector of it only if it does not. */
#if defined(__GNUC__) && __GNUC__ >= 8 && !defined(__clang__)
#define AS_A_LOOP _Pragma("GCC unroll 1")
#else
#define AS_A_LOOP
#endif
""",
}
"""What functions name that is none."""


_NAMED = re.compile(r"\bfn_\w+(?=\()")
_LOOPS = re.compile(r"\b(?:for|while) \(")


@cache
def _functions() -> dict[str, str]:
    text = "".join(header(__file__, name) for name in FILES)
    # A function is its comment, if any, from `static inline` to the brace that closes it in column one.
    found = re.findall(
        r"(?:^/\* (?:(?!\*/).)*?\*/\n)?^static inline \w+ (?:fn_\w+)\(.*?^}\n", text, re.M | re.S
    )
    return {re.search(r"static inline \w+ (fn_\w+)\(", f)[1]: f for f in found}  # type: ignore[index]


INLINED = """\
/* Compilers leave a function of this size alone when it is called from many places, and a loop that calls one has no
   vectors. */
#define INLINED static inline __attribute__((always_inline))
"""

SHARED = """\
/* One that very many loops call is not written out in each: gcc makes a function of whole vectors of it. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
#define SHARED static __attribute__((noinline, simd("notinbranch")))
#else
#define SHARED INLINED
#endif
"""

MANY = 8
"""Places up to which a function is written out in each: quicker by the call, but compilers take longer."""


def functions_for(code: str, *, inlined: bool = False) -> str:
    """The C of every ``fn_`` function that the code calls, callees first.

    Args:
        code: what calls them.
        inlined: whether functions without loops must become part of the loops that call them, so that these have
            vectors; gcc and clang only.
    """
    known = _functions()
    order: dict[str, None] = {}

    def need(text: str) -> None:
        for name in _NAMED.findall(text):
            if name in known and name not in order:
                body = known[name].split("{", 1)[1]
                need(body)
                order[name] = None

    need(code)
    texts = [known[name] for name in order]
    if inlined and texts:
        inside = {name for text in texts for name in _NAMED.findall(text.split("{", 1)[1])}
        shared = {name for name in order if name not in inside and _is_shared(name, code)}
        texts = [INLINED, SHARED, *(_inlined(known[name], name in shared) for name in order)]
        texts = texts if shared else [text for text in texts if text != SHARED]
    needed = [define for name, define in _DEFINED.items() if any(name in text for text in texts)]
    return "\n".join([*needed, *texts])


def _is_shared(name: str, code: str) -> bool:
    """Whether very many loops call a long function, each of them whatever its data: gcc has no vectors for others."""
    calls = len(re.findall(rf"\b{name}\(", code))
    always = len(re.findall(rf" = {name}\([^?;]*\);", code))
    return calls > MANY and calls == always and "FMA(" in functions_for(f"{name}()")


def _inlined(text: str, shared: bool) -> str:
    """A function as part of the loops that call it, if it has no loop itself; or shared by them."""
    return (
        text if _LOOPS.search(text) else text.replace("static inline", "SHARED" if shared else "INLINED", 1)
    )
