"""Networks whose targets do not fit their loss, output or metrics, and networks whose targets nearly do not."""

import numpy as np

from foldnet import layers, losses, metrics
from foldnet.insight.doctor.context import Context
from tests.insight.doctor.doctor_networks import D, rows, stack

COUNT = 60
CLASS = np.arange(COUNT) % 3
ONE_HOT = np.eye(3)[CLASS]
TWO = (np.arange(COUNT) % 4 == 0).astype(float)
NUMBERS = np.random.default_rng(3).normal(size=COUNT)
SHARES = np.random.default_rng(4).dirichlet([1, 2, 3], COUNT)
"""Rows of probabilities, as a larger network gives them to a smaller one."""
SEVERAL = (np.random.default_rng(5).uniform(size=(COUNT, 3)) < 0.4).astype(float)
"""Labels of which several may be 1 in a row, or none."""
PIXELS = np.random.default_rng(6).uniform(size=(COUNT, 5)).astype(np.float32)
LOGITS = losses.BinaryCrossentropy(from_logits=True)
CE, SPARSE, BCE = "categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy"
FREE, SIGMOID, SOFTMAX = None, "sigmoid", "softmax"


def given(units, activation, loss, y, metrics=None, x=None):
    """A network of so many outputs, with rows and these targets."""
    model = stack(D(8, activation="relu"), D(units, activation=activation, name="out"))
    model.compile("adam", loss, metrics=metrics)
    return Context(model, rows(len(y)) if x is None else x, y)


def autoencoder(loss, x, metrics=None):
    return given(x.shape[1], SIGMOID, loss, x, metrics, x)


def steps(loss, y, activation=SOFTMAX, units=3):
    """A network that gives one answer for each of four steps."""
    model = stack(layers.SimpleRNN(4, return_sequences=True), D(units, activation=activation), shape=(4, 5))
    model.compile("adam", loss)
    return Context(model, rows(COUNT * 4).reshape(COUNT, 4, 5), y)


def bad(y, value=np.nan):
    y = y.copy()
    y[:2] = value
    return y


def untrained(context):
    """The same, with the weights that a network starts from."""
    for layer in context.network.layers:
        for spec in layer.specs:
            if spec.name == "bias":
                layer.set_weight("bias", np.zeros(spec.shape))
    return context


def ruined(context):
    """The same after a step with NaN."""
    context.network.layers[-1].set_weight("bias", [np.nan])
    return context


def own_loss(y_true, y_pred):
    return (y_true - y_pred) ** 2


STEPS = np.arange(COUNT * 4).reshape(COUNT, 4) % 3

CASES = {
    "target-out-of-reach": [
        (lambda: given(1, SIGMOID, "mse", np.linspace(0, 9, 60)[:, None]), "error"),
        (lambda: given(1, "relu", "mse", np.linspace(-1, 99, 400)[:, None]), "warning"),
        (lambda: given(3, SOFTMAX, SPARSE, np.arange(COUNT) % 4), "error"),
        (lambda: given(3, SOFTMAX, SPARSE, CLASS + 1), "error"),
        (lambda: given(1, SIGMOID, BCE, 2 * TWO - 1), "error"),
        (lambda: given(1, FREE, LOGITS, 2 * TWO - 1), "error"),
        (lambda: given(1, FREE, LOGITS, NUMBERS), "error"),
        (lambda: given(1, SIGMOID, BCE, CLASS), "error"),
        (lambda: given(3, FREE, losses.CategoricalCrossentropy(from_logits=True), 5 * SHARES), "error"),
        (lambda: given(1, FREE, "poisson", NUMBERS), "error"),
        (lambda: given(1, FREE, "msle", bad(np.abs(NUMBERS), -1)), "warning"),
        (lambda: autoencoder(BCE, 255 * PIXELS), "error"),
        (lambda: given(1, SIGMOID, "mse", np.linspace(0, 1, 60)[:, None]), None),
        (lambda: given(3, SOFTMAX, SPARSE, CLASS), None),
        (lambda: given(3, SOFTMAX, losses.SparseCategoricalCrossentropy(ignore_class=-1), bad(CLASS, -1)), None),
        (lambda: given(1, FREE, LOGITS, TWO), None),
        (lambda: given(1, FREE, "poisson", np.floor(np.exp(NUMBERS))), None),
        (lambda: autoencoder(BCE, PIXELS), None),
        (lambda: given(1, "tanh", "hinge", 2 * TWO - 1), None),
        (lambda: given(1, FREE, "mse", NUMBERS * 1e6), None),
    ],
    "labels-and-loss": [
        # Class numbers that are not whole.
        (lambda: given(3, SOFTMAX, SPARSE, CLASS / 2), "error"),
        (lambda: given(3, SOFTMAX, SPARSE, CLASS - CLASS.mean() + 0.25), "error"),
        (lambda: steps(SPARSE, STEPS / 2), "error"),
        (lambda: given(3, SOFTMAX, SPARSE, CLASS.astype(float)[:, None]), None),
        (lambda: steps(SPARSE, STEPS), None),
        (lambda: given(3, SOFTMAX, losses.SparseCategoricalCrossentropy(ignore_class=255), bad(CLASS, 255)), None),
        # Another shape than the loss takes.
        (lambda: given(3, SOFTMAX, SPARSE, ONE_HOT), "error"),
        (lambda: given(3, SOFTMAX, CE, CLASS), "error"),
        (lambda: given(3, SOFTMAX, "categorical_hinge", CLASS[:, None]), "error"),
        (lambda: given(3, SOFTMAX, "mse", CLASS[:, None]), "error"),
        (lambda: given(1, FREE, "mse", ONE_HOT), "error"),
        (lambda: given(3, SIGMOID, BCE, TWO), "error"),
        (lambda: given(1, FREE, "mse", NUMBERS), None),
        (lambda: given(1, FREE, "mse", NUMBERS[:, None]), None),
        (lambda: given(1, FREE, own_loss, ONE_HOT), None),
        (lambda: steps("mse", NUMBERS[:, None] + np.zeros(4), FREE, 1), None),
        # Rows that do not add up to 1.
        (lambda: given(3, SOFTMAX, CE, SEVERAL), "error"),
        (lambda: given(3, FREE, losses.CategoricalCrossentropy(from_logits=True), SEVERAL), "error"),
        (lambda: given(3, SOFTMAX, CE, 0.8 * SHARES), "error"),
        (lambda: given(3, SOFTMAX, CE, bad(ONE_HOT, [1, 1, 0])), "warning"),
        (lambda: given(3, SOFTMAX, CE, bad(ONE_HOT, [0, 0, 0])), "note"),
        (lambda: given(3, SOFTMAX, CE, ONE_HOT), None),
        (lambda: given(3, SOFTMAX, CE, SHARES.round(2)), None),
        (lambda: given(3, SOFTMAX, CE, 0.9 * ONE_HOT + 0.1 / 3), None),
        (lambda: given(3, SOFTMAX, losses.CategoricalCrossentropy(label_smoothing=0.1), ONE_HOT), None),
        (lambda: given(3, SOFTMAX, "kl_divergence", SHARES), None),
        (lambda: given(3, FREE, "categorical_hinge", ONE_HOT), None),
        (lambda: steps(losses.CategoricalCrossentropy(axis=1), np.eye(4)[STEPS[:, :3]].swapaxes(1, 2)), None),
        # Classes as labels that may occur together.
        (lambda: given(3, SIGMOID, BCE, ONE_HOT), "warning"),
        (lambda: given(3, FREE, LOGITS, ONE_HOT), "warning"),
        (lambda: given(3, SIGMOID, BCE, ONE_HOT[:9]), "note"),
        (lambda: given(3, SIGMOID, BCE, SEVERAL), None),
        (lambda: given(3, SIGMOID, BCE, bad(ONE_HOT, [1, 1, 0])), None),
        (lambda: given(3, SIGMOID, BCE, 0.9 * ONE_HOT), None),
        (lambda: given(2, SIGMOID, BCE, np.eye(2)[CLASS % 2]), None),
        (lambda: autoencoder(BCE, np.eye(5, dtype=np.float32)[np.arange(COUNT) % 5]), None),
        # Labels in losses of numbers.
        (lambda: given(1, SIGMOID, "mae", TWO), "warning"),
        (lambda: given(1, FREE, "mae", TWO[:, None]), "warning"),
        (lambda: given(3, SOFTMAX, "mae", ONE_HOT), "warning"),
        (lambda: given(1, SIGMOID, "mse", TWO), "note"),
        (lambda: given(1, SIGMOID, "mape", TWO), "error"),
        (lambda: given(1, FREE, "mape", CLASS), "warning"),
        (lambda: given(1, FREE, "mse", TWO), None),
        (lambda: given(1, FREE, "mae", CLASS), None),
        (lambda: given(1, FREE, "mape", CLASS + 1), None),
        (lambda: given(5, SIGMOID, "mae", (PIXELS > 0.5).astype(float)), None),
        (lambda: autoencoder("mae", (PIXELS > 0.5).astype(np.float32)), None),
        # Hinges.
        (lambda: given(1, FREE, "hinge", CLASS), "error"),
        (lambda: given(1, FREE, "squared_hinge", bad(TWO, 7)), "warning"),
        (lambda: given(1, FREE, "hinge", TWO), None),
        (lambda: given(1, "tanh", "squared_hinge", 2 * TWO - 1), None),
    ],
    "constant-targets": [
        (lambda: given(1, FREE, "mse", np.full(COUNT, 7.5)), "error"),
        (lambda: given(1, SIGMOID, BCE, 0 * TWO), "error"),
        (lambda: given(3, SOFTMAX, CE, np.eye(3)[0 * CLASS]), "error"),
        (lambda: given(1, SIGMOID, BCE, 0 * TWO[:20]), "note"),
        (lambda: given(1, FREE, own_loss, 0 * TWO), "note"),
        (lambda: given(1, SIGMOID, BCE, bad(0 * TWO, 1)), None),
        (lambda: given(1, FREE, "mse", TWO[:1]), None),
        (lambda: given(3, FREE, "mse", NUMBERS[:, None] * [1, 0, 0]), None),
    ],
    "classes-missing": [
        (lambda: given(4, SOFTMAX, SPARSE, CLASS), "note"),
        (lambda: given(4, SOFTMAX, SPARSE, CLASS + 1), "note"),
        (lambda: given(5, SOFTMAX, CE, np.eye(5)[2 * CLASS]), "note"),
        (lambda: given(3, SOFTMAX, SPARSE, CLASS), None),
        (lambda: given(20, SOFTMAX, SPARSE, CLASS), None),
        (lambda: given(3, SOFTMAX, CE, SHARES), None),
    ],
    "unusable-targets": [
        (lambda: given(1, SIGMOID, BCE, np.array(["no", "yes"] * 30)), "note"),
        (lambda: given(1, FREE, "mse", bad(NUMBERS)), "note"),
        (lambda: untrained(given(1, FREE, "mse", bad(NUMBERS))), "error"),
        (lambda: ruined(given(1, FREE, "mse", bad(NUMBERS))), "note"),
        (lambda: given(1, FREE, "mse", NUMBERS), None),
        (lambda: untrained(given(1, FREE, "mse", NUMBERS)), None),
        (lambda: given(3, SOFTMAX, SPARSE, [str(c) for c in CLASS]), "note"),
        (lambda: given(1, FREE, "mse", NUMBERS[:50], x=rows(COUNT)), "error"),
    ],
    "metric-does-not-fit": [
        (lambda: given(1, FREE, "mse", NUMBERS, ["accuracy"]), "note"),
        (lambda: given(1, FREE, "mse", CLASS + 3, ["mae", "acc"]), "note"),
        (lambda: given(3, FREE, "mse", NUMBERS[:, None] * [1, 2, 3], ["accuracy"]), "note"),
        (lambda: given(3, SIGMOID, BCE, SEVERAL, ["accuracy"]), "note"),
        (lambda: given(1, FREE, LOGITS, TWO, ["accuracy"]), "note"),
        (lambda: given(1, FREE, LOGITS, TWO, [metrics.BinaryAccuracy(threshold=0), "accuracy"]), "note"),
        (lambda: given(1, FREE, LOGITS, TWO, [metrics.BinaryAccuracy(threshold=0)]), None),
        (lambda: autoencoder(BCE, PIXELS, [metrics.BinaryAccuracy()]), "note"),
        (lambda: given(1, SIGMOID, BCE, TWO, ["accuracy"]), None),
        (lambda: given(3, SOFTMAX, CE, SHARES, ["accuracy"]), None),
        (lambda: given(3, SOFTMAX, SPARSE, CLASS, ["accuracy"]), None),
        (lambda: given(3, SIGMOID, BCE, SEVERAL, ["binary_accuracy"]), None),
        (lambda: given(1, FREE, "mse", NUMBERS, ["mae"]), None),
        (lambda: given(1, FREE, LOGITS, TWO, ["mae"]), None),
        (lambda: given(1, FREE, BCE, TWO, ["accuracy"]), None),  # logits-and-activation
    ],
}  # fmt: skip
