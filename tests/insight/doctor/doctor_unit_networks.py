"""Networks whose units had no gradient, or are copies of each other, and networks nearly so."""

import numpy as np

from foldnet import Model, Sequential, constraints, layers, optimizers, regularizers
from foldnet.insight.doctor.context import Context
from tests.insight.doctor.doctor_networks import D, filled, rows, stack
from tests.insight.doctor.doctor_sick import B, put

STEPS = 100


def untouched(*names, steps=STEPS, end=None, **settings):
    """A network after some steps, with biases of 0 in these layers."""
    last = D(2, name="out", **(end or {}))
    model = stack(D(8, activation="relu", name="a"), D(6, activation="relu", name="b", **settings), last)
    for name in names:
        put(model, name, bias=0)
    return Context(model, steps=steps)


def untouched_before(*between):
    """A Dense with a bias of 0 before these layers."""
    model = stack(D(6, name="a"), *between, layers.ReLU(), D(1, name="out"))
    return Context(put(model, "a", bias=0), steps=STEPS)


def one_unit_moved():
    bias = np.zeros(6)
    bias[2] = 1e-20
    return Context(put(untouched("b").network, "b", bias=bias), steps=STEPS)


def fresh_states(layer, moved=0.0):
    """A recurrent layer whose biases are those it started with, moved by this."""
    model = Sequential([layers.Input((5, 3)), layer, D(1, name="out")])
    put(model, "out", bias=0.1)
    for weight in layer.weights:
        if weight.name.endswith("bias"):
            layer.set_weight(weight.name, weight + np.float32(moved))
    return Context(model, steps=STEPS)


def image_layers(bias):
    model = stack(layers.Conv2D(4, 2, activation="relu", name="a"), layers.Flatten(), D(1), shape=(4, 4, 2))
    return Context(put(model, "a", bias=bias), steps=STEPS)


def two_outputs(loss, weights=None):
    """Two outputs, of which the second one's bias is 0."""
    x = layers.Input((5,))
    y = D(8, activation="relu")(x)
    model = filled(Model(x, [D(1, name="one")(y), D(3, name="two")(y)]))
    model.compile("adam", loss, loss_weights=weights)
    return Context(put(model, "two", bias=0), steps=STEPS)


def compared():
    """A network that compares two rows: the bias of its shared end is subtracted from itself."""
    one, two = layers.Input((5,)), layers.Input((5,))
    score = stack(D(8, activation="relu"), D(1, name="score"))
    model = Model([one, two], layers.Subtract()([score(one), score(two)]))
    return Context(put(score, "score", bias=0) and model, steps=STEPS)


def held(what):
    """A bias that its own settings, or the optimizer's, hold at 0."""
    if what == "ftrl":
        context = untouched("b")
        context.network.compile(optimizers.Ftrl(0.1, l1_regularization_strength=0.5), "mse")
        return context
    settings = {"bias_constraint": constraints.NonNeg(), "bias_regularizer": regularizers.L1(0.1)}
    return untouched("b", **{what: settings[what]})


def accumulating(steps):
    context = untouched("out", steps=steps)
    context.network.compile(optimizers.Adam(gradient_accumulation_steps=50), "mse")
    return context


UNTOUCHED = [
    (lambda: untouched("out"), "error"),
    (lambda: untouched("a", "b", "out"), "error"),
    (lambda: untouched("out", end={"activation": "softmax"}), "error"),
    (lambda: untouched("b"), "warning"),
    (lambda: untouched("a", "b"), "warning"),
    (lambda: image_layers(0), "warning"),
    (lambda: two_outputs("mse"), "error"),
    (lambda: fresh_states(layers.LSTM(4)), "warning"),
    (lambda: fresh_states(layers.LSTM(4, unit_forget_bias=False)), "warning"),
    (lambda: fresh_states(layers.Bidirectional(layers.GRU(4))), "warning"),
    (lambda: accumulating(600), "error"),
    (lambda: untouched("out", end={"trainable": False}), "error"),
    (lambda: untouched("b", trainable=False), "note"),
    (lambda: untouched("out", steps=5), "note"),
    (lambda: accumulating(400), "note"),
    (lambda: two_outputs(["mse", None]), "note"),
    (lambda: two_outputs(["mse", "mse"], [1.0, 0.0]), "note"),
    (lambda: untouched(), None),
    (lambda: Context(untouched("out").network), None),  # nothing says that it was trained
    (lambda: untouched(use_bias=False), None),
    (one_unit_moved, None),
    (lambda: image_layers(0.1), None),
    (lambda: untouched("b", bias_initializer="ones"), None),
    (lambda: fresh_states(layers.LSTM(4), 1e-6), None),
    (lambda: fresh_states(layers.Bidirectional(layers.GRU(4)), 1e-6), None),
    (lambda: untouched_before(B()), None),
    (lambda: untouched_before(layers.Dropout(0.1), layers.LayerNormalization()), None),
    (compared, None),
    *((lambda what=what: held(what), None) for what in ("bias_constraint", "bias_regularizer", "ftrl")),
]  # fmt: skip


def copied(count, units=8, steps=STEPS, **settings):
    """A network of which so many units of a hidden layer are the same."""
    model = stack(D(units, activation="tanh", name="a", **settings), D(1))
    for name, value in model.get_layer("a").named_weights.items():
        value = value.copy()
        value[..., :count] = value[..., :1]
        put(model, "a", **{name: value})
    return Context(model, steps=steps)


def constant(layer, shape, value=0.5, moved=0.0):
    """A layer whose weights are one number each, as they began; ``moved`` changes one of them."""
    model = stack(layer, layers.Flatten(), D(1, name="out"), shape=shape)
    for name, weight in layer.named_weights.items():
        weight = np.full(weight.shape, value)
        weight.flat[-1] += moved
        layer.set_weight(name, weight)
    return Context(model, steps=STEPS)


def pruned(count):
    context = copied(0)
    kernel, bias = (context.network.get_layer("a").named_weights[n].copy() for n in ("kernel", "bias"))
    kernel[:, :count], bias[:count] = 0, 0
    return Context(put(context.network, "a", kernel=kernel, bias=bias), steps=STEPS)


def never_trained(last):
    """Ones in the first kernel, and ones or random numbers in the second: only the latter can part its units."""
    return Context(Sequential([
        layers.Input((5,)), D(8, activation="tanh", kernel_initializer="ones"), layers.Dropout(0.1),
        D(3, kernel_initializer=last),
    ]))  # fmt: skip


def equal_classes(activation):
    model = stack(D(8, activation="tanh"), D(3, activation=activation, name="out"))
    kernel = np.repeat(model.get_layer("out").named_weights["kernel"][:, :1], 3, axis=1)
    return Context(put(model, "out", kernel=kernel, bias=0.2), steps=STEPS)


def table(equal):
    """An Embedding whose codes all have the same vector."""
    model = stack(layers.Embedding(9, 4, name="table"), layers.GlobalAveragePooling1D(), D(1), shape=(6,))
    vectors = model.get_layer("table").named_weights["embeddings"].copy()
    vectors[:equal] = vectors[0]
    return Context(put(model, "table", embeddings=vectors), steps=STEPS)


def states_apart():
    """The same weights for the inputs of all units, but not for the states."""
    context = constant(layers.LSTM(4, name="rnn"), (4, 3))
    layer = context.network.get_layer("rnn")
    (name,) = (n for n in layer.named_weights if n.endswith("recurrent_kernel"))
    layer.set_weight(name, np.random.default_rng(2).normal(size=(4, 16)))
    return context


COPIED = [
    (lambda: copied(8), "warning"),
    (lambda: copied(6), "warning"),
    (lambda: never_trained("ones"), "warning"),
    (lambda: constant(D(4), (5,), 0.0), "warning"),
    (lambda: constant(layers.Conv2D(4, 2), (4, 4, 3)), "warning"),
    (lambda: constant(layers.Conv2D(4, 2, groups=2), (4, 4, 6)), "warning"),
    (lambda: constant(layers.Conv1DTranspose(4, 2), (4, 3)), "warning"),
    (lambda: constant(layers.LSTM(4), (4, 3)), "warning"),
    (lambda: constant(layers.Bidirectional(layers.GRU(4)), (4, 3)), "warning"),
    (lambda: constant(layers.TimeDistributed(D(4)), (4, 3)), "warning"),
    (lambda: constant(layers.Embedding(9, 4), (4,)), "warning"),
    (lambda: table(9), "warning"),
    (lambda: equal_classes("softmax"), "error"),
    (lambda: copied(3), "note"),
    (lambda: copied(8, trainable=False), "note"),
    (lambda: never_trained("glorot_uniform"), "note"),
    (lambda: equal_classes(None), "note"),
    (lambda: copied(0), None),
    (lambda: pruned(6), None),
    (lambda: table(8), None),
    (lambda: constant(layers.DepthwiseConv2D(2), (4, 4, 3)), None),
    (lambda: constant(layers.Conv2D(6, 2, groups=6), (4, 4, 6)), None),
    (lambda: constant(D(1), (5,)), None),
    (states_apart, None),
    (lambda: constant(layers.LSTM(2), (4, 3), moved=0.01), None),
]  # fmt: skip


def broken(*parts, loss="mse", optimizer="sgd", x=None, y=None):
    """A network that training has left with nothing but NaN, and the data."""
    model = stack(*(parts or (D(4, activation="relu"), D(1))))
    model.compile(optimizer, loss)
    for layer in model.layers:
        for spec in layer.specs:
            layer.set_weight(spec.name, np.full(spec.shape, np.nan))
    x = rows() if x is None else x
    return Context(model, x, x[:, :1] if y is None else y)
