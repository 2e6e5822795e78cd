"""Healthy networks of many shapes: deep, wide, with several inputs and outputs, with windows and steps."""

import numpy as np

from foldnet import Sequential, layers, optimizers, regularizers
from foldnet.optimizers import schedules
from tests.insight.doctor.sets import series, stories, tables
from tests.insight.doctor.sets.healthy_tables import with_deviation_1
from tests.insight.doctor.sets.record import Healthy, Rows, copied, standard
from tests.insight.doctor.sets.training import RELU, D, fit

SPARSE, BINARY = "sparse_categorical_crossentropy", "binary_crossentropy"
N = layers.BatchNormalization


def of(parts, loss, rate=0.005, *, epochs=30, **settings):
    """Trained by Adam; ``parts`` makes the layers, or is called with the inputs."""

    def build(rows):
        made = parts() if parts.__code__.co_argcount == 0 else parts
        return fit(rows, made, loss, optimizers.Adam(rate), epochs=epochs, **settings)

    return build


def by(optimizer, **settings):
    def build(rows):
        return fit(rows, [D(32, **RELU), D(10, activation="softmax")], SPARSE, optimizer(), **settings)

    return build


def residuals(x):
    x = D(16)(x)
    for _ in range(30):
        x = layers.Add()(
            [x, D(16, activation="relu", kernel_initializer="he_normal")(layers.LayerNormalization()(x))]
        )
    return D(3, activation="softmax")(layers.LayerNormalization()(x))


def normalized():
    hidden = [part for _ in range(30) for part in (D(24, use_bias=False), N(momentum=0.9), layers.ReLU())]
    return [*hidden, D(3, activation="softmax")]


def selus():
    settings = {"activation": "selu", "kernel_initializer": "lecun_normal"}
    return [*(D(24, **settings) for _ in range(12)), layers.AlphaDropout(0.02), D(3, activation="softmax")]


def wide():
    return [D(1000, **RELU), D(1, activation="sigmoid")]


def dropping():
    return [
        D(48, **RELU),
        layers.Dropout(0.2),
        D(32, **RELU),
        layers.Dropout(0.2),
        D(10, activation="softmax"),
    ]


def held():
    keep = regularizers.L2(1e-4)
    return [D(32, kernel_regularizer=keep, **RELU), D(10, kernel_regularizer=keep, activation="softmax")]


def normalized_by_batch():
    return [D(32), N(momentum=0.9), layers.ReLU(), layers.Dropout(0.2), D(10, activation="softmax")]


def normalized_by_row():
    return [D(32), layers.LayerNormalization(), layers.Activation("gelu"), D(10, activation="softmax")]


def leaky():
    return [D(24), layers.LeakyReLU(0.1), D(24), layers.PReLU(), D(1)]


def windows():
    return [
        layers.Conv2D(12, 3, **RELU), layers.MaxPooling2D(2), layers.Flatten(), D(32, **RELU),
        D(10, activation="softmax"),
    ]  # fmt: skip


def windows_normalized():
    return [
        layers.Conv2D(8, 3, padding="same", use_bias=False), N(momentum=0.9), layers.ReLU(), layers.MaxPooling2D(2),
        layers.Conv2D(16, 3, padding="same", **RELU), layers.GlobalAveragePooling2D(), D(10, activation="softmax"),
    ]  # fmt: skip


def separable():
    return [
        layers.SeparableConv2D(16, 3, padding="same", **RELU), layers.AveragePooling2D(2), layers.Flatten(),
        D(10, activation="softmax"),
    ]  # fmt: skip


def channels_first():
    first = {"data_format": "channels_first"}
    return [
        layers.Conv2D(6, 5, **first, **RELU), layers.GlobalMaxPooling2D(**first), D(16, **RELU),
        D(1, activation="sigmoid"),
    ]  # fmt: skip


def autoencoder_of_pictures():
    return [
        layers.Conv2D(8, 3, 2, padding="same", **RELU), layers.Conv2D(8, 3, padding="same", **RELU),
        layers.Conv2DTranspose(8, 3, 2, padding="same", **RELU),
        layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
    ]  # fmt: skip


def numbers_and_codes(inputs):
    code = layers.Flatten()(layers.Embedding(6, 3)(inputs[1]))
    return D(1)(D(24, activation="relu")(layers.Concatenate()([inputs[0], code])))


def numbers_with_codes():
    generator = np.random.default_rng(41)
    x, code = generator.normal(size=(600, 4)), generator.integers(0, 6, (600, 1))
    y = x[:, 0] * (code[:, 0] % 2) + x[:, 1] + 0.5 * code[:, 0] + generator.normal(0, 0.3, 600)
    return Rows([x.astype(np.float32), code.astype(np.int32)], ((y - y.mean()) / y.std()).astype(np.float32))


def two_answers(x):
    hidden = D(24, activation="relu")(x)
    return [D(1, name="number")(hidden), D(3, activation="softmax", name="kind")(hidden)]


def rows_with_two_answers():
    rows = standard(tables.wines())
    alcohol = rows.x[:, 0].copy()
    return Rows(rows.x[:, 1:], [alcohol, rows.y])


def twins(inputs):
    """The same layers on both inputs; whether they show the same digit."""
    shared = Sequential([layers.Input((64,)), D(32, activation="relu"), D(16, activation="relu")])
    apart = layers.Subtract()([shared(inputs[0]), shared(inputs[1])])
    return D(1, activation="sigmoid")(D(16, activation="relu")(layers.Multiply()([apart, apart])))


def pairs_of_digits():
    rows, generator = tables.digits(), np.random.default_rng(42)
    second = generator.permutation(len(rows.x))
    same = np.flatnonzero(generator.uniform(size=len(rows.x)) < 0.45)
    for row in same:
        second[row] = generator.choice(np.flatnonzero(rows.y == rows.y[row]))
    return Rows([rows.x, rows.x[second]], (rows.y == rows.y[second]).astype(np.float32))


def ensemble(x):
    parts = [D(10, activation="softmax")(D(n, activation="relu")(x)) for n in (16, 24, 32)]
    return layers.Average()(parts)


def transferred(rows):
    """Features learned from the digits 0 to 4, frozen under a new head for 5 to 9."""
    low = rows.y < 5
    base = [D(48, **RELU), D(24, **RELU)]
    fit(Rows(rows.x[low], rows.y[low]), [*base, D(5, activation="softmax")], SPARSE, epochs=40)
    for layer in base:
        layer.trainable = False
    head = Sequential([layers.Input((64,)), *base, D(5, activation="softmax")])
    return fit(
        Rows(rows.x[~low], rows.y[~low] - 5), None, SPARSE, optimizers.Adam(0.01), model=head, epochs=60
    )


def averaged_words():
    return [
        layers.Embedding(60, 8, mask_zero=True),
        layers.GlobalAveragePooling1D(),
        D(1, activation="sigmoid"),
    ]


def read_with_mask():
    return [layers.Embedding(60, 8, mask_zero=True), layers.GRU(8), D(1, activation="sigmoid")]


def read_whole():
    return [layers.Embedding(60, 8), layers.LSTM(12), D(1, activation="sigmoid")]


def read_both_ways():
    return [layers.Masking(), layers.Bidirectional(layers.LSTM(8)), D(4, activation="softmax")]


def attending(inputs):
    x = layers.Embedding(60, 16)(inputs)
    x = layers.LayerNormalization()(layers.Add()([x, layers.MultiHeadAttention(2, 8)(x, x)]))
    x = layers.LayerNormalization()(layers.Add()([x, D(16)(D(32, activation="gelu")(x))]))
    return D(1, activation="sigmoid")(layers.GlobalAveragePooling1D()(x))


def forecast():
    return [layers.LSTM(8), D(1)]


def forecast_gru():
    return [layers.GRU(8, return_sequences=True), layers.GRU(8), D(1)]


def bursts():
    return [
        layers.Conv1D(12, 8, **RELU), layers.GlobalMaxPooling1D(), D(12, **RELU), D(1, activation="sigmoid"),
    ]  # fmt: skip


def tags():
    return [
        layers.Embedding(30, 8),
        layers.Conv1D(24, 2, padding="causal", **RELU),
        D(3, activation="softmax"),
    ]


def cosine():
    return optimizers.Adam(schedules.CosineDecay(0.01, 57 * 30))


HEALTHY = (
    Healthy("thirty residuals", lambda: standard(tables.wines()), of(residuals, SPARSE, 0.002)),
    Healthy("thirty normalized", lambda: standard(tables.wines()), of(normalized, SPARSE, 0.01, epochs=120)),
    Healthy("twelve selus", lambda: standard(tables.wines()), of(selus, SPARSE, 0.002, epochs=60)),
    Healthy("a thousand units", stories.moons, of(wide, BINARY, 0.01, epochs=80)),
    Healthy("some dropout", tables.digits, of(dropping, SPARSE, epochs=25)),
    Healthy("a little L2", tables.digits, of(held, SPARSE, epochs=40)),
    Healthy("normalized by batch", tables.digits, of(normalized_by_batch, SPARSE)),
    Healthy("normalized by row", tables.digits, of(normalized_by_row, SPARSE)),
    Healthy("leaky", with_deviation_1(stories.changes), of(leaky, "mse", epochs=60)),
    Healthy("digits by windows", tables.pictures, of(windows, SPARSE, epochs=25)),
    Healthy("windows and normalization", tables.pictures, of(windows_normalized, SPARSE, 0.01, epochs=14)),
    Healthy("separable windows", tables.pictures, of(separable, SPARSE, epochs=25)),
    Healthy("bars in planes", series.planes, of(channels_first, BINARY, 0.01, epochs=20)),
    Healthy("pictures rebuilt", lambda: copied(tables.pictures()), of(autoencoder_of_pictures, "mse", epochs=8)),
    Healthy("numbers and codes", numbers_with_codes, of(numbers_and_codes, "mse", epochs=60)),
    Healthy("two answers", rows_with_two_answers, of(two_answers, ["mse", SPARSE], 0.01, epochs=60)),
    Healthy("twins", pairs_of_digits, of(twins, BINARY)),
    Healthy("three opinions", tables.digits, of(ensemble, SPARSE)),
    Healthy("learned before", tables.digits, transferred),
    Healthy("words averaged", series.reviews, of(averaged_words, BINARY, 0.01)),
    Healthy("words with a mask", series.reviews, of(read_with_mask, BINARY, 0.01, epochs=10)),
    Healthy("words without ends", series.whole_reviews, of(read_whole, BINARY, 0.01, epochs=20)),
    Healthy("walks both ways", series.steps, of(read_both_ways, SPARSE, 0.01, epochs=12)),
    Healthy("words by attention", series.whole_reviews, of(attending, BINARY, epochs=6)),
    Healthy("the next value", series.waves, of(forecast, "mse", epochs=40)),
    Healthy("the next value by two", series.waves, of(forecast_gru, "mse", epochs=30)),
    Healthy("bursts", series.signals, of(bursts, BINARY)),
    Healthy("tags of words", series.tagged, of(tags, SPARSE)),
    Healthy("SGD with momentum", tables.digits, by(lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True))),
    Healthy("plain SGD", lambda: standard(tables.digits()), by(lambda: optimizers.SGD(0.05))),
    Healthy("RMSprop", tables.digits, by(lambda: optimizers.RMSprop(0.003))),
    Healthy("AdamW that falls as a cosine", tables.digits, by(cosine)),
)  # fmt: skip
