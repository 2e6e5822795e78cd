"""What TimeDistributed does in training besides the gradients and fits of the grids: randomness, lengths, sharing."""

import keras
import numpy as np
import pytest

from foldnet import Input, Model, layers, ops, optimizers
from tests.support.keras_pairs import random_weights

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


def normalized_steps(kit, model):
    """Statistics that every step moves, how many steps there are is not known, and masked steps do not count."""
    x, i = kit.Input((None, 3)), kit.Input((3,))
    inner = model(i, kit.BatchNormalization(momentum=0.7)(kit.Dense(4, use_bias=False)(i)))
    y = kit.TimeDistributed(inner)(
        kit.TimeDistributed(kit.BatchNormalization(momentum=0.6))(kit.Masking()(x))
    )
    return model(x, kit.Dense(2)(kit.TimeDistributed(kit.BatchNormalization(scale=False))(y)))


def sequences(steps, seed=1):
    """Rows whose steps end early for one of them, and a target for every step."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0.3, 1.5, (ROWS + 2, steps, 3)).astype(np.float32)
    x[0, 1:] = 0
    return x, rng.normal(size=(ROWS + 2, steps, 2)).astype(np.float32)


def sentences(kit, model):
    """Networks at every step that get the masks of words, made outside."""
    x, y, parts = kit.Input((3, 4), dtype="int32"), None, []
    y = kit.Embedding(7, 5, mask_zero=True)(x)
    for make in (
        lambda i: kit.LSTM(3)(i), lambda i: kit.GlobalAveragePooling1D()(i),
        lambda i: kit.Flatten()(kit.BatchNormalization(momentum=0.6)(i)),
        lambda i: kit.Flatten()(kit.MultiHeadAttention(2, 2)(i, i)),
    ):  # fmt: skip
        i = kit.Input((4, 5))
        parts.append(kit.Flatten()(kit.TimeDistributed(model(i, make(i)))(y)))
    return model(x, kit.Dense(2)(kit.Concatenate()(parts)))


def words():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 7, (6, 3, 4))
    x[:, :, 0] = rng.integers(1, 7, (6, 3))
    return x, rng.normal(size=(6, 2)).astype(np.float32)


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
@pytest.mark.parametrize(("make", "batches"), [
    (normalized_steps, [sequences(4), sequences(2), sequences(7), sequences(4)]), (sentences, [words()] * 2),
])  # fmt: skip
def test_masks_and_any_number_of_steps(make, batches, both_engines):
    theirs = make(keras.layers, keras.Model)
    start = [w * (0.3 if w.ndim > 1 else 1) for w in random_weights(theirs, np.random.default_rng(3))]
    theirs.set_weights(start)
    theirs.compile(keras.optimizers.SGD(0.02), "mse")
    x, y = batches[0]
    first = theirs.predict_on_batch(x)
    losses = [float(theirs.train_on_batch(x, y)) for x, y in batches]
    for _engine in both_engines():
        ours = make(layers, Model)
        ours.set_weights(start)
        np.testing.assert_allclose(ours.predict(x), first, rtol=1e-4, atol=1e-5)
        ours.compile(optimizers.SGD(0.02), "mse")
        np.testing.assert_allclose([ours.train_on_batch(x, y) for x, y in batches], losses, rtol=1e-4)
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
        assert ours.evaluate(x, y, verbose=0) == pytest.approx(theirs.evaluate(x, y, verbose=0), rel=1e-4)


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
