"""Networks that have learned a line, classes or nothing, made by hand."""

import numpy as np

from foldnet import Sequential, layers, optimizers
from foldnet.insight.doctor.context import Context
from tests.insight.doctor.doctor_networks import D, rows

X = rows(400, 3, seed=4)
W = np.array([[1.0], [-0.5], [0.3]])
Y = X @ W
NOISE = rows(400, 1, seed=8)
LABELS = np.argmax(X + 0.4 * rows(400, 3, seed=5), axis=1)
RARE = (np.sort(Y[:, 0])[-12] < Y).astype(np.int64)


def through_bends(out, activation=None, between=(), bias=0.0, width=3):
    """A network whose last layer gets the positive and the negative part of each input, so that it can be any line."""
    model = Sequential([
        layers.Input((width,)), D(2 * width, activation="relu"), *between, D(out.shape[1], activation=activation),
    ])  # fmt: skip
    eye = np.eye(width)
    first, last = model.layers[0], model.layers[-1]
    first.set_weights([np.concatenate([eye, -eye], axis=1), np.zeros(2 * width)])
    last.set_weights([np.concatenate([out, -out]), np.full(out.shape[1], bias)])
    return model


def learned(share, x=X, y=Y, steps=1000, **settings):
    """A network of 400 rows that gives this share of a line."""
    return Context(through_bends(W * share, **settings), x, y, steps=steps)


def classes(kernel, y=LABELS, bias=0.0):
    return Context(through_bends(np.asarray(kernel, float), "softmax", bias=bias), X, y, steps=1000)


def rare(share):
    """A class of which there are 3 %; the network says that no row has it, and ranks them, or does not."""
    return Context(through_bends(W * share, "sigmoid", bias=-9.0), X, RARE, steps=1000)


def few(share, y=None):
    return Context(through_bends(W * share), X[:8], Y[:8] if y is None else y, steps=1000)


def straight():
    """A linear network, of targets that have a curve."""
    model = Sequential([layers.Input((3,)), D(1)])
    model.layers[0].set_weights([W, [0.0]])
    return Context(model, X, Y + X[:, :1] ** 2 - 1, steps=1000)


def copying(share, noise=0.0):
    """An autoencoder that gives a share of its inputs."""
    model = through_bends(share * np.eye(3))
    return Context(model, (X + noise * rows(400, 3, seed=9)).astype(np.float32), X, steps=1000)


def compiled(rate, made=optimizers.Adam, share=None, steps=1000):
    """A network with this learning rate, with data if it is to have learned a share of them, else from a file alone."""
    model = through_bends(W * (share or 0))
    model.compile(made(rate), "mse")
    return Context(model, steps=steps) if share is None else Context(model, X, Y, steps=steps)


def stored(name, **settings):
    """The settings of a file, as Keras 2 and 3 write them."""
    model = through_bends(W)
    model.compile_config = {"optimizer": {"class_name": name, "config": settings}, "loss": "mse"}
    return Context(model, steps=1000)


def hardly(share, rate=1e-5, steps=100):
    """Adam has made few steps at a small learning rate."""
    return compiled(rate, share=share, steps=steps)


CASES = {
    "learns-less-than-a-simple-fit": [
        (lambda: learned(0), "error"), (lambda: learned(-0.3), "error"), (lambda: learned(0.5), "warning"),
        (lambda: learned(1, bias=3.0), "error"),
        (lambda: classes(np.zeros((3, 3))), "error"), (lambda: classes(np.diag([1, 1, 0])), "warning"),
        (lambda: rare(0), "error"), (lambda: few(0), "warning"), (lambda: few(-1), "warning"),
        (lambda: learned(0.5, between=[layers.Dropout(0.1)], bias=1.0), "warning"),
        (lambda: learned(0.3, between=[layers.Dropout(0.5)]), "warning"),
        (lambda: learned(2, between=[layers.Dropout(0.5)]), "error"),
        (lambda: learned(0.8), None), (lambda: learned(0.5, between=[layers.Dropout(0.5)]), None),
        (lambda: classes(np.eye(3)), None), (lambda: rare(1), None), (lambda: few(0.5), None),
        (lambda: straight(), None), (lambda: copying(0.2), None), (lambda: copying(0.2, noise=0.5), None),
        (lambda: learned(0, y=np.full((400, 1), 2.0)), None),
        (lambda: learned(0, y=NOISE), None), (lambda: learned(0.5, y=NOISE), None),
        (lambda: few(0, y=np.ones(8)), None), (lambda: learned(0, steps=0), None),
    ],
    "training-not-finished": [
        (lambda: learned(0.5, y=Y + NOISE / 5), "warning"), (lambda: learned(0.8, y=Y + NOISE / 2), None),
        (lambda: learned(0.5), "warning"), (lambda: learned(1, bias=0.5), "warning"),
        (lambda: classes(np.diag([1, 1, 0])), "warning"), (lambda: hardly(0.5), "warning"),
        (lambda: learned(0.95), None), (lambda: learned(0.6, between=[layers.Dropout(0.5)]), None),
        (lambda: classes(np.eye(3)), None), (lambda: hardly(0.95), None), (lambda: few(0.5), None),
        (lambda: copying(0.5), None), (lambda: straight(), None), (lambda: learned(0.5, steps=0), None),
    ],
    "learning-rate": [
        (lambda: compiled(-0.1, optimizers.SGD), "error"), (lambda: compiled(0.0, optimizers.SGD), "error"),
        (lambda: compiled(1.0), "warning"), (lambda: compiled(2.0, optimizers.RMSprop, share=0), "error"),
        (lambda: compiled(optimizers.schedules.ExponentialDecay(3.0, 10, 0.1)), "warning"),
        (lambda: stored("Adam", lr=5.0), "warning"), (lambda: stored("SGD", learning_rate=-1.0), "error"),
        (lambda: compiled(0.5), None), (lambda: compiled(1.0, optimizers.SGD), None),
        (lambda: compiled(1.0, share=1), None), (lambda: compiled(0.0, share=1), None),
        (lambda: compiled(optimizers.schedules.ExponentialDecay(0.1, 10, 0.1)), None),
        (lambda: stored("Adam"), None),
    ],
}  # fmt: skip
