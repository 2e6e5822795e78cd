"""Whole fits against live Keras from the same weights and batches: every weight, statistic and loss."""

import keras
import numpy as np
import pytest
from support.keras_pairs import random_weights

from foldnet import layers, optimizers
from foldnet.network import Model

EPOCHS, ROWS, BATCH = 20, 50, 16


def dense_bn(lib, inputs):
    x = lib.Dense(7, activation="relu")(inputs)
    x = lib.BatchNormalization(momentum=0.8)(x)
    x = lib.Dense(5, activation="tanh")(x)
    return lib.BatchNormalization(scale=False, epsilon=1e-2)(x)


def wide_axis(axis):
    def network(lib, inputs):
        x = lib.BatchNormalization(axis=axis, momentum=0.9)(inputs)
        return lib.Flatten()(lib.Dense(3, activation="elu")(x))

    return network


def branches(lib, inputs):
    a, b = (
        lib.Dense(4, activation="sigmoid")(inputs),
        lib.Dense(4, activation="softplus", use_bias=False)(inputs),
    )
    joined = [lib.Add()([a, b]), lib.Multiply()([a, b]), lib.Maximum()([a, b]), lib.Subtract()([a, b])]
    return lib.LayerNormalization()(lib.Concatenate()(joined))


def shared(lib, inputs):
    dense, norm = lib.Dense(6, activation="swish"), lib.UnitNormalization()
    return lib.Average()([norm(dense(inputs)), lib.Dense(6)(norm(dense(inputs)))])


def layer_between(class_name, **settings):
    def network(lib, inputs):
        x = lib.Dense(6)(inputs)
        return lib.Dense(4)(getattr(lib, class_name)(**settings)(x))

    return network


def activation(name):
    def network(lib, inputs):
        return lib.Dense(4, activation=name)(lib.Dense(5, activation=name)(inputs))

    return network


ACTIVATIONS = [
    "celu",
    "elu",
    "exponential",
    "gelu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "squareplus",
    "tanh",
    "tanh_shrink",
    "threshold",
    "glu",
]

OPTIMIZERS = [
    ("SGD", {"learning_rate": 0.05}),
    ("SGD", {"learning_rate": 0.02, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {"learning_rate": 0.01}),
    ("Adam", {"learning_rate": 0.01, "amsgrad": True, "clipnorm": 0.1}),
    ("Adam", {"learning_rate": 0.01, "global_clipnorm": 0.2}),
    ("Adam", {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.9}),
    ("Adam", {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 7}),
    ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.02}),
    ("Adamax", {"learning_rate": 0.01}),
    ("Nadam", {"learning_rate": 0.01, "clipvalue": 0.05}),
    ("RMSprop", {"learning_rate": 0.005}),
    ("RMSprop", {"learning_rate": 0.005, "momentum": 0.5, "centered": True}),
    ("Adagrad", {"learning_rate": 0.05}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Lion", {"learning_rate": 0.0005}),
]
SCHEDULES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.02, "decay_steps": 20, "decay_rate": 0.8}),
    ("PiecewiseConstantDecay", {"boundaries": [10, 30], "values": [0.02, 0.01, 0.005]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.02, "decay_steps": 25, "power": 2.0, "cycle": True}),
    (
        "InverseTimeDecay",
        {"initial_learning_rate": 0.02, "decay_steps": 9, "decay_rate": 0.5, "staircase": True},
    ),
    (
        "CosineDecay",
        {"initial_learning_rate": 0.0, "decay_steps": 50, "warmup_target": 0.02, "warmup_steps": 10},
    ),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.02, "first_decay_steps": 15}),
]
LOSSES = [
    "mse",
    "mae",
    "mape",
    "msle",
    "huber",
    "log_cosh",
    "cosine_similarity",
    "poisson",
    "kl_divergence",
    "hinge",
    "squared_hinge",
    "categorical_hinge",
    "binary_crossentropy",
    "categorical_crossentropy",
    "binary_focal_crossentropy",
    "categorical_focal_crossentropy",
]

CASES = [
    *((f"{name}{i}", dense_bn, (6,), (name, settings), "mse") for i, (name, settings) in enumerate(OPTIMIZERS)),
    *((f"loss-{loss}", dense_bn, (6,), ("Adam", {"learning_rate": 0.01}), loss) for loss in LOSSES),
    *((f"axis{a}-rank{len(s) + 1}", wide_axis(a), s, ("SGD", {"learning_rate": 0.02}), "mse")
      for s in ((4,), (3, 4), (2, 3, 4)) for a in range(1, len(s) + 1)),
    ("branches", branches, (5,), ("Adam", {"learning_rate": 0.01}), "mse"),
    ("shared", shared, (5,), ("Adam", {"learning_rate": 0.01}), "mse"),
    *((f"act-{name}", activation(name), (6,), ("SGD", {"learning_rate": 0.02}), "mse") for name in ACTIVATIONS),
    *((f"layer-{name}", layer_between(name, **settings), (4,), ("SGD", {"learning_rate": 0.02}), "mse")
      for name, settings in [
          ("LayerNormalization", {}), ("LayerNormalization", {"center": False, "epsilon": 0.1}),
          ("GroupNormalization", {"groups": 2}), ("UnitNormalization", {}), ("RMSNormalization", {}),
          ("PReLU", {}), ("LeakyReLU", {"negative_slope": 0.2}), ("ELU", {"alpha": 0.7}), ("Softmax", {}),
          ("ReLU", {"max_value": 0.8, "negative_slope": 0.1, "threshold": 0.1}),
      ]),
]  # fmt: skip


def build(lib, network, shape, seed):
    inputs = lib.Input(shape)
    outputs = lib.Dense(3, activation="sigmoid")(lib.Flatten()(network(lib, inputs)))
    return inputs, outputs


def pair(network, shape, seed=0):
    theirs = keras.Model(*build(keras.layers, network, shape, seed))
    ours = Model(*build(layers, network, shape, seed))
    rng = np.random.default_rng(seed)
    for mine, other in zip(ours.layers, theirs.layers, strict=True):
        random_weights(other, rng)
        mine.set_weights([w * (0.5 if w.ndim > 1 else 1) for w in other.get_weights()])
        other.set_weights(mine.get_weights())
    return theirs, ours


def data(shape, rng):
    x = rng.normal(0.5, 1.5, (ROWS, *shape)).astype(np.float32)
    y = np.eye(3, dtype=np.float32)[rng.integers(0, 3, ROWS)]
    return x, y


def assert_same(theirs, ours, rtol):
    for mine, other in zip(ours.layers, theirs.layers, strict=True):
        for name, a, b in zip(
            [s.name for s in mine.specs], mine.get_weights(), other.get_weights(), strict=True
        ):
            # 1e-4 of the array's own scale: single entries may pass through zero.
            scale = np.abs(b).max() + 1e-3
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale, err_msg=f"{mine.name}/{name}")


@pytest.mark.parametrize(("name", "network", "shape", "optimizer", "loss"), CASES, ids=[c[0] for c in CASES])
def test_twenty_epochs(name, network, shape, optimizer, loss):
    theirs, ours = pair(network, shape)
    x, y = data(shape, np.random.default_rng(3))
    kind, settings = optimizer
    theirs.compile(getattr(keras.optimizers, kind)(**settings), loss, metrics=["mae"])
    ours.compile(getattr(optimizers, kind)(**settings), loss, metrics=["mae"])
    common = {"batch_size": BATCH, "epochs": EPOCHS, "shuffle": False, "verbose": 0, "validation_split": 0.2}
    expected, history = theirs.fit(x, y, **common).history, ours.fit(x, y, **common).history
    assert sorted(history) == sorted(expected)
    for key in expected:
        np.testing.assert_allclose(history[key], expected[key], rtol=1e-4, atol=1e-6, err_msg=key)
    assert_same(theirs, ours, 1e-4)


@pytest.mark.parametrize(("name", "settings"), SCHEDULES)
def test_schedules(name, settings):
    theirs = getattr(keras.optimizers.schedules, name)(**settings)
    ours = getattr(optimizers.schedules, name)(**settings)
    for step in range(80):
        assert float(ours(step)) == pytest.approx(float(theirs(step)), rel=2e-5, abs=1e-8), step
    optimizer = optimizers.SGD(ours)
    np.testing.assert_allclose(
        optimizer.table(3, 5)[:, 0], [float(theirs(s)) for s in range(3, 8)], rtol=2e-5
    )
