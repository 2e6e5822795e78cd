"""Masks in training, with layers that compute with them and without, and what doctor makes of statistics under one."""

import keras
import numpy as np
import pytest

import foldnet
from foldnet import doctor, layers
from foldnet.sequential import Sequential


def network(*rest, mask_zero=True):
    model = Sequential(
        [layers.Input((3,), dtype="int32"), layers.Embedding(5, 4, mask_zero=mask_zero), *rest]
    )
    model.compile("sgd", "mse")
    return model


ROWS = np.array([[0, 1, 2], [3, 4, 0]], np.int32)


def fit(model):
    y = np.zeros((2, *model.outputs[0].shape[1:]), np.float32)
    return model.fit(ROWS, y, verbose=0)


@pytest.mark.parametrize("mask_zero", [False, True])
def test_where_no_mask_is_used_it_trains(mask_zero):
    frozen = layers.BatchNormalization(trainable=False)
    history = fit(network(frozen, layers.Flatten(), layers.Dense(1), mask_zero=mask_zero))
    assert np.isfinite(history.history["loss"]).all()


def test_statistics_under_a_mask_are_not_held_to_those_of_all_positions():
    random = np.random.default_rng(0)
    words = random.integers(1, 5, (90, 3)).astype(np.int32)
    words[:, 1:] = 0
    masked, plain = (
        network(layers.BatchNormalization(momentum=0.0), layers.Flatten(), layers.Dense(1), mask_zero=m)
        for m in (True, False)
    )
    # The padding's row is far from the others, so that statistics with and without it are far apart.
    masked.layers[0].set_weight("embeddings", np.vstack([np.full((1, 4), 9.0), random.normal(size=(4, 4))]))
    masked.layers[0].trainable = False  # else the step would change what the statistics are of
    masked.compile("sgd", "mse")
    masked.fit(words, np.zeros((90, 1)), batch_size=90, verbose=0)
    plain.set_weights(masked.get_weights())
    assert "statistics-differ-from-data" not in {f.check for f in doctor(masked, words).findings}
    assert "statistics-differ-from-data" in {f.check for f in doctor(plain, words).findings}


SEQUENCES = np.round(np.random.default_rng(5).normal(size=(24, 4, 3))).astype(np.float32)
SEQUENCES[::3, 1:3] = 0
COUNTED = (np.random.default_rng(6).random((24, 4)) > 0.4).astype(np.float32)
WANTED = np.random.default_rng(7).normal(size=(24, 4, 3)).astype(np.float32)


def masked(k, m):
    """Masking, merges that heed it, a Softmax with a mask of its own, and a loss that leaves positions out."""
    x, counts = k.Input((4, 3)), k.Input((4,))
    a = k.Dense(3)(k.Masking(0.0)(x))
    b = k.Dense(3, activation="tanh")(k.Masking(0.0)(k.ReLU()(x)))
    y = k.Add()([k.Multiply()([a, b]), k.Maximum()([a, b]), k.Minimum()([b, a, k.Dense(3)(x)])])
    shares = k.Softmax(axis=1)(k.Dense(1)(y), mask=k.Reshape((4, 1))(counts))
    return m([x, counts], k.Multiply()([y, k.Reshape((4, 1))(k.Flatten()(shares))]))


@pytest.mark.filterwarnings("ignore:Layer .* does not support masking")
def test_steps_with_masks_are_keras_s(both_engines):
    rng = np.random.default_rng(1)
    theirs = masked(keras.layers, keras.Model)
    theirs.set_weights([rng.normal(0, 0.5, w.shape) for w in theirs.weights])
    start = theirs.get_weights()

    def steps(model, lib):
        model.compile(lib.optimizers.SGD(0.1), "mse")
        model.set_weights(start)
        model.fit([SEQUENCES, COUNTED], WANTED, batch_size=8, epochs=2, shuffle=False, verbose=0)
        return [np.asarray(w) for w in model.get_weights()]

    expected = steps(theirs, keras)
    for engine in both_engines():
        for a, b in zip(steps(masked(layers, foldnet.Model), foldnet), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-6, err_msg=engine)
