"""Products are rounded before they are added: no compiler may fuse them where the C does not say ``fma``."""

import ctypes

import numpy as np

from foldnet.engines.native import compiler as cc

CODE = '__attribute__((visibility("default"))) float f(float a, float b, float c) { return a * b + c; }\n'


def test_the_usual_options_round_twice(tmp_path):
    """With fused multiply-add, which gcc uses by default, (1 + e)² - 1 - 2e would be e² and not 0."""
    target = tmp_path / "f.so"
    cc.compile_library(CODE, target, cc.find(), cc.flags(cc.machine()))
    f = ctypes.CDLL(str(target)).f
    f.argtypes, f.restype = [ctypes.c_float] * 3, ctypes.c_float
    e = float(np.float32(2.0**-13))
    assert f(1 + e, 1 + e, -(1 + 2 * e)) == 0.0
