"""Healthy trainings on tables: little data, much noise, rare classes, and other targets that look wrong but are not."""

import numpy as np

from foldnet import callbacks, layers, losses, ops, optimizers
from tests.insight.doctor.sets import stories, tables
from tests.insight.doctor.sets.record import (
    Healthy,
    Rows,
    apart,
    copied,
    in_deviations,
    one_hot,
    standard,
    with_targets,
)
from tests.insight.doctor.sets.training import RELU, TANH, D, fit

SPARSE, BINARY, CATEGORICAL = (
    "sparse_categorical_crossentropy",
    "binary_crossentropy",
    "categorical_crossentropy",
)


def dense(hidden, end, loss, rate=0.01, *, epochs=80, activation=RELU, **settings):
    """Hidden layers and one at the end, with Adam."""

    def build(rows):
        parts = [*(D(n, **activation) for n in hidden), D(end[0], activation=end[1])]
        return fit(rows, parts, loss, optimizers.Adam(rate), epochs=epochs, **settings)

    return build


def of(table, prepare=standard):
    return lambda: prepare(table())


def with_deviation_1(table):
    """Columns and targets with mean 0 and deviation 1."""
    return lambda: in_deviations(standard(table()))


def targets(table, change):
    return lambda: with_targets(table(), change)


def stopping(hidden, end, loss):
    def build(rows):
        stop = callbacks.EarlyStopping(patience=8, restore_best_weights=True)
        parts = [*(D(n, **RELU) for n in hidden), D(end[0], activation=end[1])]
        return fit(rows, parts, loss, optimizers.Adam(0.003), epochs=150, callbacks=[stop], watched=True)

    return build


def pinball(y_true, y_pred):
    """The loss of a quantile: here of 0.9."""
    off = y_true - y_pred
    return ops.mean(ops.maximum(0.9 * off, -0.1 * off), axis=-1)


def reached(y):
    """For each grade but the lowest, whether it is reached."""
    return (y[:, None] >= np.arange(4, 9)[None]).astype(np.float32)


def spread(y_true, y_pred):
    """A metric of one's own: the largest error of a batch."""
    return ops.max(ops.abs(y_true - y_pred))


def once(rows):
    """One class has one row."""
    kept = (rows.y != 2) | (np.cumsum(rows.y == 2) == 1)
    return Rows(rows.x[kept], rows.y[kept])


def rare(rows):
    return fit(rows, [D(16, **RELU), D(1, activation="sigmoid")], BINARY, optimizers.Adam(0.003), epochs=60,
               class_weight={0: 1.0, 1: 20.0})  # fmt: skip


def scaling_itself(rows):
    normalization = layers.Normalization()
    normalization.adapt(rows.x)
    return fit(
        rows,
        [normalization, D(16, **RELU), D(3, activation="softmax")],
        SPARSE,
        optimizers.Adam(0.01),
        epochs=60,
    )


def with_bytes(rows):
    parts = [layers.Rescaling(1 / 255), D(32, **RELU), D(10, activation="softmax")]
    return fit(rows, parts, SPARSE, optimizers.Adam(0.005), epochs=40)


def bytes_of_one_kind(rows):
    return Rows(np.concatenate([rows.x, np.ones((len(rows.x), 2), np.float32)], axis=1), rows.y)


def trusted(rows):
    weight = np.random.default_rng(32).uniform(0.2, 1, len(rows.x)).astype(np.float32)
    return fit(rows, [D(16, **RELU), D(1)], "mse", optimizers.Adam(0.01), epochs=80, sample_weight=weight)


HEALTHY = (
    Healthy("species", of(tables.flowers), dense((16,), (3, "softmax"), SPARSE)),
    Healthy("growers", of(tables.wines, lambda r: one_hot(standard(r))), dense((16,), (3, "softmax"), CATEGORICAL)),
    Healthy("tumours", of(tables.tumours), dense((16, 8), (1, "sigmoid"), BINARY)),
    Healthy("tumours by two", of(tables.tumours), dense((16,), (2, "softmax"), SPARSE, metrics=["accuracy"])),
    Healthy("digits", tables.digits, dense((48, 32), (10, "softmax"), SPARSE, 0.003, epochs=20)),
    Healthy("progress", with_deviation_1(tables.progress), dense((16,), (1, None), "mse", 0.003, epochs=60)),
    Healthy("progress in its own unit", tables.progress, dense((16,), (1, None), "mse", 0.05, epochs=200)),
    Healthy("grades of wines", tables.grades, dense((16,), (1, None), "mse", 0.005)),
    Healthy("twenty men", with_deviation_1(tables.exercise), dense((4,), (3, None), "mse", epochs=100)),
    Healthy("a line of six rows", stories.line, lambda rows: fit(rows, [D(1)], "mse", "sgd", epochs=500)),
    Healthy("a sine of one feature", stories.curve, dense((32, 32), (1, None), "mse", activation=TANH, epochs=200)),
    Healthy("exclusive or", stories.xor, dense((8,), (1, "sigmoid"), BINARY, 0.05, activation=TANH, epochs=800)),
    Healthy("moons apart", stories.moons, dense((16, 16), (1, "sigmoid"), BINARY, epochs=100)),
    Healthy("R² of 0.02", lambda: stories.noise(0.02), dense((8,), (1, None), "mse", 0.003, epochs=15)),
    Healthy("R² of 0.05", lambda: apart(stories.noise(0.05), 450), stopping((16,), (1, None), "mse")),
    Healthy("R² of 0.3", lambda: apart(stories.noise(0.3), 450), stopping((32, 16), (1, None), "mse")),
    Healthy("2 % positives", stories.loans, dense((16,), (1, "sigmoid"), BINARY, 0.003, epochs=40)),
    Healthy("2 % positives that differ", lambda: stories.loans(0.02, 4.0), dense((16,), (1, "sigmoid"), BINARY)),
    Healthy("2 % positives with weights", lambda: stories.loans(0.02, 2.0), rare),
    Healthy("a fifth does not pay", lambda: apart(stories.loans(0.2, 0.7), 1500),
            stopping((16,), (1, "sigmoid"), BINARY)),
    Healthy("autoencoder of digits", lambda: copied(tables.digits()),
            dense((24, 12, 24), (64, "sigmoid"), BINARY, epochs=30)),
    Healthy("autoencoder of wines", lambda: copied(standard(tables.wines())),
            dense((12, 5, 12), (13, None), "mse", 0.005, epochs=200)),
    Healthy("noise taken away", lambda: copied(tables.digits(), 0.2), dense((32,), (64, "sigmoid"), "mse", epochs=30)),
    Healthy("hires by poisson", stories.hires, dense((16,), (1, "exponential"), "poisson")),
    Healthy("hires by softplus", stories.hires, dense((16,), (1, "softplus"), "mse", epochs=120)),
    Healthy("hires in logarithms", targets(stories.hires, np.log1p), dense((16,), (1, None), "mse")),
    Healthy("grades in order", targets(of(tables.quality), reached), dense((16,), (5, "sigmoid"), BINARY, 0.005)),
    Healthy("incomes by huber", stories.incomes, dense((16,), (1, None), losses.Huber(2.0))),
    Healthy("incomes by mae", stories.incomes, dense((16,), (1, None), "mae")),
    Healthy("incomes by mse", stories.incomes, dense((8,), (1, None), "mse", 0.005, epochs=60)),
    Healthy("incomes in logarithms", targets(stories.incomes, np.log), dense((16,), (1, None), "mse", 0.005)),
    Healthy("the upper tenth", with_deviation_1(stories.changes), dense((16,), (1, None), pinball)),
    Healthy("valves", stories.shares, dense((16,), (3, "sigmoid"), "mse", epochs=150)),
    Healthy("several topics", stories.topics, dense((32,), (5, "sigmoid"), BINARY, epochs=40)),
    Healthy("one topic", lambda: stories.topics(False), dense((16,), (5, "softmax"), CATEGORICAL, epochs=40)),
    Healthy("labels smoothed", tables.digits, lambda rows: dense(
        (32,), (10, "softmax"), losses.CategoricalCrossentropy(label_smoothing=0.1), epochs=40)(one_hot(rows))),
    Healthy("a class of one row", of(tables.wines, lambda r: once(standard(r))), dense((16,), (3, "softmax"), SPARSE)),
    Healthy("a metric of its own", stories.changes,
            dense((32,), (1, None), "mse", epochs=150, metrics=[spread, "mae"])),
    Healthy("scales its rows itself", tables.wines, scaling_itself),
    Healthy("takes bytes", tables.raw_digits, with_bytes),
    Healthy("columns that never vary", of(tables.digits, bytes_of_one_kind), dense((32,), (10, "softmax"), SPARSE,
                                                                                  epochs=30)),
    Healthy("rows of different weight", with_deviation_1(stories.changes), trusted),
    Healthy("a plain line", tables.progress, dense((), (1, None), "mse", 1.0 / 2, epochs=300)),
    Healthy("logistic regression", of(tables.tumours), dense((), (1, "sigmoid"), BINARY)),
    Healthy("from logits", tables.digits,
            dense((32,), (10, None), losses.SparseCategoricalCrossentropy(from_logits=True), epochs=30)),
    Healthy("hinge by tanh", targets(stories.moons, lambda y: 2 * y - 1), dense((16, 16), (1, "tanh"), "hinge")),
)  # fmt: skip
