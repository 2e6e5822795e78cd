"""Sums along axes: their order is fixed, so that every layout of rows and every export gives the same bits."""

import numpy as np
import pytest

from foldnet.engines.native import NativeProgram
from foldnet.engines.native.prediction.program import NativeCode
from foldnet.graph.free_axes import with_lengths
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.sizes import long_lengths
from foldnet.operations.along.op import Reduce, Softmax

LENGTHS = (1, 7, 15, 16, 17, 24, 31, 100)


def graph_of(op, *shape):
    b = GraphBuilder()
    return b.build([b.emit(op, b.input("x", (None, *shape)))])


def summed(x, dtype):
    """Sums over the last axis: of every eighth number, then in pairs; short ones in order."""
    x = x.astype(dtype)
    n = x.shape[-1]
    if n < 16:
        total = np.zeros(x.shape[:-1], dtype)
        for k in range(n):
            total = total + x[..., k]
        return total
    parts = np.zeros((*x.shape[:-1], 8), dtype)
    for k in range(n):
        parts[..., k % 8] = parts[..., k % 8] + x[..., k]
    for half in (4, 2, 1):
        parts[..., :half] = parts[..., :half] + parts[..., half : 2 * half]
    return parts[..., 0]


def values(n):
    """Such that the order shows in the result."""
    rng = np.random.default_rng(n)
    return (rng.normal(size=(40, 3, n)) * 10.0 ** rng.uniform(-6, 6, (40, 3, n))).astype(np.float32)


@pytest.mark.parametrize("n", LENGTHS)
def test_sums_in_double(n):
    x = values(n) * np.float32(1e6)
    exact = summed(x, np.float64).astype(np.float32)
    graph = graph_of(Reduce("sum", (2,)), 3, n)
    np.testing.assert_array_equal(NativeProgram(graph).run([x])[0], exact)
    np.testing.assert_array_equal(NativeProgram(graph).run([x[:1]])[0], exact[:1])


@pytest.mark.parametrize("n", LENGTHS)
def test_softmax_has_one_order_along_any_axis_alone_and_among_others(n):
    """Along the last axis of a row alone it is a function of its own, elsewhere it is written out."""
    x = np.log(np.abs(values(n)))
    last = NativeProgram(graph_of(Softmax(2), 3, n))
    first = NativeProgram(graph_of(Softmax(1), n, 3))
    expected, turned = last.run([x])[0], np.ascontiguousarray(x.swapaxes(1, 2))
    np.testing.assert_array_equal(last.run([x[:1]])[0], expected[:1])
    np.testing.assert_array_equal(first.run([turned])[0].swapaxes(1, 2), expected)
    np.testing.assert_array_equal(first.run([turned[:1]])[0].swapaxes(1, 2), expected[:1])


def test_lengths_that_are_known_at_the_call_have_the_same_order():
    code = NativeCode(with_lengths(graph_of(Reduce("sum", (2,)), 3, None), long_lengths(1)[0]))
    for n in LENGTHS:
        x = values(n)
        fixed = NativeProgram(graph_of(Reduce("sum", (2,)), 3, n)).run([x])[0]
        np.testing.assert_array_equal(NativeProgram.at_lengths(code, [n]).run([x])[0], fixed)
