"""Networks made sick in one way each, by more or less."""

import numpy as np

from foldnet import Model, layers
from foldnet.insight.doctor.context import Context
from tests.insight.doctor.doctor_networks import D, N, data, filled, functional, network, rows, settled, stack

B = layers.BatchNormalization


def put(model, layer, **weights):
    """The network with these weights of one layer set; a number stands for all values."""
    found = model.get_layer(layer)
    for name, value in weights.items():
        found.set_weight(name, np.broadcast_to(value, found.named_weights[name].shape))
    return model


def compiled(model, loss):
    model.compile("adam", loss)
    return model


def steps(model, count, x=None, y=None):
    return Context(model, x, y, steps=count)


def block(norm=None, seed=0):
    return stack(D(8, name="d"), norm or B(name="bn"), layers.ReLU(), D(1), seed=seed)


def after(share, **settings):
    """Statistics of which a share is still 0 and 1, of a network that is otherwise settled."""
    x = rows()
    model = settled(block(B(name="bn", **settings)), x)
    bn = model.get_layer("bn")
    return put(
        model, "bn", moving_mean=bn.moving_mean * (1 - share),
        moving_variance=bn.moving_variance * (1 - share) + share,
    ), x  # fmt: skip


def dropped(rate, mean=0.0):
    x = rows()
    model = settled(
        stack(D(16, name="d", activation="relu"), layers.Dropout(rate, name="drop"), N(name="bn"), D(1)), x
    )
    bn = model.get_layer("bn")
    learned = (bn.moving_variance + bn.moving_mean**2) / (1 - rate) - bn.moving_mean**2
    return put(model, "bn", moving_variance=learned), x


def time_steps(axis, x_only=False):
    generator = np.random.default_rng(5)
    x = (generator.normal(size=(300, 6, 4)) + np.array([0, 40, -40, 9])).astype(np.float32)
    if x_only:
        return settled(stack(B(axis=axis, name="bn"), layers.Flatten(), D(1), shape=(6, 4)), x), x
    return stack(D(4), B(axis=axis, name="bn"), layers.ReLU(), layers.Flatten(), D(1), shape=(6, 4))


def siamese(apart):
    x = [rows(seed=1), rows(seed=2) + np.float32(apart)]
    a, b = layers.Input((5,)), layers.Input((5,))
    bn = B(name="bn")
    model = Model([a, b], layers.Subtract()([bn(a), bn(b)]))
    return model, x


def through(training, rate=0.3):
    return functional(
        (5,), lambda x: D(1)(layers.Dropout(rate, name="drop")(D(8, activation="relu")(x), training=training))
    )


def batch_mode(model):
    """The network as a prediction function that normalizes by the batch it is given."""
    return lambda x: (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-3)


def replicas(ratio):
    x = rows(2000)
    model = settled(block(), x)
    return put(model, "bn", moving_variance=model.get_layer("bn").moving_variance * ratio), x


def exchanged(swap):
    x = rows() + 3
    model = settled(stack(B(name="bn"), D(1)), x)
    bn = model.get_layer("bn")
    mean, variance = bn.moving_mean.numpy(), bn.moving_variance.numpy()
    return put(model, "bn", moving_mean=variance, moving_variance=mean) if swap else model, x


def averaged(use_ema, off):
    x, _ = data("number")
    model = network("relu-norm", "number", use_ema=use_ema)
    settled(filled(model), x)
    name = next(layer.name for layer in model.layers if isinstance(layer, B))
    put(model, name, moving_mean=model.get_layer(name).moving_mean + off)
    return model, x


def dead(count, units=8):
    model = stack(D(units, activation="relu", name="d"), D(1))
    bias = np.zeros(units)
    bias[:count] = -50
    return put(model, "d", bias=bias), rows()


def hard(size, activation="tanh"):
    model = stack(D(8, activation=activation, name="d"), D(1))
    model.get_layer("d").set_weight("kernel", model.get_layer("d").kernel * size)
    return model, rows()


def swapped_gamma(gamma, beta):
    values = np.array([0.1, -0.1, 0.05, 0.0, -0.08, 0.12, 0.02, -0.03])
    return put(block(), "bn", gamma=values + gamma, beta=beta + values)


def script(line):
    return (
        "from keras import layers\nmodel = Sequential()\nmodel.add(layers.Dense(4))\n"
        f"{line}\nmodel.add(layers.Dense(1))\nout = layers.Dense(2)(x)\nprint(out)\n"
    )


def shape_fixed():
    x = layers.Input(batch_shape=(8, 5))
    return Model(x, B(axis=0, name="bn")(x))


def formats(axis, said):
    class Conv(layers.Rescaling):
        data_format = said

    return stack(
        Conv(1.0, name="conv"), B(axis=axis, name="bn"), layers.ReLU(), layers.Flatten(data_format="channels_first"),
        D(1), shape=(3, 4, 5),
    )  # fmt: skip


def two_formats(first, second, *between):
    return stack(
        layers.Conv2D(4, 3, padding="same", data_format=first, name="one"), *between,
        layers.Conv2D(3, 2, data_format=second, activation="relu", name="two"), layers.Flatten(), D(1), shape=(4, 4, 4),
    )  # fmt: skip


def pooled_in_other_format(said):
    return stack(
        layers.Conv2D(4, 2, data_format="channels_first", activation="relu", name="one"), B(axis=1, name="bn"),
        layers.GlobalAveragePooling2D(data_format=said), D(1), shape=(2, 5, 5),
    )  # fmt: skip


def convolved(norm, said="channels_last"):
    return stack(
        layers.Conv2D(3, 2, data_format=said, name="conv"), norm, layers.ReLU(),
        layers.MaxPooling2D(2, data_format=said), layers.Flatten(), D(1), shape=(5, 5, 5),
    )  # fmt: skip


def words(*parts, mask_zero=True):
    return stack(layers.Embedding(9, 4, mask_zero=mask_zero, name="table"), *parts, D(1), shape=(6,))


def with_states(handed_on=None):
    x, start = layers.Input((6,), dtype="int32"), layers.Input((3,))
    table = layers.Embedding(9, 4, mask_zero=True, name="table")
    settings = {} if handed_on is None else {"mask": layers.Input((6,), name="mask")}
    y = layers.GRU(3)(table(x), initial_state=[start], **settings)
    return Model([x, start, *settings.values()], D(1)(y))


def remembering(layer):
    x = layers.Input(batch_shape=(4, 5, 2))
    return Model(x, D(1)(layer(x)))


def old(version, **settings):
    model = block(B(name="bn", **settings))
    model.keras_version = version
    return model


def images(size, version="2.15.0"):
    model = stack(B(name="bn"), layers.Flatten(), D(1), shape=(size, size, 2))
    model.keras_version = version
    return model


def far(distance):
    x = rows() + np.float32(distance)
    return settled(stack(B(name="bn"), D(1)), x), x


def small_inputs(scale):
    """A first normalization with one feature of this standard deviation."""
    x = rows() * np.array([1, 1, scale, 1, 1], np.float32)
    return settled(stack(B(name="bn"), D(4, activation="relu"), D(1)), x), x


def output(activation, units, loss):
    return compiled(stack(D(8, activation="relu"), D(units, activation=activation, name="out")), loss)


def with_x(model, x=None, y=None):
    return Context(model, rows() if x is None else x, y)


def _placed(kind):
    """A normalization among convolutions or steps, its network, and rows: images, sequences, padded words."""
    generator = np.random.default_rng(7)
    x = generator.normal(size=(150, 5, 6, 3)).astype(np.float32) * [1, 2, 3] + [0, 3, 1]
    sequence = generator.normal(size=(150, 6, 4)).astype(np.float32) * [1, 2, 3, 1] + [0, 3, 1, 9]
    conv, flat = layers.Conv2D(4, 3, padding="same", name="conv"), layers.Flatten()
    if kind == "padded":
        x = generator.integers(1, 9, (150, 6))
        x[np.arange(6) >= generator.integers(1, 7, (150, 1))] = 0
        return (norm := B(name="bn")), words(norm, layers.LSTM(3)), x
    if kind == "steps":
        norm = B(name="inside")
        return (
            norm,
            stack(layers.TimeDistributed(norm, name="bn"), layers.LSTM(3), D(1), shape=(6, 4)),
            sequence,
        )
    if kind == "network":
        inside = layers.Input((4,))
        norm = B(name="bn")
        network = filled(Model(inside, layers.ReLU()(norm(D(5, name="d")(inside)))))
        steps = layers.TimeDistributed(network, name="steps")
        return norm, stack(steps, layers.GlobalAveragePooling1D(), D(1), shape=(6, 4)), sequence
    if kind == "first":
        conv = layers.Conv2D(4, 3, padding="same", data_format="channels_first", name="conv")
        norm, x = B(axis=1, name="bn"), x.transpose(0, 3, 1, 2)
        return norm, stack(conv, norm, layers.ReLU(), flat, D(1), shape=x.shape[1:]), x
    norm = B(axis=[1, 2, 3] if kind == "list" else -1, name="bn")
    return norm, stack(conv, norm, layers.ReLU(), flat, D(1), shape=x.shape[1:]), x


PLACES = ("last", "first", "list", "padded", "steps", "network")


def placed(kind, off):
    """The statistics of these rows, moved off by so many deviations."""
    norm, model, x = _placed(kind)
    settled(model, x)
    deviation = np.sqrt(norm.moving_variance.numpy())
    norm.set_weight("moving_mean", norm.moving_mean + off * deviation)
    norm.set_weight("moving_variance", norm.moving_variance * (1 + off) ** 2)
    return with_x(model, x)


def dead_channels(count, said, apart=False):
    """A convolution with channels that its ReLU, or the one after its normalization, never lets through."""
    shape = (6, 5, 3) if said == "channels_last" else (3, 6, 5)
    x = np.random.default_rng(8).normal(size=(40, *shape)).astype(np.float32)
    off = np.where(np.arange(4) < count, -50, 0)
    if apart:
        norm = B(axis=-1 if said == "channels_last" else 1, name="bn")
        parts = [layers.Conv2D(4, 3, data_format=said, use_bias=False), norm, layers.ReLU(name="d")]
        return with_x(put(settled(stack(*parts, layers.Flatten(), D(1), shape=shape), x), "bn", beta=off), x)
    conv = layers.Conv2D(4, 3, data_format=said, activation="relu", name="d")
    return with_x(put(stack(conv, layers.Flatten(), D(1), shape=shape), "d", bias=off), x)


def hard_states(layer, size):
    """A recurrent layer whose states are at their limits, if its kernel is large."""
    x = np.random.default_rng(9).normal(size=(60, 5, 4)).astype(np.float32)
    model = stack(layer, D(1), shape=(5, 4))
    layer.set_weights([w * size for w in layer.get_weights()])
    return with_x(model, x)


def windows(*parts):
    return lambda: stack(*(part() for part in parts), shape=(9, 9, 3))


def _read_twice(x):
    """A first convolution that is read by a branch and past it."""
    y = layers.Conv2D(8, 3, padding="same")(x)
    return layers.Add()([y, layers.Conv2D(8, 3, padding="same", activation="relu")(y)])


def _conv(filters, window, **settings):
    return lambda: layers.Conv2D(filters, window, **settings)


TWO_CONVOLUTIONS = [
    (windows(_conv(8, 3), B, _conv(8, 3)), "warning"),
    (windows(_conv(8, 3), _conv(8, 1)), "warning"),
    (windows(_conv(8, 3), layers.ReLU, _conv(8, 3)), None),
    (windows(_conv(8, (3, 1)), _conv(8, (1, 3))), None),
    (windows(_conv(2, 1), _conv(8, 3)), None),
    (windows(_conv(9, 3, groups=3), _conv(9, 1)), None),
    (lambda: functional((9, 9, 3), _read_twice), None),
]
"""Convolutions one after the other: without an activation between them, and those that are meant so."""
