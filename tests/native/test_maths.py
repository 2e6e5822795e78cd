"""The stated largest errors of the elementwise functions, in units in the last place, over a sweep of all floats.

``make exhaustive`` looks at each of the 2^32 floats, which takes about a minute for a function.
"""

import ctypes
import os
import re
from pathlib import Path

import numpy as np
import pytest

from foldnet.codegen import maths
from foldnet.engines.native import cache
from foldnet.engines.native.prediction import source
from foldnet.operations.elementwise.functions import FUNCTIONS
from foldnet.operations.elementwise.slopes import in_c
from tests.native import exact

pytestmark = pytest.mark.as_shipped

STEP = 1 if os.environ.get("FOLDNET_EXHAUSTIVE") else 257
"""Every so many of the 2^32 floats: of every size and sign, infinities and NaN among them."""

NEAR = 500
"""So many floats on both sides of each place."""

EXPORT = '__attribute__((visibility("default"))) '


class Found(ctypes.Structure):
    """As in sweep.c."""

    _fields_ = (("error", ctypes.c_double), ("at", ctypes.c_float))


def call(name, x):
    """C of a function of a float."""
    more = f", {exact.SETTINGS[name]}" if name in exact.SETTINGS else ""
    return f"fn_{name}({x}{more})"


def slope(name):
    """Statements that compute the slope at ``x[i]``, of which the last is its expression."""
    record, given = exact.RECORDS.get(name, (name, exact.PARAMETERS))
    printed = in_c("unary", record, tuple((p, given[p]) for p in FUNCTIONS[record].parameters), 0)
    return printed.filled({"g": "1.0f", "0": "x[i]", "y": call(name, "x[i]")})


def computed():
    """C of all functions and slopes over arrays."""
    loops = {f"of_{name}": f"y[i] = {call(name, 'x[i]')};" for name in exact.FUNCTIONS}
    for name in exact.SLOPES:
        *before, text = slope(name)
        loops[f"slope_{name}"] = " ".join([*before, f"y[i] = {text};"])
    return "".join(
        f"{EXPORT}void {name}(const float *x, float *y, long n) {{ for (long i = 0; i < n; i++) {{ {text} }} }}\n"
        for name, text in loops.items()
    )


def exactly():
    """C of the same in double."""
    texts = {f"of_{name}": text for name, text in exact.FUNCTIONS.items()}
    for name, (text, size, _) in exact.SLOPES.items():
        texts |= {f"slope_{name}": text, f"size_{name}": size}
    return "#include <math.h>\n" + "".join(
        f"{EXPORT}void {name}(const double *xs, double *ys, long n) "
        f"{{ for (long i = 0; i < n; i++) {{ const double x = xs[i]; (void)x; ys[i] = {text}; }} }}\n"
        for name, text in texts.items()
    )


def addresses(symbol):
    """A loop with fused multiply-add, and without."""
    loops = computed()
    found = []
    for without in ("", "#undef __FMA__\n#undef __ARM_FEATURE_FMA\n"):
        head = without + "#include <math.h>\n#include <stdint.h>\n" + source.FMA.format(fma="__builtin_fmaf")
        found.append(cache.load(head + maths.functions_for(loops, inlined=True) + loops, symbol))
    return found


def largest_errors(symbol, size=None):
    """The largest errors with fused multiply-add and without."""
    # The macro declares the vector forms of functions of the C library, and changes no result.
    right = [cache.load(exactly(), name, "-D__FAST_MATH__") if name else None for name in (symbol, size)]
    both = (ctypes.c_void_p * 2)(*addresses(symbol))
    places, found = np.array(exact.PLACES, np.float32), (Found * 2)()
    code = Path(__file__).with_name("sweep.c").read_text()
    kinds = [
        ctypes.c_void_p,
        ctypes.c_long,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_uint64,
        ctypes.c_uint64,
    ]
    kinds += [ctypes.c_void_p, ctypes.c_long, ctypes.c_long, ctypes.c_void_p]
    sweep = ctypes.CFUNCTYPE(None, *kinds)(cache.load(code, "sweep"))
    sweep(both, 2, *right, 0, STEP, places.ctypes.data, places.size, NEAR, found)
    return found


def stated(name):
    """The bounds that the header's comment states."""
    text = Path(maths.__file__).with_name("maths.h").read_text()
    found = re.search(rf"\bfn_{name} +([\d.]+) \(([\d.]+)\)", text)
    assert found, f"maths.h does not state the largest error of fn_{name}"
    return float(found[1]), float(found[2])


@pytest.mark.parametrize("name", exact.FUNCTIONS)
def test_largest_error(name):
    bounds = stated(name)
    assert max(bounds) <= 2
    for found, bound in zip(largest_errors(f"of_{name}"), bounds, strict=True):
        assert found.error <= bound, f"{found.error:.3f} at {found.at!r}"


@pytest.mark.parametrize("name", exact.SLOPES)
def test_largest_error_of_a_slope(name):
    """In units in the last place of the slope, or of the largest term where it is a sum that may cancel."""
    bound = exact.SLOPES[name][2]
    for found in largest_errors(f"slope_{name}", f"size_{name}"):
        assert found.error <= bound, f"{found.error:.3f} at {found.at!r}"


@pytest.mark.parametrize("name", [*exact.FUNCTIONS])
def test_vector_and_scalar_give_the_same_bits(name):
    x = (np.random.default_rng(0).normal(size=1003) * 10).astype(np.float32)
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long)
    for function in map(kind, addresses(f"of_{name}")):
        together, alone = np.empty_like(x), np.empty_like(x)
        function(x.ctypes.data, together.ctypes.data, x.size)
        for i in range(x.size):
            function(x[i:].ctypes.data, alone[i:].ctypes.data, 1)
        assert np.array_equal(together.view(np.int32), alone.view(np.int32))
