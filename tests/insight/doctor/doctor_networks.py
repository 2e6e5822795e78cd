"""Healthy networks, trained here on small data, and ways to make them sick."""

import functools

import numpy as np

from foldnet import Model, Sequential, layers, losses, optimizers
from foldnet.utils import set_random_seed

D = layers.Dense
N = functools.partial(layers.BatchNormalization, momentum=0.9)


def data(task, seed=0, rows=512):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 5)).astype(np.float32)
    signal = x[:, 0] + x[:, 1] * x[:, 2] + 0.5 * np.abs(x[:, 3])
    if task == "number":
        return x, signal[:, None].astype(np.float32)
    if task == "positive":
        return x, np.exp(0.5 * signal)[:, None].astype(np.float32)
    if task in ("two", "two-logits"):
        return x, (signal > 0.4)[:, None].astype(np.float32)
    label = np.digitize(signal, [-0.3, 0.8])
    if task == "labels":
        return x, label.astype(np.float32)
    return x, np.eye(3, dtype=np.float32)[label]


TASKS = {
    "number": (1, None, "mse"),
    "positive": (1, "softplus", "mae"),
    "two": (1, "sigmoid", "binary_crossentropy"),
    "two-logits": (1, None, losses.BinaryCrossentropy(from_logits=True)),
    "three": (3, "softmax", "categorical_crossentropy"),
    "labels": (3, "softmax", "sparse_categorical_crossentropy"),
}


def relu_then_norm():
    return [D(12, activation="relu"), N(), D(8, activation="relu"), N()]


def norm_then_relu():
    return [D(12, use_bias=False), N(), layers.ReLU(), D(8, use_bias=False), N(), layers.Activation("relu")]


STACKS = {
    "plain": lambda: [D(16, activation="relu"), D(8, activation="relu")],
    "relu-norm": relu_then_norm,
    "norm-relu": norm_then_relu,
    "norm-first": lambda: [N(), D(12, activation="relu")],
    "dropout-last": lambda: [D(16, activation="relu"), N(), layers.Dropout(0.2)],
    "light-dropout": lambda: [D(32, activation="tanh"), layers.Dropout(0.1), D(16, activation="relu")],
    "tanh": lambda: [D(12, activation="tanh"), D(8, activation="tanh")],
    "layer-norm": lambda: [
        D(12),
        layers.LayerNormalization(),
        layers.Activation("gelu"),
        D(8, activation="relu"),
    ],
    "leaky": lambda: [D(12), layers.LeakyReLU(0.1), N(scale=False), D(8, activation="elu")],
    "bottleneck": lambda: [D(16, activation="relu"), D(2), D(8, activation="relu")],
    "sigmoid": lambda: [D(12, activation="sigmoid"), N(epsilon=1e-5), D(8, activation="silu")],
    "selu": lambda: [D(12, activation="selu"), layers.AlphaDropout(0.05), D(8, activation="selu")],
    "default-momentum": lambda: [
        D(12, activation="relu"),
        layers.BatchNormalization(),
        D(8, activation="relu"),
    ],
    "no-center": lambda: [D(12, activation="softplus"), N(center=False), D(8, activation="relu")],
}

HEALTHY = [
    ("plain", "number"), ("relu-norm", "three"), ("norm-relu", "two"), ("norm-first", "labels"),
    ("dropout-last", "number"), ("light-dropout", "three"), ("tanh", "positive"), ("layer-norm", "two-logits"),
    ("leaky", "number"), ("bottleneck", "three"), ("sigmoid", "two"), ("selu", "number"),
    ("default-momentum", "labels"), ("no-center", "two-logits"),
]  # fmt: skip


def image_rows(seed=0):
    return np.random.default_rng(seed).normal(size=(200, 8, 8, 3)).astype(np.float32)


def word_rows(seed=0):
    generator = np.random.default_rng(seed)
    x = generator.integers(1, 12, (200, 7))
    for row in x[::2]:
        row[generator.integers(2, 7) :] = 0
    return x


def _residual(x):
    y = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    y = layers.ReLU()(N()(y))
    short = layers.Conv2D(4, 1)(x)
    y = layers.MaxPooling2D(2)(layers.Add()([y, short]))
    return D(3, activation="softmax")(layers.GlobalAveragePooling2D()(y))


def _planes(x):
    y = layers.Permute((3, 1, 2))(x)
    y = layers.Conv2D(4, 3, 2, data_format="channels_first", use_bias=False)(y)
    y = layers.Activation("relu")(N(axis=1)(y))
    y = layers.Concatenate(axis=1)([y, layers.DepthwiseConv2D(1, data_format="channels_first")(y)])
    return D(1)(layers.Flatten()(layers.AveragePooling2D(3, data_format="channels_first")(y)))


def _tagged(x):
    y = layers.Embedding(12, 4, mask_zero=True)(x)
    y = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(y)
    return layers.TimeDistributed(D(2, activation="softmax"))(y)


def _read(x):
    y = layers.Embedding(12, 4, mask_zero=True)(x)
    y = layers.GRU(4, return_sequences=True)(layers.SpatialDropout1D(0.1)(y))
    y, state = layers.GRU(4, return_sequences=True, return_state=True)(N()(y))
    return D(1)(layers.Concatenate()([layers.GlobalAveragePooling1D()(y), state]))


WITH_WINDOWS_AND_STEPS = {
    "residual": (_residual, image_rows), "planes": (_planes, image_rows),
    "tagged": (_tagged, word_rows), "read": (_read, word_rows),
}  # fmt: skip
"""Healthy convolutional and recurrent networks, and their data."""


def network(stack, task, **compile_settings):
    """Compiled, not trained."""
    units, activation, loss = TASKS[task]
    model = Sequential([layers.Input((5,)), *STACKS[stack](), D(units, activation=activation, name="out")])
    model.compile(optimizers.Adam(0.005, **compile_settings), loss)
    return model


def trained(stack, task, seed=0, epochs=40):
    """Trained to the end on data of its own."""
    set_random_seed(seed)
    x, y = data(task, seed)
    model = network(stack, task)
    model.fit(x, y, epochs=epochs, batch_size=32, verbose=0)
    return model, x, y


def filled(model, seed=0):
    """Random weights, as if trained; statistics are those of standard normal rows, layer by layer."""
    generator = np.random.default_rng(seed)
    for layer in model.layers:
        for spec in layer.specs:
            value = generator.normal(size=spec.shape)
            if spec.name == "kernel":
                value /= np.sqrt(spec.shape[0])
            elif spec.name in ("bias", "beta"):
                value *= 0.1
            elif spec.name == "gamma":
                value = 1 + 0.2 * np.abs(value)
            elif spec.name == "moving_variance":
                value = np.exp(0.2 * value)
            elif spec.name == "moving_mean":
                value *= 0.3
            layer.set_weight(spec.name, value)
    return model


def stack(*parts, shape=(5,), seed=0):
    """A filled Sequential of these layers."""
    return filled(Sequential([layers.Input(shape), *parts]), seed)


def functional(shape, build):
    x = layers.Input(shape)
    return filled(Model(x, build(x)))


def settled(model, x):
    """The network with the statistics that these rows have, layer by layer."""
    from foldnet.insight.doctor.context import Context
    from foldnet.insight.doctor.measure import Measurement

    measured = Measurement(Context(model, x))
    for path, drift in measured.drifts.items():
        layer = next(p.layer for p in Context(model).sites if p.path == path)
        layer.set_weight("moving_mean", drift.mean.reshape(layer.specs[-1].shape))
        layer.set_weight("moving_variance", drift.variance.reshape(layer.specs[-1].shape))
    return model


def rows(count=400, width=5, seed=1):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
