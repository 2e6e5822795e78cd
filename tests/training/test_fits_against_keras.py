"""Whole fits against live Keras from the same weights and batches: every weight, statistic and loss."""

import os
import shutil
from functools import partial

import keras
import numpy as np
import pytest

from foldnet import layers, optimizers
from foldnet.engines.training import training_engine
from foldnet.network import Model
from foldnet.training import trainer
from tests.support.keras_pairs import random_weights

EPOCHS, ROWS, BATCH = 20, 50, 16


# A ReLU that two roundings leave on different sides of 0 sends two fits different ways, so only "wide" and
# "activations" have one; the other networks are smooth.


def dense_bn(lib, inputs):
    x = lib.Dense(7, activation="swish")(inputs)
    x = lib.BatchNormalization(momentum=0.8)(x)
    x = lib.Dense(5, activation="tanh")(x)
    return lib.BatchNormalization(scale=False, epsilon=1e-2)(x)


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


def axes_of(rank):
    """Normalizations of every axis of one rank, side by side."""

    def network(lib, inputs):
        norms = [lib.BatchNormalization(axis=a, momentum=0.9)(inputs) for a in range(1, rank)]
        return lib.Concatenate()([lib.Flatten()(lib.Dense(3, activation="elu")(x)) for x in norms])

    return network


def side_by_side(*makers):
    """Branches of Dense, one layer each, and Dense."""

    def network(lib, inputs):
        return lib.Concatenate()([lib.Dense(4)(make(lib)(lib.Dense(6)(inputs))) for make in makers])

    return network


def layer(class_name, **settings):
    return lambda lib: getattr(lib, class_name)(**settings)


def deep(lib, inputs):
    x = inputs
    for units in (12, 9, 7, 5):
        x = lib.BatchNormalization()(lib.Dense(units, activation="tanh")(x))
    return x


def wide(lib, inputs):
    return lib.Dense(40, activation="relu")(lib.Reshape((2, 3))(inputs))


def pools(lib, inputs):
    """Pooling of every kind after layers with weights; no ReLU, which two roundings could send different ways."""
    x = lib.BatchNormalization(momentum=0.8)(lib.Dense(4, activation="tanh")(inputs))
    windows = [
        lib.AveragePooling2D((3, 2), (2, 1), padding="same")(x),
        lib.MaxPooling2D(2, padding="same")(lib.Dense(3)(x)),
        lib.AveragePooling2D(2, data_format="channels_first")(x),
        lib.MaxPooling1D(3, 2)(lib.Reshape((30, 4))(x)),
    ]
    # Of the input: where XLA computes a largest value twice with two roundings, Keras's gradient of it is NaN.
    whole = [lib.GlobalAveragePooling2D()(x), lib.GlobalMaxPooling2D(data_format="channels_first")(inputs)]
    return lib.Concatenate()([*(lib.Flatten()(y) for y in windows), *whole])


def convolutions(lib, inputs):
    """Convolutions of every kind, with normalizations of their channels between them."""
    x = lib.Conv2D(4, 3, padding="same", activation="tanh", kernel_regularizer="l2")(inputs)
    x = lib.BatchNormalization(momentum=0.8)(x)
    parts = [
        lib.Conv2D(3, (3, 2), (2, 1), padding="same", use_bias=False)(x),
        lib.Conv2D(4, 2, groups=2, dilation_rate=2)(x),
        lib.Conv2D(3, 2, data_format="channels_first")(x),
        lib.DepthwiseConv2D(2, depth_multiplier=2, padding="same")(x),
        lib.SeparableConv2D(3, 3, 2, padding="same", activation="sigmoid")(x),
        lib.Conv2DTranspose(2, 3, 2, padding="same")(lib.Cropping2D(1)(x)),
        lib.Conv1D(3, 3, padding="causal")(lib.Reshape((30, 4))(x)),
        lib.Conv1D(2, 2)(lib.UpSampling1D(2)(lib.ZeroPadding1D((1, 0))(lib.Reshape((30, 4))(x)))),
        lib.Conv3D(2, 2)(lib.Reshape((5, 3, 2, 4))(x)),
    ]
    return lib.Concatenate()([lib.Flatten()(y) for y in parts])


def recurrence(lib, inputs):
    """Recurrent layers of every kind, with normalizations of their outputs between them."""
    x = lib.BatchNormalization(momentum=0.8)(
        lib.LSTM(4, return_sequences=True, kernel_regularizer="l2")(inputs)
    )
    y, h, c = lib.LSTM(3, return_sequences=True, return_state=True, go_backwards=True)(x)
    parts = [
        lib.SimpleRNN(3, activation="swish")(x), lib.GRU(3)(x), lib.GRU(3, reset_after=False, go_backwards=True)(x),
        lib.LSTM(3, recurrent_activation="hard_sigmoid", use_bias=False)(y, initial_state=[c, h]), h,
        lib.Bidirectional(lib.GRU(2, use_bias=False, return_sequences=True), merge_mode="mul")(y),
        lib.TimeDistributed(lib.GRU(2))(lib.Reshape((3, 2, 4))(x)),
        lib.RNN([lib.LSTMCell(3), lib.SimpleRNNCell(2)])(x),
    ]  # fmt: skip
    return lib.Concatenate()([lib.Flatten()(part) for part in parts])


def masked_recurrence(lib, inputs):
    """The same of padded sequences: steps that are left out keep states, and do not count in statistics."""
    x = lib.Masking(0.0)(lib.ReLU(threshold=1.0)(inputs))  # some steps are 0 altogether
    y = lib.BatchNormalization(momentum=0.8)(lib.GRU(4, return_sequences=True)(x))
    parts = [
        lib.SimpleRNN(3, go_backwards=True)(y), lib.LSTM(3, return_state=True)(y)[2], lib.GRU(3, reset_after=False)(x),
        lib.GRU(2, zero_output_for_mask=True)(x),
        lib.GlobalAveragePooling1D()(lib.LSTM(2, return_sequences=True, zero_output_for_mask=True)(x)),
        lib.GlobalAveragePooling1D()(lib.Bidirectional(lib.LSTM(2, return_sequences=True))(y)),
    ]  # fmt: skip
    return lib.Concatenate()(parts)


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
]

# Settings under which rounding does not grow: with epsilon 1e-7 a centered RMSprop divides by differences of rounding,
# and at a rate of 0.01 AdamW's fit here drifts apart from itself in float64, Keras's farther than foldnet's.
OPTIMIZERS = [
    ("SGD", {"learning_rate": 0.05}),
    ("SGD", {"learning_rate": 0.02, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {"learning_rate": 0.01}),
    ("Adam", {"learning_rate": 0.01, "amsgrad": True, "clipnorm": 0.1}),
    ("Adam", {"learning_rate": 0.01, "global_clipnorm": 0.2}),
    ("Adam", {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.9}),
    ("Adam", {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 7}),
    ("AdamW", {"learning_rate": 0.004, "weight_decay": 0.02}),
    ("Adamax", {"learning_rate": 0.01}),
    ("Nadam", {"learning_rate": 0.01, "clipvalue": 0.05}),
    ("RMSprop", {"learning_rate": 0.005}),
    ("RMSprop", {"learning_rate": 0.001, "momentum": 0.5, "centered": True, "epsilon": 1e-3}),
    ("Adagrad", {"learning_rate": 0.05}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Lion", {"learning_rate": 0.0005}),
    ("Ftrl", {"learning_rate": 0.05}),
    ("Ftrl", {"learning_rate": 0.1, "l1_regularization_strength": 0.02, "l2_regularization_strength": 0.01,
              "l2_shrinkage_regularization_strength": 0.02, "beta": 0.1, "learning_rate_power": -0.6}),
    ("Lamb", {"learning_rate": 0.005}),
    ("Lamb", {"learning_rate": 0.005, "weight_decay": 0.02, "epsilon": 1e-4}),
    ("ScheduleFreeAdamW", {"learning_rate": 0.004, "warmup_steps": 9, "weight_decay": 0.01, "epsilon": 1e-5}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.8, "gradient_accumulation_steps": 3, "clipnorm": 0.2,
             "weight_decay": 0.01, "loss_scale_factor": 8.0}),
    ("Nadam", {"learning_rate": 0.01, "gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.8,
               "ema_overwrite_frequency": 3}),
]  # fmt: skip
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

LAYERS = [
    ("LayerNormalization", {}), ("LayerNormalization", {"center": False, "epsilon": 0.1}),
    ("GroupNormalization", {"groups": 2}), ("UnitNormalization", {}), ("RMSNormalization", {}), ("PReLU", {}),
    ("LeakyReLU", {"negative_slope": 0.2}), ("ELU", {"alpha": 0.7}), ("Softmax", {}),
    ("ReLU", {"max_value": 0.8, "negative_slope": 0.1, "threshold": 0.1}),
]  # fmt: skip
SHAPES = {"dense": dense_bn, "branches": branches, "shared": shared, "deep": deep, "wide": wide}

SGD = ("SGD", {"learning_rate": 0.01})
ADAM = ("Adam", {"learning_rate": 0.01})

# Whatever one compiled step of Keras can try at once is tried at once: name, what it covers, network, shape of a
# row, optimizer, losses (one per output).
CASES = [
    *((f"optimizer-{name}{i}", 1, dense_bn, (6,), (name, settings), ["mse"])
      for i, (name, settings) in enumerate(OPTIMIZERS)),
    *((f"shape-{name}", 1, network, (6,), ADAM, ["mse"]) for name, network in SHAPES.items()),
    *((f"losses-{i}", len(LOSSES[i::4]), dense_bn, (6,), ADAM, LOSSES[i::4]) for i in range(4)),
    *((f"axes-rank{rank}", rank - 1, axes_of(rank), shape, SGD, ["mse"])
      for rank, shape in ((2, (4,)), (3, (3, 4)), (4, (2, 3, 4)), (5, (2, 2, 3, 2)))),
    *((f"activations-{i}", len(ACTIVATIONS[i::3]),
       side_by_side(*(layer("Activation", activation=a) for a in ACTIVATIONS[i::3])), (6,), SGD, ["mse"])
      for i in range(3)),
    ("pooling", 6, pools, (6, 5, 2), SGD, ["mse"]),
    ("convolutions", 12, convolutions, (6, 5, 2), SGD, ["mse"]),
    ("recurrence", 10, recurrence, (6, 2), ADAM, ["mse"]),
    ("masked-recurrence", 7, masked_recurrence, (6, 2), SGD, ["mse"]),
    ("layers", len(LAYERS), side_by_side(*(layer(n, **s) for n, s in LAYERS)), (4,), SGD, ["mse"]),
]  # fmt: skip


def build(lib, network, shape, outputs):
    inputs = lib.Input(shape)
    x = lib.Flatten()(network(lib, inputs))
    return inputs, [lib.Dense(3, activation="sigmoid", name=f"out{i}")(x) for i in range(outputs)]


def pair(network, shape, outputs=1, seed=0):
    theirs = keras.Model(*build(keras.layers, network, shape, outputs))
    ours = Model(*build(layers, network, shape, outputs))
    rng = np.random.default_rng(seed)
    for mine, other in zip(ours.layers, theirs.layers, strict=True):
        random_weights(other, rng)
        mine.set_weights([w * (0.5 if w.ndim > 1 else 1) for w in other.get_weights()])
        other.set_weights(mine.get_weights())
    return theirs, ours


def data(shape, outputs, rng, rows=ROWS):
    x = rng.normal(0.5, 1.5, (rows, *shape)).astype(np.float32)
    y = [np.eye(3, dtype=np.float32)[rng.integers(0, 3, rows)] for _ in range(outputs)]
    return x, y


def assert_same(theirs, ours, rtol, engine):
    for mine, other in zip(ours.layers, theirs.layers, strict=True):
        for name, a, b in zip(
            [s.name for s in mine.specs], mine.get_weights(), other.get_weights(), strict=True
        ):
            # 1e-4 of the array's own scale: single entries may pass through zero.
            scale = np.abs(b).max() + 1e-3
            message = f"{engine}: {mine.name}/{name}"
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale, err_msg=message)


def engines():
    return ["reference", "native"] if find_compiler() else ["reference"]


def find_compiler():
    return os.environ.get("CC") or next((c for c in ("cc", "gcc", "clang") if shutil.which(c)), None)


def test_the_grid_is_wide_enough():
    assert sum(case[1] for case in CASES) >= 60


@pytest.mark.parametrize(
    ("name", "covers", "network", "shape", "optimizer", "loss"), CASES, ids=[c[0] for c in CASES]
)
def test_twenty_epochs(name, covers, network, shape, optimizer, loss, monkeypatch):
    theirs, ours = pair(network, shape, len(loss))
    # Keras compiles its step once more for a last batch that is smaller, on which losses and statistics depend.
    rows = ROWS if name.startswith(("shape", "losses-0", "axes-rank3", "pooling")) else 3 * BATCH
    x, y = data(shape, len(loss), np.random.default_rng(3), rows)
    kind, settings = optimizer
    common = {"batch_size": BATCH, "epochs": EPOCHS, "shuffle": False, "verbose": 0}
    if name.startswith("shape"):
        common["validation_split"] = 0.2
    start = ours.get_weights()
    theirs.compile(getattr(keras.optimizers, kind)(**settings), loss, metrics=[["mae"]] * len(loss))
    expected = theirs.fit(x, y, **common).history
    for engine in engines():
        monkeypatch.setattr(trainer, "training_engine", partial(training_engine, engine=engine))
        ours.set_weights(start)
        ours.compile(getattr(optimizers, kind)(**settings), loss, metrics=[["mae"]] * len(loss))
        history = ours.fit(x, y, **common).history
        assert sorted(history) == sorted(expected)
        for key in expected:
            np.testing.assert_allclose(
                history[key], expected[key], rtol=1e-4, atol=1e-6, err_msg=f"{engine}: {key}"
            )
        assert_same(theirs, ours, 1e-4, engine)


@pytest.mark.parametrize(("name", "settings"), SCHEDULES)
def test_schedules(name, settings):
    theirs = getattr(keras.optimizers.schedules, name)(**settings)
    ours = getattr(optimizers.schedules, name)(**settings)
    for step in (0, 1, 4, 9, 10, 11, 14, 15, 19, 25, 29, 30, 31, 49, 50, 60, 79):
        assert float(ours(step)) == pytest.approx(float(theirs(step)), rel=2e-5, abs=1e-8), step
    optimizer = optimizers.SGD(ours)
    np.testing.assert_allclose(
        optimizer.table(3, 5)[:, 0], [float(theirs(s)) for s in range(3, 8)], rtol=2e-5
    )
