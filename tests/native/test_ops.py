"""Every op, compiled: against the float64 reference, and the same bits for a row wherever it stands."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from foldnet.engines.native import NativeProgram
from foldnet.engines.reference import ReferenceProgram
from foldnet.operations import catalogue
from foldnet.operations.affine.op import Affine
from foldnet.operations.along.op import Moments, Softmax, Sparsemax
from foldnet.operations.catalogue import every_op
from tests.native.networks import ACTIVATIONS, graph_of, joined, label, op_cases, random_inputs

pytestmark = pytest.mark.as_shipped

CASES = op_cases()


def same_bits(a, b):
    return a.dtype == b.dtype and np.array_equal(a.view(np.int32), b.view(np.int32))


def assert_close(got, exact, ulps=0.0, scale=0.0, what=""):
    """Within so many units in the last place of the exact values, or of a scale; NaN and infinities alike."""
    assert got.shape == exact.shape, what
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    assert np.array_equal(np.isnan(got), np.isnan(rounded)), what
    finite = np.isfinite(rounded)
    assert np.array_equal(got[~finite], rounded[~finite], equal_nan=True), what
    # A unit in the last place, worked out in float64, where nothing overflows (some ops' results are float32).
    exact = exact.astype(np.float64)
    size = np.maximum(np.abs(exact[finite]), 2.0**-126)
    unit = 2.0 ** (np.floor(np.log2(size)) - 23)
    error = np.abs(got[finite] - exact[finite]) / unit
    allowed = np.maximum(ulps, scale * 2.0**-23 / unit)
    assert (error <= allowed).all(), f"{what}: {(error / allowed).max():.3g} times the allowed error"


def test_every_op_has_an_emitter():
    leaves = {op for op in every_op().values() if op.predicts}
    assert not [op for op in leaves if catalogue.rules("c", op) is None]
    assert leaves == {type(n.op) for g in CASES.values() for n in g.nodes}


GROUPS = [list(CASES)[i : i + 6] for i in range(0, len(CASES), 6)]
"""Few enough that compiling them is fast: 24 in one function took gcc over a minute, against seconds in parts."""


@pytest.mark.parametrize("names", GROUPS, ids=lambda names: names[0])
def test_ops_are_the_reference_and_rows_do_not_meet(names):
    graph = joined(CASES[n] for n in names)
    program = NativeProgram(graph, threads=1)
    inputs = random_inputs(graph, 103)
    results = program.run(inputs)
    for name, got, exact in zip(names, results, ReferenceProgram(graph).run(inputs), strict=True):
        if got.dtype == np.int32:
            assert np.array_equal(got, exact), name
            continue
        # Sums round once a term; the reference has float64 weights, so each weight's rounding counts, too.
        matrices = [c for c in CASES[name].constants.values() if c.ndim == 2]
        terms = max((np.sqrt(c.shape[0]) for c in matrices), default=1.0)
        assert_close(got, exact, ulps=8, scale=4 * terms * max(1.0, np.abs(exact).max()), what=name)
    for count in (1, 2, 7, 16, 40):
        for start in (0, 5, 103 - count):
            parts = program.run([np.ascontiguousarray(x[start : start + count]) for x in inputs])
            for name, part, got in zip(names, parts, results, strict=True):
                assert same_bits(part, got[start : start + count]), (name, count, start)


floats = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=True)


ALL_ACTIVATIONS = joined(CASES[f"activation-{label(f)}"] for f in ACTIVATIONS)


@settings(max_examples=100, deadline=None)
@example(np.full((3, 37), -2.46875, np.float32))  # 0.2 x + 0.5 cancels
@given(hnp.arrays(np.float32, (3, 37), elements=floats))
def test_activations_on_any_float(x):
    inputs = [x] * len(ACTIVATIONS)
    exact = ReferenceProgram(ALL_ACTIVATIONS).run(inputs)
    for function, got, value in zip(
        ACTIVATIONS, NativeProgram(ALL_ACTIVATIONS).run(inputs), exact, strict=True
    ):
        # mish and silu have a factor that may be denormal; the reference's own x - tanh(x) cancels near 0.
        cancels = function.name == "tanh_shrink"
        assert_close(
            got, value, ulps=16 if cancels else 8, scale=1e-8 if cancels else 1e-30, what=label(function)
        )


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
