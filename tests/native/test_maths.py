"""The stated largest errors of the elementary functions, in units in the last place, over a sweep of all floats."""

import ctypes
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from foldnet.codegen import maths
from foldnet.engines.native import cache
from foldnet.engines.native.prediction import source

pytestmark = pytest.mark.as_shipped

STEP = 2203
"""Every so many of the 2^32 floats: about two million, of every size and sign, infinities and NaN among them."""

NAMES = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erfc", "gelu", "tanh_shrink", "silu", "softplus")


def sigmoid(x):
    return np.where(x > 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


erfc = np.vectorize(math.erfc, otypes=[np.float64])


def tanh_shrink(x):
    near = x**3 / 3 - 2 * x**5 / 15 + 17 * x**7 / 315 - 62 * x**9 / 2835
    return np.where(np.abs(x) < 1e-2, near, x - np.tanh(x))


EXACT = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "tanh": np.tanh, "sigmoid": sigmoid,
    "erfc": erfc, "gelu": lambda x: 0.5 * x * erfc(-x * math.sqrt(0.5)), "tanh_shrink": tanh_shrink,
    "silu": lambda x: x * sigmoid(x), "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
}  # fmt: skip


@pytest.fixture(scope="module", params=["fused", "separate"])
def library(request):
    loops = "".join(
        f"void sweep_{n}(const float *x, float *y, int n) "
        f"{{ for (int i = 0; i < n; i++) y[i] = fn_{n}(x[i]); }}\n"
        for n in NAMES
    ).replace("void sweep", '__attribute__((visibility("default"))) void sweep')
    without = "#undef __FMA__\n#undef __ARM_FEATURE_FMA\n" if request.param == "separate" else ""
    head = without + "#include <math.h>\n#include <stdint.h>\n" + source.FMA.format(fma="__builtin_fmaf")
    code = head + maths.functions_for(loops) + loops
    sweep = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
    sweeps = {n: sweep(cache.load(code, f"sweep_{n}")) for n in NAMES}
    return SimpleNamespace(sweeps=sweeps, fused=request.param == "fused")


def compute(library, name, x):
    x = np.ascontiguousarray(x, np.float32)
    y = np.empty_like(x)
    library.sweeps[name](x.ctypes.data, y.ctypes.data, x.size)
    return y


def stated(name, fused):
    """The bound that the header's comment states."""
    text = Path(maths.__file__).with_name("maths.h").read_text()
    found = re.search(rf"\bfn_{name} +([\d.]+) \(([\d.]+)\)", text)
    return float(found[1 if fused else 2])


@pytest.mark.parametrize("name", NAMES)
def test_largest_error(library, name):
    bits = np.arange(0, 2**32, STEP, dtype=np.int64).astype(np.uint32)
    x = np.concatenate([bits.view(np.float32), np.linspace(-110, 110, 200_001, dtype=np.float32)])
    if name in ("erfc", "gelu"):
        x = x[::8]
    got = compute(library, name, x)
    with np.errstate(all="ignore"):
        exact = EXACT[name](x.astype(np.float64))
        rounded = exact.astype(np.float32)
    assert np.array_equal(np.isnan(got), np.isnan(rounded))
    finite = np.isfinite(rounded)
    assert np.array_equal(got[~finite], rounded[~finite], equal_nan=True)
    # A product whose factor is denormal has the digits of that factor, no more.
    least = 2.0**-100 if name in ("gelu", "silu") else 2.0**-126
    size = np.maximum(np.abs(exact[finite]), least)
    error = np.abs(got[finite] - exact[finite]) / 2.0 ** (np.floor(np.log2(size)) - 23)
    worst = int(error.argmax())
    assert error[worst] <= stated(name, library.fused), f"{error[worst]:.2f} at {x[finite][worst]!r}"


@pytest.mark.parametrize("name", NAMES)
def test_vector_and_scalar_give_the_same_bits(library, name):
    x = (np.random.default_rng(0).normal(size=1003) * 10).astype(np.float32)
    together = compute(library, name, x)
    alone = np.concatenate([compute(library, name, x[i : i + 1]) for i in range(x.size)])
    assert np.array_equal(together.view(np.int32), alone.view(np.int32))
