"""Networks of convolutions and steps with one fault each, or nearly with it."""

import numpy as np

from foldnet import Model, Sequential, layers
from foldnet.insight.doctor.context import Context
from foldnet.utils import set_random_seed
from tests.insight.doctor.doctor_networks import D, filled, functional, stack


def seen(*parts, shape=(24, 24, 2), said="channels_last"):
    """Convolutions and what follows them, then a pooling of all positions."""
    pooling = (layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D)[len(shape) - 2]
    return stack(*parts, pooling(data_format=said), D(2), shape=shape)


def phrases(length, rows=None):
    """Windows of five words, of which the largest value counts."""
    words = layers.Embedding(9, 4), layers.Conv1D(4, 5, activation="relu"), layers.GlobalMaxPooling1D()
    model = stack(*words, D(1), shape=(length,))
    x = None if rows is None else np.random.default_rng(0).integers(0, 9, (40, rows))
    return Context(model, x)


def branches(*sizes):
    """Convolutions of these sizes beside each other, joined before the pooling."""

    def build(x):
        parts = [layers.Conv2D(2, n, padding="same", activation="relu")(x) for n in sizes]
        return D(2)(layers.GlobalMaxPooling2D()(layers.Concatenate()(parts)))

    return functional((12, 12, 1), build)


def squeezed(last):
    """A mean over all positions that weighs the channels of every position, before the last layer."""

    def build(x):
        y = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
        weight = D(4, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(y))
        return D(2)(last(layers.Multiply()([y, weight])))

    return functional((12, 12, 1), build)


def pictures_in_turn(*parts):
    """For each step of a sequence a network of convolutions."""
    picture = layers.Input((14, 14, 1))
    y = picture
    for part in (*parts, layers.GlobalAveragePooling2D()):
        y = part(y)
    steps = layers.TimeDistributed(filled(Model(picture, y)))
    return stack(steps, layers.LSTM(3), D(1), shape=(3, 14, 14, 1))


def drawn(*parts):
    """A Sequential with weights as at the start, always the same."""
    set_random_seed(0)
    model = Sequential(list(parts))
    model.get_weights()
    return model


def sequences(rows=60, steps=12, seed=9):
    return np.random.default_rng(seed).normal(size=(rows, steps, 4)).astype(np.float32)


def gated(layer, size=1.0, parts=(), value=0.0, x=None, count=None):
    """A recurrent layer of weights as at the start, times ``size``; in some parts of its bias there is a number.

    Args:
        parts: numbers of the gates in the layer's order, of both directions.
        count: of how many units; None for all.
    """
    x = sequences() if x is None else x
    network = drawn(layers.Input(x.shape[1:]), layer, D(1))
    weights = [w * size for w in layer.get_weights()]
    for w in weights:
        if w.ndim == 1 or w.shape[0] == 2:
            for part in parts:
                units = getattr(layer, "forward_layer", layer).units
                w[..., part * units : part * units + (count or units)] = value
    layer.set_weights(weights)
    return Context(network, x)


def events(rarely):
    """A GRU that takes a step in only at events, of which there is one in each row, or none."""
    x = sequences(steps=60)
    x[..., 3] = 0
    if rarely:
        x[np.arange(60), np.random.default_rng(0).integers(0, 60, 60), 3] = 1
    gru = layers.GRU(8)
    context = gated(gru, x=x, parts=[0], value=10)
    kernel, recurrent, bias = gru.get_weights()
    kernel[:, :8] = np.array([0, 0, 0, -40])[:, None]
    gru.set_weights([kernel, recurrent * 0.1, bias])
    return context


def padded_steps(seed=9):
    """Sequences of one to ten steps, then zeros, and a Masking."""
    x = sequences(seed=seed)
    x[np.arange(12) >= np.random.default_rng(seed).integers(1, 11, (60, 1))] = 0
    return x


def texts(count=120, steps=24, at_end=True, code=0, shortest=3):
    """Rows of words with different lengths, padded to one."""
    generator = np.random.default_rng(2)
    x = generator.integers(1, 40, (count, steps))
    lengths = generator.integers(shortest, steps + 1, count)
    x[np.arange(steps) >= lengths[:, None]] = code
    return x if at_end else np.stack([np.roll(row, steps - n) for row, n in zip(x, lengths, strict=True)])


def read(x, *parts, length=24, **embedding):
    """A network of words on rows; its embedding is larger than at the start."""
    table = layers.Embedding(41, 6, **embedding)
    model = drawn(layers.Input((length,)), table, *parts, D(1))
    table.set_weights([np.random.default_rng(0).uniform(-0.5, 0.5, (41, 6))])
    return Context(model, x)


def signals(value=0.0, **settings):
    """Sequences of numbers, padded to one length."""
    x = np.random.default_rng(4).normal(size=(120, 24, 3)).astype(np.float32)
    x[texts(**settings) == 0] = value
    return x


def followed(x, *parts):
    return Context(drawn(layers.Input(x.shape[1:]), *parts, D(1)), x)


def flat_at_the_end(share=0.1):
    """Signals of which some end in equal values."""
    x = np.random.default_rng(4).normal(size=(120, 24, 2)).astype(np.float32)
    for row in range(int(share * 120)):
        x[row, 10 + row % 9 :] = 0
    return x


def pictures(count=120):
    """Rows of pixels: a bright square on black, wherever it may be."""
    generator = np.random.default_rng(5)
    x = np.zeros((count, 16, 16), np.float32)
    for picture in x:
        top, left = generator.integers(2, 7, 2)
        picture[top : top + 7, left : left + 7] = generator.uniform(0.1, 1, (7, 7))
    return x


def letters(count=120, steps=20):
    """One-hot texts of four letters of which many end in the same one, and none begins with it."""
    codes = np.random.default_rng(6).choice(4, (count, steps), p=[0.7, 0.1, 0.1, 0.1])
    codes[:, 0] = 1
    return np.eye(4, dtype=np.float32)[codes]


def laid(shape, layer, *parts, x=None):
    """A layer that reads an input of this shape, after other parts."""
    model = stack(*parts, layer, layers.Flatten(), D(1), shape=shape)
    return Context(model, x)


def smooth(shape, *axes, count=30):
    """Running sums of noise along some axes, which neighbours have in common."""
    x = np.random.default_rng(7).normal(size=(count, *shape))
    for axis in axes:
        x = x.cumsum(axis=axis)
    return x.astype(np.float32)
