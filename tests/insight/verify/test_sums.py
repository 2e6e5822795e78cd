"""Honest float32 sums of many cancelling terms pass verify, whatever op adds them up; other errors do not."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldnet import Input, Model, layers, ops
from foldnet.graph.op import Elementwise
from foldnet.insight.oracle import sum_in_float32
from foldnet.insight.verify import verify as verify_and_search
from foldnet.operations import catalogue
from foldnet.operations.along.op import CumulativeSum, Reduce
from foldnet.operations.elementwise.op import Unary
from foldnet.operations.kernels import StepContext
from foldnet.operations.matrix import op as matrix

verify = functools.partial(verify_and_search, pair_seconds=0)
TERMS = 1000


def in_a_loop(a, b=None):
    """The sum of products over axis 1 in float32, as a plain loop has it, with every partial sum."""
    terms = a if b is None else a * b
    return np.add.accumulate(terms.astype(np.float32), axis=1, dtype=np.float32)


def einsum_dense():
    x = Input((TERMS, 2))
    model = Model(x, layers.EinsumDense("abc,bc->ac", output_shape=2, kernel_initializer="ones")(x))
    return model, lambda a: in_a_loop(a)[:, -1]


def dot():
    a, b = Input((TERMS,)), Input((TERMS,))
    return Model([a, b], layers.Dot(1)([a, b])), lambda a, b: in_a_loop(a, b)[:, -1:]


def einsum():
    a, b = Input((TERMS,)), Input((TERMS, 2))
    model = Model([a, b], ops.einsum("bi,bij->bj", a, b))
    return model, lambda a, b: in_a_loop(a[:, :, None], b)[:, -1]


def summed():
    x = Input((TERMS, 2))
    return Model(x, ops.sum(x, axis=1)), lambda a: in_a_loop(a)[:, -1]


def mean():
    x = Input((TERMS, 2))
    model = Model(x, ops.mean(x, axis=1, keepdims=True))
    return model, lambda a: in_a_loop(a)[:, -1:] / np.float32(TERMS)


def running():
    x = Input((TERMS, 2))
    return Model(x, ops.cumsum(x, axis=1)), in_a_loop


NETWORKS = {f.__name__: f for f in (einsum_dense, dot, einsum, summed, mean, running)}


def cancelling(model):
    """Rows whose first half adds up to what the second takes away, but for a little."""
    rng = np.random.default_rng(7)
    rows = []
    for tensor in model.inputs:
        x = rng.uniform(1, 2, (8, *tensor.shape[1:]))
        if not rows:
            x[:, TERMS // 2 :] *= -1
        else:
            x = 1 + (x - 1.5) / 1000
        rows.append(x.astype(np.float32))
    return rows[0] if len(rows) == 1 else rows


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_an_honest_sum_in_float32_passes(make):
    model, candidate = make()
    result = verify(candidate, model, cancelling(model))
    assert result.ok, str(result)


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_more_than_rounding_fails(make):
    model, candidate = make()
    rows = cancelling(model)
    # One term of 1000 is left out: far more than what rounding loses, far less than what the terms add up to.
    wrong = lambda *xs: candidate(*(x * (np.arange(TERMS) != 3).reshape(-1, *[1] * (x.ndim - 2)) for x in xs))  # noqa: E731
    assert not verify(wrong, model, rows).ok


def test_letters_say_what_the_op_computes():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 5, 2))
    kernel, bias = rng.normal(size=(5, 2)), rng.normal(size=2)
    for op, *operands in (
        (matrix.Dense(), x, kernel),
        (matrix.Dense(), x, kernel, bias),
        (matrix.TurnedDense(), x, kernel.T),
        (matrix.Dot((2, 1)), x, y),
        (matrix.Dot((1, 1)), x[:, :, 0], x[:, :, 1]),
        (matrix.Product("ab", "bc", "ca"), x, y),
        (matrix.Product("ab", "bc", "ac"), x, kernel),
        (matrix.Product("ab", "ab", "ba"), x, x),
        (matrix.Product("ab", "bc", "a"), x, kernel),
        (Reduce("sum", (1,)), x),
        (Reduce("mean", (1, 2), keepdims=True), x),
        (CumulativeSum(2), x),
    ):
        total = op.summed(*(a.shape for a in operands))
        found = sum_in_float32(total, operands)
        kernel_of = catalogue.find("numpy", op)
        (exact,) = kernel_of.train(op, StepContext(training=False), operands, np.dtype(np.float64))
        np.testing.assert_allclose(found.reshape(exact.shape), exact, rtol=1e-4, atol=1e-5, err_msg=str(op))


def test_what_adds_up_nothing_says_so():
    shape = (None, 4)
    assert matrix.Dense(Elementwise("relu")).summed(shape, (4, 2)) is None
    assert Reduce("max", (1,)).summed(shape) is None
    assert Unary(Elementwise("relu")).summed(shape) is None


@given(st.permutations("abc"), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_letters_does_not_matter(letters, kept):
    rng = np.random.default_rng(1)
    sizes = {"a": 2, "b": 3, "c": 4}
    left, right, result = "abc", "".join(letters), "".join(letters)[:kept]
    a = rng.normal(size=(5, *(sizes[k] for k in left)))
    b = rng.normal(size=(5, *(sizes[k] for k in right)))
    op = matrix.Product(left, right, result)
    exact = np.einsum(f"z{left},z{right}->z{result}", a, b)
    np.testing.assert_allclose(sum_in_float32(op.summed(a.shape, b.shape), (a, b)), exact, atol=1e-4)
