"""Operations, compiled, on values and shapes of any kind, against the float64 reference.

On the cases of the operations they are compared in ``operations/test_catalogue.py``.
"""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from foldnet.engines.native import NativeProgram
from foldnet.engines.native.prediction.source import emit
from foldnet.engines.reference import ReferenceProgram
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import Moments, Softmax, Sparsemax
from foldnet.operations.cases import cases_of
from foldnet.operations.elementwise.functions import BINARY
from foldnet.operations.elementwise.op import Binary, Unary
from foldnet.operations.matrix.op import Product
from tests.native.networks import graph_of
from tests.operations.op_cases import assert_close, joined, same_bits

pytestmark = pytest.mark.as_shipped

floats = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=True)

ACTIVATIONS = [case for case in cases_of(Unary) if case.op.is_activation]
ALL_ACTIVATIONS = joined(case.graph() for case in ACTIVATIONS)


def assert_gelu_by_tanh(got, exact, x, what):
    """As other activations, but below -2 the rounding of the sigmoid's argument shows: ``maths.h`` says how much."""
    tail = (x < -2) & np.isfinite(x)
    assert_close(got[~tail], exact[~tail], ulps=8, scale=1e-30, what=what)
    argument = 1.5957691216 * np.abs(x[tail] + 0.044715 * x[tail].astype(np.float64) ** 3)
    unit = 2.0 ** (np.floor(np.log2(np.maximum(np.abs(exact[tail]), 2.0**-126))) - 23)
    assert (np.abs(got[tail] - exact[tail]) <= 2.5 * (4 + argument) * unit).all(), what


@settings(max_examples=100, deadline=None)
@example(np.full((3, 37), -2.46875, np.float32))  # 0.2 x + 0.5 cancels
@example(np.full((3, 37), 0.203125, np.float32))  # x - 0.2 does
@example(np.full((3, 37), 0.3, np.float32))  # a function with this threshold jumps
@example(np.linspace(-12, 10, 111, dtype=np.float32).reshape(3, 37))
@given(hnp.arrays(np.float32, (3, 37), elements=floats))
def test_activations_on_any_float(x):
    inputs = [x] * len(ACTIVATIONS)
    exact = ReferenceProgram(ALL_ACTIVATIONS).run(inputs)
    for case, got, value in zip(ACTIVATIONS, NativeProgram(ALL_ACTIVATIONS).run(inputs), exact, strict=True):
        if case.label == "Unary-gelu-1":
            assert_gelu_by_tanh(got, value, x, case.label)
            continue
        # mish and silu have a factor that may be denormal; the reference's own x - tanh(x) cancels near 0.
        cancels = case.op.function.name == "tanh_shrink"
        assert_close(got, value, ulps=16 if cancels else 8, scale=1e-8 if cancels else 1e-30, what=case.label)


EXTREME = np.float32([
    0, -0.0, 1, -1, 0.5, -0.5, 2.5, -2.5, 3, -3, 7, 88, -88, 1e6, -1e6, 3e38, -3e38, 1e-30, -1e-30,
    np.inf, -np.inf, np.nan,
])  # fmt: skip


def test_two_extreme_operands():
    """Zeros of both signs, infinities, NaN and numbers near the ends of float32, each with each."""
    a, b = (x.reshape(-1, 1) for x in np.meshgrid(EXTREME, EXTREME))
    graph = joined(graph_of(Binary(kind=kind), (1,), (1,)) for kind in BINARY)
    found = NativeProgram(graph).run([a, b] * len(BINARY))
    for kind, got, exact in zip(
        BINARY, found, ReferenceProgram(graph, "float32").run([a, b] * len(BINARY)), strict=True
    ):
        with np.errstate(all="ignore"):
            same = (
                (got == exact)
                | (np.isnan(got) & np.isnan(exact))
                | (np.abs(got - exact) <= 4 * np.spacing(np.abs(exact)))
            )
        assert same.all(), (kind, a[~same], b[~same], got[~same], exact[~same])


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_ops_along_an_axis_on_any_shape_and_value(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=5))
    axis = data.draw(st.integers(1, len(shape)))
    choices = [
        Softmax(axis),
        Softmax(axis, log=True),
        Sparsemax(axis),
        Moments((axis,), 1e-3),
    ]
    op = data.draw(st.sampled_from(choices))
    values = st.one_of(st.floats(-50, 50, width=32), st.sampled_from([np.nan, np.inf, -np.inf, 0.0]))
    x = data.draw(hnp.arrays(np.float32, (3, *shape), elements=values))
    graph = graph_of(op, shape)
    program = NativeProgram(graph, threads=1)
    (got,) = program.run([x])
    (exact,) = ReferenceProgram(graph).run([x])
    finite = np.abs(exact[np.isfinite(exact)])
    assert_close(got, exact, ulps=8, scale=4 * max(1.0, finite.max() if finite.size else 1.0))
    assert same_bits(program.run([x[1:2].copy()])[0], got[1:2])


def test_products_whose_columns_lie_apart():
    """``q @ k.T``: columns of all numbers, with rests of both sides of a block of four."""
    sizes = [(n, depth) for n in (2, 3, 4, 7, 8, 15, 16, 17, 36) for depth in (2, 3, 4, 5, 8, 11)]
    op = Product("tqd", "tkd", "tqk")
    graph = joined(graph_of(op, (2, 3, depth), (2, n, depth)) for n, depth in sizes)
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(1, 2, m, depth)).astype(np.float32) for n, depth in sizes for m in (3, n)]
    assert "side_by_side(" in emit(graph).code
    found = NativeProgram(graph).run(data)
    for size, a, b in zip(sizes, found, ReferenceProgram(graph).run(data), strict=True):
        assert_close(a, b, scale=20, what=str(size))


def test_moments_far_from_zero_keep_their_digits():
    graph = graph_of(Moments((1,), 1e-12), (50,))
    x = (1e4 + np.random.default_rng(0).normal(size=(20, 50))).astype(np.float32)
    assert_close(NativeProgram(graph).run([x])[0], ReferenceProgram(graph).run([x])[0], ulps=2)


def test_affine_with_a_shift_keeps_its_digits():
    graph = graph_of(Affine(), (3,), weights=(np.full(3, 1e3), np.zeros(3), np.full(3, 12345.0)))
    x = np.float32([[12345.5, 12345.25, 12346.0]])
    assert NativeProgram(graph).run([x])[0].tolist() == [[500.0, 250.0, 1000.0]]
