"""Elementwise functions of two floats: the stated errors, NumPy's special cases, and the same bits in any loop."""

import ctypes
import itertools
from fractions import Fraction

import numpy as np
import pytest

from foldnet.codegen import maths
from foldnet.engines.native import cache
from foldnet.engines.native.prediction import source
from tests.native import test_maths

pytestmark = pytest.mark.as_shipped

FUNCTIONS = {
    "arctan2": np.arctan2,
    "power": np.power,
    "mod": np.mod,
    "floor_divide": np.floor_divide,
}

SPECIAL = np.array(
    [0, 1, 1.5, 2, 3, 0.5, 7, 2**24 - 1, 2**24 + 1, 1e-45, 3e-39, 2**-126, 1e-20, 1e20, 3.4e38, np.inf, np.nan],
    np.float32,
)  # fmt: skip
COUNT = 60_000


def loops():
    """C of all functions over arrays."""
    return "".join(
        f"{test_maths.EXPORT}void two_{name}(const float *a, const float *b, float *y, long n) "
        f"{{ for (long i = 0; i < n; i++) y[i] = fn_{name}(a[i], b[i]); }}\n"
        for name in FUNCTIONS
    )


def compiled(name):
    """A loop with fused multiply-add, and without."""
    for without in ("", "#undef __FMA__\n#undef __ARM_FEATURE_FMA\n"):
        head = without + "#include <math.h>\n#include <stdint.h>\n" + source.FMA.format(fma="__builtin_fmaf")
        address = cache.load(head + maths.functions_for(loops(), inlined=True) + loops(), f"two_{name}")
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long)
        yield kind(address)


def results(name, a, b):
    for function in compiled(name):
        y = np.empty_like(a)
        function(a.ctypes.data, b.ctypes.data, y.ctypes.data, a.size)
        yield y


def operands(name):
    """Pairs: special numbers of both signs, any bits at all, and those of which results are usual numbers."""
    rng = np.random.default_rng(7)
    special = np.array(list(itertools.product(np.concatenate([SPECIAL, -SPECIAL]), repeat=2)), np.float32)
    any_bits = rng.integers(0, 2**32, (COUNT, 2), np.uint32).view(np.float32)
    sizes = 10.0 ** rng.uniform(-4, 4, (COUNT, 2))
    usual = np.where(rng.random((COUNT, 2)) < 0.5, sizes, -sizes)
    if name == "power":
        # Results of any size; whole exponents of negative numbers in every other pair.
        base, exponent = 10.0 ** rng.uniform(-8, 8, COUNT), rng.uniform(-45, 38, COUNT)
        usual = np.stack([base, exponent / np.log10(base)], axis=1)
        usual[::2, 1] = np.rint(usual[::2, 1])
        usual[::4, 0] *= -1
    near = usual * np.array([1, 1]) if name == "power" else np.stack([usual[:, 0] * 3, usual[:, 0]], axis=1)
    pairs = np.concatenate([special, any_bits, usual.astype(np.float32), near.astype(np.float32)])
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])


def exactly(name, a, b):
    """In float64; the remainder and the quotient from whole numbers where both are finite."""
    wide = np.asarray(FUNCTIONS[name](a.astype(np.float64), b.astype(np.float64)))
    if name == "floor_divide":
        for i in np.flatnonzero(np.isfinite(a) & np.isfinite(b) & (b != 0)):
            q = Fraction(float(a[i])) // Fraction(float(b[i]))
            wide[i] = float(q) if q else np.copysign(0.0, wide[i])
    return wide


def errors(y, exact):
    """In units in the last place of the exact result; infinite where there is NaN, or 0 of another sign, instead."""
    limit = 2.0**128
    units = np.spacing(np.clip(np.abs(exact), 2.0**-126, 3.4e38).astype(np.float32)).astype(np.float64)
    found = np.abs(np.clip(y.astype(np.float64), -limit, limit) - np.clip(exact, -limit, limit)) / units
    found[np.isnan(exact) & np.isnan(y)] = 0
    found[np.isnan(exact) != np.isnan(y)] = np.inf
    found[(exact == 0) & (np.signbit(exact) != np.signbit(y))] = np.inf
    return found


@pytest.mark.parametrize("name", ["arctan2", "power", "floor_divide"])
def test_largest_error(name):
    a, b = operands(name)
    with np.errstate(all="ignore"):
        exact = exactly(name, a, b)
        found = [errors(y, exact) for y in results(name, a, b)]
    for error, bound in zip(found, test_maths.stated(name), strict=True):
        at = int(np.argmax(error))
        assert error[at] <= bound, f"{error[at]:.3f} at {a[at]!r}, {b[at]!r}"


def test_remainders_are_those_of_numpy():
    """To the bit: the remainder is exact, and what is added to it is rounded once."""
    a, b = operands("mod")
    with np.errstate(all="ignore"):
        expected = np.mod(a, b)
    for y in results("mod", a, b):
        same = (y.view(np.int32) == expected.view(np.int32)) | (np.isnan(y) & np.isnan(expected))
        assert same.all(), [(a[i], b[i], y[i], expected[i]) for i in np.flatnonzero(~same)[:5]]


def test_vector_and_scalar_give_the_same_bits():
    for name in FUNCTIONS:
        a, b = (x[-1003:] for x in operands(name))
        for function in compiled(name):
            together, alone = np.empty_like(a), np.empty_like(a)
            function(a.ctypes.data, b.ctypes.data, together.ctypes.data, a.size)
            for i in range(a.size):
                function(a[i:].ctypes.data, b[i:].ctypes.data, alone[i:].ctypes.data, 1)
            assert np.array_equal(together.view(np.int32), alone.view(np.int32)), name
