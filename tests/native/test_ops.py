"""Operations, compiled, on values and shapes of any kind, against the float64 reference.

On the cases of the operations they are compared in ``operations/test_catalogue.py``.
"""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from foldnet.engines.native import NativeProgram
from foldnet.engines.reference import ReferenceProgram
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import Moments, Softmax, Sparsemax
from foldnet.operations.cases import cases_of
from foldnet.operations.elementwise.op import Unary
from tests.native.networks import graph_of
from tests.operations.op_cases import assert_close, joined, same_bits

pytestmark = pytest.mark.as_shipped

floats = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=True)

ACTIVATIONS = [case for case in cases_of(Unary) if case.op.is_activation]
# A function may jump at a parameter that float32 rounds: the reference, in float64, has its jump beside that.
ROUNDED = [(value, float(np.float32(value))) for case in ACTIVATIONS for _, value in case.op.function.params]
JUMPS = {abs(rounded) for value, rounded in ROUNDED if rounded != value}
WIDER = {"tanh_shrink": (16, 1e-8), "soft_shrink": (8, 1.0), "gelu": (256, 1e-30)}
"""Units in the last place, and how far beside 1, where that is more than 8 and next to nothing."""
ALL_ACTIVATIONS = joined(case.graph() for case in ACTIVATIONS)


@settings(max_examples=100, deadline=None)
@example(np.full((3, 37), -2.46875, np.float32))  # 0.2 x + 0.5 cancels
@example(np.full((3, 37), 0.203125, np.float32))  # x - 0.2 does
@given(hnp.arrays(np.float32, (3, 37), elements=floats.filter(lambda x: abs(x) not in JUMPS)))
def test_activations_on_any_float(x):
    inputs = [x] * len(ACTIVATIONS)
    exact = ReferenceProgram(ALL_ACTIVATIONS).run(inputs)
    for case, got, value in zip(ACTIVATIONS, NativeProgram(ALL_ACTIVATIONS).run(inputs), exact, strict=True):
        # mish and silu have a factor that may be denormal; the reference's own x - tanh(x) cancels near 0, x less a
        # threshold that float32 rounds does near that, and the tail of gelu, below 1e-8, where tanh is nearly -1.
        ulps, scale = WIDER.get(case.op.function.name, (8, 1e-30))
        assert_close(got, value, ulps=ulps, scale=scale, what=case.label)


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


def test_moments_far_from_zero_keep_their_digits():
    graph = graph_of(Moments((1,), 1e-12), (50,))
    x = (1e4 + np.random.default_rng(0).normal(size=(20, 50))).astype(np.float32)
    assert_close(NativeProgram(graph).run([x])[0], ReferenceProgram(graph).run([x])[0], ulps=2)


def test_affine_with_a_shift_keeps_its_digits():
    graph = graph_of(Affine(), (3,), weights=(np.full(3, 1e3), np.zeros(3), np.full(3, 12345.0)))
    x = np.float32([[12345.5, 12345.25, 12346.0]])
    assert NativeProgram(graph).run([x])[0].tolist() == [[500.0, 250.0, 1000.0]]
