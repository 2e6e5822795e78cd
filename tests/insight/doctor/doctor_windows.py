"""Networks of convolutions and steps with one fault each, or nearly with it."""

import numpy as np

from foldnet import Model, layers
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
