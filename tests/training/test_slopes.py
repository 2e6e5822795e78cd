"""Slopes where the pieces of a function meet, and where lengths vanish: both engines, by live JAX."""

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldnet import Input, Model, activations, constraints, initializers, layers, ops, optimizers
from foldnet.layers.core import activation_op
from foldnet.operations.elementwise.functions import of
from foldnet.operations.elementwise.functions import parameters as parameters_of
from foldnet.operations.elementwise.slopes import on_arrays

POINTS = np.float32([-7, -6, -4, -3, -2.5, -1, -0.5, -0.25, 0, 0.25, 0.5, 1, 1.5, 2.5, 3, 4, 6, 7])

RELUS = [
    ("relu", {"max_value": m, "threshold": t, "negative_slope": s})
    for m in (None, 0.0, 1.0, 6.0) for t in (0.0, -1.0, 2.5, -7.0) for s in (0.0, 0.25)
]  # fmt: skip
OTHERS = [
    ("leaky_relu", {}), ("leaky_relu", {"negative_slope": 0.0}), ("elu", {}), ("elu", {"alpha": 0.5}),
    ("celu", {"alpha": 2.0}), ("threshold", {"threshold": 1.0, "default_value": 0.5}),
    ("threshold", {"threshold": -1.0, "default_value": -1.0}), ("hard_shrink", {"threshold": 1.0}),
    ("soft_shrink", {"threshold": 2.5}), ("squareplus", {"b": 0.0625}), ("gelu", {"approximate": True}),
]  # fmt: skip
PLAIN = [(name, {}) for name in sorted(activations.ELEMENTWISE) if hasattr(keras.activations, name)]
CASES = [*RELUS, *OTHERS, *(case for case in PLAIN if case[0] not in ("threshold", "relu"))]


def of_keras(name, parameters, x):
    function = functools.partial(getattr(keras.activations, name), **parameters)
    return np.asarray(jax.vmap(jax.grad(lambda v: jnp.asarray(function(v))))(jnp.asarray(x, jnp.float32)))


def ours(name, parameters):
    return functools.partial(getattr(activations, name), **parameters)


def of_the_reference(name, parameters, x):
    op = activation_op(ours(name, parameters), 2)
    if op is None:
        return np.ones_like(x)
    record, filled_in = of(op.function), parameters_of(op.function)
    return on_arrays(record, filled_in, 0, np.ones_like(x), [x], record.compute(x, **filled_in))


@pytest.mark.parametrize(("name", "parameters"), CASES, ids=str)
def test_slopes_where_pieces_meet(name, parameters):
    at = np.unique(
        np.append(POINTS, [v for v in parameters.values() if isinstance(v, float)]).astype(np.float32)
    )
    # Where tanh is nearly -1 the last place of it is most of gelu's slope, and JAX's own depends on how it compiles.
    atol = 1e-5 if "approximate" in parameters else 1e-6
    np.testing.assert_allclose(
        of_the_reference(name, parameters, at), of_keras(name, parameters, at), rtol=1e-4, atol=atol
    )


# Sixty-fourths: JAX takes numbers near the smallest there are for 0.
numbers = st.sampled_from([-6.0, -0.5, 0.0, 0.5, 1.0, 6.0]) | st.integers(-500, 500).map(lambda n: n / 64)


@given(
    st.none() | numbers.map(abs), numbers, st.just(0.0) | numbers, st.lists(numbers, min_size=3, max_size=3)
)
@settings(max_examples=20, deadline=None)
def test_relu_of_any_parameters(most, threshold, below, points):
    parameters = {"max_value": most, "threshold": threshold, "negative_slope": below}
    at = np.float32([*points, threshold, 0, most or 1, 6])
    found = of_the_reference("relu", parameters, at)
    np.testing.assert_allclose(found, of_keras("relu", parameters, at), rtol=1e-5, atol=1e-6)
    passes = (np.asarray(activations.relu(at, **parameters)) == at) & (at > max(threshold, 0))
    assert (found[passes & (at < (np.inf if most is None else most))] == 1).all()


def gradients(make, *starts):
    """Gradients on tables of points of the sum of all that ``make`` makes of them, by a step of SGD."""
    rows = len(starts[0])
    x = Input((1,), dtype="int32")
    tables = [layers.Embedding(rows, s.shape[1], weights=s) for s in starts]
    flat = [layers.Reshape((s.shape[1],))(t(x)) for t, s in zip(tables, starts, strict=True)]
    out = make(flat)
    model = Model(x, layers.Concatenate()(out) if len(out) > 1 else out[0])
    model.compile(optimizers.SGD(float(rows)), lambda y, p: ops.sum(p, axis=-1))
    model.fit(np.arange(rows)[:, None], np.zeros((rows, 1)), batch_size=rows, verbose=0)
    return [s - t.get_weights()[0] for t, s in zip(tables, starts, strict=True)]


def test_both_engines_have_these_slopes(both_engines):
    start = POINTS[:, None]
    for engine in both_engines():
        found = gradients(
            lambda xs: [layers.Activation(ours(*case))(x) for case, x in zip(CASES, xs, strict=True)],
            *[start] * len(CASES),
        )
        for case, got in zip(CASES, found, strict=True):
            expected = of_keras(*case, POINTS)
            np.testing.assert_allclose(got[:, 0], expected, rtol=1e-3, atol=2e-5, err_msg=f"{engine} {case}")


JOINS = {"Maximum": keras.ops.maximum, "Minimum": keras.ops.minimum}


def test_ties_of_merges_and_of_prelu(both_engines):
    theirs = keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(0.5))
    theirs.build((None, 2))
    a, b = np.float32([[1, 2], [0, 3], [-1, 0]]), np.float32([[1, 0], [0, 4], [-1, 0]])
    for engine in both_engines():
        found = gradients(
            lambda xs: [
                layers.Maximum()([xs[0], xs[1], xs[2]]), layers.Minimum()([xs[3], xs[4]]),
                layers.PReLU(alpha_initializer=initializers.Constant(0.5), trainable=False)(xs[5]),
            ],
            a, b, a, a, b, a,
        )  # fmt: skip
        most = jax.grad(
            lambda v: keras.ops.sum(keras.ops.maximum(keras.ops.maximum(v[0], v[1]), v[2])), argnums=0
        )([a, b, a])
        least = jax.grad(lambda v: keras.ops.sum(keras.ops.minimum(v[0], v[1])))([a, b])
        slopes = jax.grad(lambda v: keras.ops.sum(theirs(v)))(jnp.asarray(a))
        for got, expected in zip(found, [*most, *least, slopes], strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-6, err_msg=engine)


@pytest.mark.parametrize("length", [1e-13, 0.9e-12, 1e-3, 0.0])
def test_slopes_of_short_lengths(both_engines, length):
    x = np.float32([[0.6, -0.8, 0], [1, 0, 0]]) * np.float32(length)
    lower = keras.layers.UnitNormalization()
    expected = np.asarray(
        jax.grad(lambda v: keras.ops.sum(lower(v) * jnp.float32([1, 2, 3])))(jnp.asarray(x))
    )
    if length < 1e-12:  # there Keras divides by a constant; its own slope can be inf * 0
        expected = np.where(np.isnan(expected), np.float32([[1e12, 2e12, 3e12]]), expected)
    for engine in both_engines():
        (found,) = gradients(
            lambda xs: [layers.Rescaling([1.0, 2.0, 3.0])(layers.UnitNormalization()(xs[0]))], x
        )
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3, err_msg=engine)


@pytest.mark.parametrize(
    "constraint",
    [
        constraints.MaxNorm(0.5),
        constraints.UnitNorm(),
        constraints.NonNeg(),
        constraints.MinMaxNorm(0.5, 2.0),
    ],
    ids=str,
)
def test_constraints_leave_zeros(both_engines, constraint):
    theirs = getattr(keras.constraints, type(constraint).__name__).from_config(constraint.get_config())
    start = np.float32([[0.0, 3.0], [0.0, -4.0]])
    np.testing.assert_allclose(constraint(start), theirs(start), rtol=1e-6)
    for engine in both_engines():
        x = Input((2,))
        dense = layers.Dense(2, use_bias=False, kernel_constraint=constraint)
        model = Model(x, dense(x))
        dense.set_weights([start])
        model.compile(optimizers.SGD(0.0), "mse")
        model.fit(np.ones((2, 2)), np.ones((2, 2)), verbose=0)
        np.testing.assert_allclose(dense.get_weights()[0], theirs(start), rtol=1e-6, err_msg=engine)
        assert (dense.get_weights()[0][:, 0] == 0).all()
