"""Training of convolutions, recurrence and attention goes on in Keras where foldnet stopped, and the other way round.

Each network has weights of the same shapes in several layers, so that slots in a wrong order fit, and only the
training shows it.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest

import foldnet
from foldnet import layers, optimizers
from tests.support.keras_pairs import random_weights

SETTINGS = {"batch_size": 8, "shuffle": False, "verbose": 0}
ROWS = 24


def sizes(lib, model):
    """Two networks' worth of convolutions with kernels of the same shapes."""
    x = lib.Input((5, 5, 4))
    y = lib.Conv2D(4, 3, groups=2, padding="same", activation="tanh")(x)
    y = lib.BatchNormalization(momentum=0.8)(y)
    y = lib.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
    y = lib.BatchNormalization(axis=1, momentum=0.7)(y)
    y = lib.SeparableConv2D(4, 3, padding="same", activation="swish")(y)
    y = lib.Conv2DTranspose(4, 3, strides=2, padding="same")(y)
    y = lib.Conv2D(4, 3, groups=2, strides=2, activation="tanh")(y)
    return x, lib.Flatten()(y)


def channels_first(lib, model):
    """Data of channels_first, normalized on axis 1, and frozen layers in between."""
    x = lib.Input((4, 5, 5))
    y = lib.Conv2D(4, 3, padding="same", data_format="channels_first", activation="tanh")(x)
    y = lib.BatchNormalization(axis=1, momentum=0.8)(y)
    frozen = lib.Conv2D(4, 3, padding="same", data_format="channels_first")
    y = frozen(y)
    y = lib.Conv2D(4, 3, data_format="channels_first", kernel_regularizer="l2")(y)
    y = lib.BatchNormalization(axis=1, momentum=0.6, trainable=False)(y)
    y = lib.BatchNormalization(axis=1, momentum=0.6, scale=False)(y)
    frozen.trainable = False
    return x, lib.Flatten()(y)


def along_time(lib, model):
    """Convolutions of sequences, and TimeDistributed with a layer and a network in it."""
    x = lib.Input((6, 4))
    y = lib.Conv1D(4, 3, padding="causal", activation="tanh")(x)
    y = lib.BatchNormalization(momentum=0.8)(y)
    y = lib.Conv1DTranspose(4, 3, padding="same")(y)
    y = lib.SeparableConv1D(4, 3, padding="same", depth_multiplier=2)(y)
    y = lib.TimeDistributed(lib.Dense(4, activation="tanh"))(y)
    y = lib.EinsumDense("abc,cd->abd", (6, 4), bias_axes="d")(y)
    z = lib.TimeDistributed(lib.LSTM(4))(lib.Reshape((3, 2, 4))(y))
    inside = lib.Input((4,))
    dense = lib.Dense(4, activation="tanh")
    z = lib.TimeDistributed(model(inside, lib.Dense(4)(dense(inside))))(z)
    return x, lib.Concatenate()([lib.Flatten()(y), lib.Flatten()(z)])


def recurrence(lib, model):
    """Recurrent layers whose kernels have the same shapes, in both directions, stacked and by steps."""
    x = lib.Input((5, 4))
    y = lib.SimpleRNN(4, return_sequences=True)(x)
    y = lib.LSTM(4, return_sequences=True)(y)
    y = lib.GRU(4, return_sequences=True)(y)
    y = lib.GRU(4, reset_after=False, return_sequences=True)(y)
    y = lib.BatchNormalization(momentum=0.8)(y)
    y = lib.Bidirectional(lib.LSTM(2, return_sequences=True))(y)
    stacked = lib.RNN([lib.GRUCell(4), lib.LSTMCell(4), lib.SimpleRNNCell(4)], return_sequences=True)
    both = lib.Bidirectional(lib.GRU(3), backward_layer=lib.GRU(3, go_backwards=True), merge_mode="sum")
    y = both(stacked(y))
    stacked.cell.cells[1].trainable = both.forward_layer.trainable = False
    return x, y


def words(lib, model):
    """Words of padded sentences: masks on the way to normalization, recurrence and attention."""
    x = lib.Input((6,), dtype="int32")
    y = lib.Embedding(9, 4, mask_zero=True)(x)
    y = lib.BatchNormalization(momentum=0.8)(y)
    y = lib.Bidirectional(lib.GRU(2, return_sequences=True))(y)
    y = lib.MultiHeadAttention(2, 2)(y, y)
    y = lib.LayerNormalization()(y)
    y = lib.Attention(use_scale=True)([y, y])
    return x, lib.LSTM(4)(y)


def heads(lib, model):
    """Attention with several inner layers."""
    x = lib.Input((5, 4))
    y = lib.MultiHeadAttention(2, 2, value_dim=2)(x, lib.Dense(4)(x))
    y = lib.GroupQueryAttention(2, 2, 1)(y, x)
    y = lib.BatchNormalization(momentum=0.8)(y)
    y = lib.AdditiveAttention()([y, x])
    y = lib.EinsumDense("abc,cde->abde", (5, 2, 2), bias_axes="de")(y)
    return x, lib.Flatten()(y)


NETWORKS = {
    "heads": (heads, ("Adam", {"learning_rate": 0.01, "epsilon": 1e-3})),
    "convolutions": (sizes, ("Adam", {"learning_rate": 0.01, "amsgrad": True})),
    "channels-first": (channels_first, ("SGD", {"learning_rate": 0.01, "momentum": 0.9, "nesterov": True})),
    "along-time": (along_time, ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.05})),
    "recurrence": (recurrence, ("RMSprop", {"learning_rate": 0.003, "momentum": 0.5})),
    "words": (words, ("Nadam", {"learning_rate": 0.01, "epsilon": 1e-3})),
}


def model_of(lib, model, network):
    x, y = network(lib, model)
    return model(x, lib.Dense(2)(y))


def data(shape, dtype):
    rng = np.random.default_rng(4)
    if dtype == "int32":
        x = rng.integers(1, 9, (ROWS, *shape[1:]))
        x[np.arange(shape[1]) >= rng.integers(1, shape[1] + 1, (ROWS, 1))] = 0
    else:
        x = rng.normal(0.5, 1.5, (ROWS, *shape[1:])).astype(np.float32)
    return x, rng.normal(size=(ROWS, 2)).astype(np.float32)


def fitted(model, rows, epochs=3):
    model.fit(*rows, epochs=epochs, **SETTINGS)
    return model.get_weights()


def assert_close(ours, theirs):
    for number, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        scale = np.abs(b).max()
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * scale + 1e-6, err_msg=str(number))


@pytest.mark.parametrize("name", NETWORKS)
def test_foldnet_then_keras_then_foldnet(tmp_path, name):
    network, (kind, settings) = NETWORKS[name]
    ours = model_of(layers, foldnet.Model, network)
    random_weights(ours, np.random.default_rng(2))
    ours.set_weights([w * (0.5 if w.ndim > 1 else 1) for w in ours.get_weights()])
    rows = data(ours.inputs[0].shape, ours.inputs[0].dtype)
    ours.compile(getattr(optimizers, kind)(**settings), "mse")
    fitted(ours, rows)
    for ending in ("keras", "weights.h5", "h5"):
        (ours.save_weights if ending == "weights.h5" else ours.save)(tmp_path / f"ours.{ending}")
    fitted(ours, rows)

    # Keras goes on from the whole network, and writes what foldnet then goes on from.
    live = keras.models.load_model(tmp_path / "ours.keras")
    assert int(live.optimizer.iterations) == 9
    live.save(tmp_path / "theirs.keras")
    live.save(tmp_path / "theirs.h5")
    live.save_weights(tmp_path / "theirs.weights.h5")
    expected = fitted(live, rows)
    assert_close(ours.get_weights(), expected)
    for file in ("theirs.keras", "theirs.h5"):
        back = foldnet.load_model(tmp_path / file)
        assert back.optimizer.iterations == 9
        assert_close(fitted(back, rows), expected)

    # Weights and state alone, in both directions.
    live.load_weights(tmp_path / "ours.weights.h5")
    assert int(live.optimizer.iterations) == 9
    assert_close(ours.get_weights(), fitted(live, rows))
    ours.load_weights(tmp_path / "theirs.weights.h5")
    assert_close(fitted(ours, rows), expected)

    # foldnet's own, bit for bit.
    mine = [fitted(foldnet.load_model(tmp_path / f"ours.{ending}"), rows) for ending in ("keras", "h5")]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*mine, strict=True))
    assert_close(mine[0], expected)
