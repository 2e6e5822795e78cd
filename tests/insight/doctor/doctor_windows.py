"""Networks of convolutions and steps with one fault each, or nearly with it."""

import numpy as np

from foldnet import Model, Sequential, layers
from foldnet.insight.doctor.context import Context
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


def squeezed():
    """A mean over all positions that weighs the channels of every position, before the last pooling."""

    def build(x):
        y = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
        weight = D(4, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(y))
        return D(2)(layers.GlobalAveragePooling2D()(layers.Multiply()([y, weight])))

    return functional((12, 12, 1), build)


def pictures_in_turn(*parts):
    """For each step of a sequence a network of convolutions."""
    picture = layers.Input((14, 14, 1))
    y = picture
    for part in (*parts, layers.GlobalAveragePooling2D()):
        y = part(y)
    steps = layers.TimeDistributed(filled(Model(picture, y)))
    return stack(steps, layers.LSTM(3), D(1), shape=(3, 14, 14, 1))


def sequences(rows=60, steps=12, seed=9):
    return np.random.default_rng(seed).normal(size=(rows, steps, 4)).astype(np.float32)


def gated(layer, size=1.0, parts=(), value=0.0, x=None, count=None):
    """A recurrent layer of weights as at the start, times ``size``; in some parts of its bias there is a number.

    Args:
        parts: numbers of the gates in the layer's order, of both directions.
        count: of how many units; None for all.
    """
    x = sequences() if x is None else x
    network = Sequential([layers.Input(x.shape[1:]), layer, D(1)])
    weights = [w * size for w in layer.get_weights()]
    for w in weights:
        if w.ndim == 1 or w.shape[0] == 2:
            for part in parts:
                units = getattr(layer, "forward_layer", layer).units
                w[..., part * units : part * units + (count or units)] = value
    layer.set_weights(weights)
    return Context(network, x)


def padded_steps(seed=9):
    """Sequences of one to ten steps, then zeros, and a Masking."""
    x = sequences(seed=seed)
    x[np.arange(12) >= np.random.default_rng(seed).integers(1, 11, (60, 1))] = 0
    return x
