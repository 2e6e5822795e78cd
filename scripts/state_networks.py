"""Networks whose training is stopped in one library and goes on in another.

Each has weights of the same shapes in several layers, so that variables of an optimizer in a wrong order fit, and only
the training shows it. A function gets a library's layers and its ``Model``, and returns input and features.

``tests/files/test_states_of_layers.py`` has foldnet and Keras 3 take turns; ``make_state_fixtures.py`` records where
tf_keras goes, and ``check_tf_keras_reads.py`` has it go on from foldnet's files.
"""

import numpy as np

SETTINGS = {"batch_size": 8, "shuffle": False, "verbose": 0}
ROWS = 24


def convolutions(lib, model):
    """Convolutions with kernels of the same shapes, normalized by channels and by rows of pixels."""
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


def lists(lib, model):
    """Normalizations of several axes, which Keras 3 does not have."""
    x = lib.Input((5, 5, 4))
    y = lib.Conv2D(4, 3, padding="same", activation="tanh")(x)
    y = lib.BatchNormalization(axis=[1, 2, 3], momentum=0.8)(y)
    y = lib.Conv2D(4, 3, padding="same", activation="tanh")(y)
    y = lib.BatchNormalization(axis=[1, 3], momentum=0.7, scale=False)(y)
    y = lib.BatchNormalization(axis=[2, 3], momentum=0.7)(lib.DepthwiseConv2D(3)(y))
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
    """Recurrent layers whose kernels have the same shapes, in both directions and stacked, one of them frozen."""
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
    stacked.cell.cells[1].trainable = False
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
    """Attention with several inner layers, and what only Keras 3 keeps in files."""
    x = lib.Input((5, 4))
    y = lib.MultiHeadAttention(2, 2, value_dim=2)(x, lib.Dense(4)(x))
    y = lib.GroupQueryAttention(2, 2, 1)(y, x)
    y = lib.BatchNormalization(momentum=0.8)(y)
    both = lib.Bidirectional(lib.GRU(2, return_sequences=True))
    y = both(lib.AdditiveAttention()([y, x]))
    both.forward_layer.trainable = False
    y = lib.EinsumDense("abc,cde->abde", (5, 2, 2), bias_axes="de")(y)
    y = lib.SpectralNormalization(lib.Conv2D(3, 2, activation="tanh"), power_iterations=2)(y)
    return x, lib.SpectralNormalization(lib.Dense(4))(lib.Flatten()(y))


def at_every_step(lib, model):
    """Statistics and kernels that every step moves: layers of their own and in a network, by row and by channel."""
    x = lib.Input((3, 6, 4))
    y = lib.TimeDistributed(lib.Conv1D(4, 3, padding="same", activation="tanh"))(x)
    y = lib.TimeDistributed(lib.BatchNormalization(momentum=0.8))(y)
    y = lib.TimeDistributed(lib.BatchNormalization(axis=1, momentum=0.7, center=False))(y)
    inside = lib.Input((6, 4))
    z = lib.BatchNormalization(momentum=0.6)(lib.SeparableConv1D(4, 3, activation="tanh")(inside))
    y = lib.TimeDistributed(model(inside, lib.DepthwiseConv1D(3, use_bias=False)(z)))(y)
    y = lib.TimeDistributed(lib.Flatten())(y)
    y = lib.Bidirectional(lib.LSTM(4, return_sequences=True))(y)
    y = lib.BatchNormalization(momentum=0.8)(y)
    return x, lib.Bidirectional(lib.GRU(4), merge_mode="mul")(y)


def shared(lib, model):
    """Layers that are used by themselves and inside others, each with one state."""
    x = lib.Input((3, 4))
    dense, norm = (
        lib.Dense(4, activation="tanh", kernel_regularizer="l2"),
        lib.BatchNormalization(momentum=0.8),
    )
    y = lib.TimeDistributed(dense)(dense(x))
    inside = lib.Input((4,))
    inner = model(inside, norm(lib.Dense(4, use_bias=False)(inside)))
    y = lib.TimeDistributed(inner)(y)
    back = lib.GRU(4, go_backwards=True, return_sequences=True)
    y = lib.Bidirectional(lib.GRU(4, return_sequences=True), backward_layer=back, merge_mode="sum")(back(y))
    cell = lib.SimpleRNNCell(4)
    y = lib.RNN([cell, cell])(lib.RNN(cell, return_sequences=True)(y))
    return x, dense(inner(y))


# Attention's key bias has no gradient but rounding, whose sign Adam would follow with a smaller epsilon.
NETWORKS = {
    "convolutions": (convolutions, ("Adam", {"learning_rate": 0.01, "amsgrad": True})),
    "channels_first": (channels_first, ("SGD", {"learning_rate": 0.01, "momentum": 0.9, "nesterov": True})),
    "lists": (lists, ("Adagrad", {"learning_rate": 0.02})),
    "along_time": (along_time, ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.05})),
    "recurrence": (recurrence, ("RMSprop", {"learning_rate": 0.003, "momentum": 0.5})),
    "words": (words, ("Adamax", {"learning_rate": 0.01, "epsilon": 1e-3})),
    "heads": (heads, ("Adam", {"learning_rate": 0.01, "epsilon": 1e-3})),
    "at_every_step": (at_every_step, ("Nadam", {"learning_rate": 0.01})),
    "shared": (shared, ("Adam", {"learning_rate": 0.01, "amsgrad": True})),
}
"""By name: the network, and the optimizer that trains it."""

NOT_IN_KERAS_3 = ("lists",)
SHARED_IN_KERAS_3_FILES = ("shared",)
"""Keras 3 opens foldnet's files of it, not its own, and its ``.h5`` has the shared layers as several."""
NOT_IN_TF_KERAS = ("heads", "shared", "at_every_step")
"""The last since tf_keras normalizes the values of all steps of a TimeDistributed together."""


def network_of(lib, model, name):
    """One of the networks, with two outputs."""
    x, y = NETWORKS[name][0](lib, model)
    return model(x, lib.Dense(2)(y))


def rows_of(network):
    """Rows for a network: numbers, or padded sentences of words, and targets."""
    rng = np.random.default_rng(4)
    shape = tuple(network.inputs[0].shape)[1:]
    if "int" in str(network.inputs[0].dtype):
        x = rng.integers(1, 9, (ROWS, *shape))
        x[np.arange(shape[0]) >= rng.integers(1, shape[0] + 1, (ROWS, 1))] = 0
    else:
        x = rng.normal(0.5, 1.5, (ROWS, *shape)).astype(np.float32)
    return x, rng.normal(size=(ROWS, 2)).astype(np.float32)
