"""What TimeDistributed does in training besides the gradients and fits of the grids: randomness, lengths, sharing."""

import keras
import numpy as np
import pytest

from foldnet import Input, Model, layers, ops, optimizers
from foldnet.errors import UnsupportedError

ROWS, STEPS = 4, 3


def factors(make, shape, both_engines):
    """By engine, what a layer at every step of rows of weights multiplies them by in one training step."""
    found = {}
    index = Input((1,), dtype="int32")
    for engine in both_engines():
        table = layers.Embedding(ROWS, int(np.prod(shape)), weights=np.ones((ROWS, int(np.prod(shape)))))
        y = layers.TimeDistributed(make())(layers.Reshape(shape)(table(index)))
        model = Model(index, layers.Flatten()(y))
        model.compile(optimizers.SGD(float(ROWS)), lambda y, p: ops.sum(p, axis=-1))
        model.trainer.seed = 5
        model.fit(np.arange(ROWS)[:, None], np.zeros((ROWS, 1)), batch_size=ROWS, verbose=0)
        found[engine] = (1 - table.get_weights()[0]).reshape(ROWS, *shape)
    return found


def test_every_step_draws_random_numbers_of_its_own(both_engines):
    found = factors(lambda: layers.Dropout(0.5), (STEPS, 40), both_engines)
    for drawn in found.values():
        np.testing.assert_array_equal(np.unique(drawn), [0, 2])
        assert 0.35 < (drawn == 0).mean() < 0.65
        assert all((drawn[:, a] != drawn[:, b]).any() for a, b in ((0, 1), (1, 2), (0, 2)))
        np.testing.assert_array_equal(drawn, next(iter(found.values())))


def test_what_a_noise_shape_shares_is_shared_within_a_step(both_engines):
    found = factors(lambda: layers.SpatialDropout1D(0.5), (STEPS, 5, 20), both_engines)
    for drawn in found.values():
        assert (drawn == drawn[:, :, :1]).all()
        assert (drawn[:, 0] != drawn[:, 1]).any()
    for drawn in factors(
        lambda: layers.Dropout(0.5, noise_shape=(1, None)), (STEPS, 30), both_engines
    ).values():
        assert (drawn == drawn[:1]).all()
        assert (drawn[:, 0] != drawn[:, 1]).any()


def test_statistics_of_steps_without_a_number_are_refused():
    x = Input((None, 3))
    model = Model(x, layers.TimeDistributed(layers.BatchNormalization(), name="mine")(x))
    model.compile("sgd", "mse")
    rows = np.zeros((2, 4, 3))
    with pytest.raises(
        UnsupportedError, match=r"'mine'.*moves its statistics once for every step.*number of steps"
    ):
        model.fit(rows, rows, verbose=0)
    model.get_layer("mine").trainable = False
    model.compile("sgd", "mse")
    model.fit(rows, rows, verbose=0)


def shared(kit, model):
    """One layer at every step and on all of them, and one on values of two ranks."""
    x = kit.Input((4, 6))
    conv, norm = kit.Conv1D(2, 2, name="conv"), kit.LayerNormalization(name="norm")
    single = norm(kit.Flatten()(kit.Dense(3, name="a")(kit.Reshape((2, 12))(x))))
    every = norm(kit.Dense(6, name="b")(x))
    steps = kit.TimeDistributed(conv)(kit.Reshape((2, 4, 3))(x))
    parts = [single, every, steps, conv(kit.Reshape((8, 3))(x))]
    return model(x, kit.Concatenate()([kit.Flatten()(y) for y in parts]))


def test_a_layer_that_is_used_at_every_step_and_elsewhere(both_engines):
    theirs = shared(keras.layers, keras.Model)
    rng = np.random.default_rng(0)
    start = {
        name: [rng.normal(0, 0.5, w.shape).astype(np.float32) for w in theirs.get_layer(name).get_weights()]
        for name in ("conv", "norm", "a", "b")
    }
    x = rng.normal(size=(ROWS, 4, 6)).astype(np.float32)
    y = rng.normal(size=(ROWS, *theirs.output_shape[1:])).astype(np.float32)
    for name, values in start.items():
        theirs.get_layer(name).set_weights(values)
    theirs.compile(keras.optimizers.SGD(0.5), "mse")
    theirs.fit(x, y, epochs=3, verbose=0)
    for engine in both_engines():
        ours = shared(layers, Model)
        for name, values in start.items():
            ours.get_layer(name).set_weights(values)
        ours.compile(optimizers.SGD(0.5), "mse")
        ours.fit(x, y, epochs=3, verbose=0)
        for name in start:
            found, wanted = (m.get_layer(name).get_weights() for m in (ours, theirs))
            for a, b in zip(found, wanted, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=f"{engine}: {name}")
