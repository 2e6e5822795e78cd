"""What SpectralNormalization refuses in training, and what it leaves behind; the grids compare it with live Keras."""

import numpy as np
import pytest

from foldnet import Input, Model, layers
from foldnet.errors import UnsupportedError

SPECTRAL = layers.SpectralNormalization
X = np.random.default_rng(0).normal(size=(6, 2, 3)).astype(np.float32)


def twice():
    x, inside = Input((2, 3)), layers.Dense(3)
    return Model(x, inside(SPECTRAL(inside, name="mine")(x)))


def called_twice():
    x, layer = Input((2, 3)), SPECTRAL(layers.Dense(3), name="mine")
    return Model(x, layer(layer(x)))


def frozen():
    x, layer = Input((2, 3)), SPECTRAL(layers.Dense(3), name="mine")
    y = layer(x)
    layer.trainable = False
    return Model(x, layers.Dense(3)(y))


def single(make):
    def made():
        x = Input((2, 3))
        return Model(x, make()(x))

    return made


@pytest.mark.parametrize(("make", "reason"), [
    (twice, "used in several places"), (called_twice, "used in several places"), (frozen, "it is frozen"),
    (single(lambda: layers.TimeDistributed(SPECTRAL(layers.Dense(3), name="mine"))), "inside TimeDistributed"),
    (single(lambda: SPECTRAL(layers.Dense(3, kernel_regularizer="l2"), name="mine")), "has a regularizer"),
])  # fmt: skip
def test_kernels_that_change_within_a_step_are_refused(make, reason):
    model = make()
    model.compile("sgd", "mse")
    with pytest.raises(UnsupportedError, match=f"'mine' cannot be trained.*{reason}.*training=False"):
        model.fit(X, X, verbose=0)
    assert np.isfinite(model.predict(X)).all()


def test_a_kernel_of_zeros_stays_and_evaluation_changes_nothing(both_engines):
    for _engine in both_engines():
        x, layer = Input((2, 3)), SPECTRAL(layers.Dense(3, use_bias=False))
        model = Model(x, layer(x))
        model.compile("sgd", "mse")
        vector = np.array([[0.3, -0.5, 0.2]], np.float32)
        model.set_weights([np.zeros((3, 3)), vector])
        model.fit(X, np.zeros_like(X), verbose=0)
        for found, expected in zip(model.get_weights(), (np.zeros((3, 3)), vector), strict=True):
            np.testing.assert_array_equal(found, expected)
        model.fit(X, np.ones_like(X), verbose=0)
        start = model.get_weights()
        loss = model.evaluate(X, X, verbose=0)
        assert loss == pytest.approx(float(np.square(X @ start[0] - X).mean()), rel=1e-5)
        assert all((a == b).all() for a, b in zip(start, model.get_weights(), strict=True))
