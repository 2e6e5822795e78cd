"""Pairs with faults of BatchNormalization, of masks, states and formats."""

from foldnet import layers, optimizers
from tests.insight.doctor.sets import series, stories, tables
from tests.insight.doctor.sets.record import Pair, Rows, in_deviations, standard
from tests.insight.doctor.sets.training import RELU, D, fit

FITS, DIFFER, UPDATED = (
    "learns-less-than-a-simple-fit",
    "statistics-differ-from-data",
    "statistics-never-updated",
)
CONVERGED, ONE = "statistics-not-converged", "batch-of-one"
SPARSE, BINARY = "sparse_categorical_crossentropy", "binary_crossentropy"
N = layers.BatchNormalization


def normalized(rows, value):
    """The value is the settings of the BatchNormalization."""
    return fit(
        rows, [D(16), N(**value), layers.ReLU(), D(3, activation="softmax")], SPARSE, epochs=40, batch_size=8
    )


def along(rows, value):
    parts = [
        layers.Conv1D(12, 3, padding="same", use_bias=False), N(axis=value, momentum=0.9), layers.ReLU(),
        layers.GlobalAveragePooling1D(), D(4, activation="softmax"),
    ]  # fmt: skip
    return fit(rows, parts, SPARSE)


def of_planes(rows, value):
    first = {"data_format": "channels_first"}
    parts = [
        layers.Conv2D(8, 3, **first), N(axis=value, momentum=0.9), layers.ReLU(),
        layers.GlobalMaxPooling2D(**first), D(1, activation="sigmoid"),
    ]  # fmt: skip
    return fit(rows, parts, BINARY, optimizers.Adam(0.01), epochs=30)


def batches(rows, value):
    parts = [D(16, **RELU), N(momentum=0.9), D(3, activation="softmax")]
    return fit(rows, parts, SPARSE, batch_size=value, epochs=60)


def few_steps(rows, value):
    parts = [D(16, **RELU), N(momentum=value), D(16, **RELU), N(momentum=value), D(1)]
    return fit(rows, parts, "mse", optimizers.Adam(0.02), epochs=5, batch_size=64)


def called(rows, value):
    def parts(x):
        y = N(momentum=0.9)(D(16, activation="relu")(x), training=value)
        return D(1)(y)

    return fit(rows, parts, "mse")


def drops(rows, value):
    def parts(x):
        y = layers.Dropout(0.3)(D(32, activation="relu")(x), training=value)
        return D(10, activation="softmax")(y)

    return fit(rows, parts, SPARSE, epochs=20)


def shifted(rows, value):
    drop, normal = layers.Dropout(0.5), N(momentum=0.9)
    parts = (drop, normal) if value == "before" else (normal, drop)
    return fit(rows, [D(64, **RELU), *parts, D(1)], "mse", epochs=40)


def frozen(rows, value):
    return fit(rows, [D(32), N(trainable=value, momentum=0.9), layers.ReLU(), D(1)], "mse")


def tiny(rows, value):
    parts = [N(momentum=0.9), D(16, **RELU), D(1, activation="sigmoid")]
    return fit(Rows(rows.x * value, rows.y), parts, BINARY, optimizers.Adam(0.005), epochs=80)


def both(rows, value):
    """Two tables of different scales through one normalization, or through one each."""

    def parts(inputs):
        first = N(momentum=0.9)
        second = first if value == "one" else N(momentum=0.9)
        hidden = layers.Concatenate()([first(inputs[0]), second(inputs[1])])
        return D(1)(D(16, activation="relu")(hidden))

    return fit(rows, parts, "mse", epochs=40)


def two_tables():
    rows = in_deviations(standard(tables.quality()))
    return Rows([rows.x[:, :5], 6 * rows.x[:, 5:10] + 20], rows.y)


def read(rows, value):
    """The value says whether 0 fills the ends."""
    parts = [layers.Embedding(60, 8, mask_zero=value), layers.GRU(8), D(1, activation="sigmoid")]
    return fit(rows, parts, BINARY, optimizers.Adam(0.005), epochs=10)


def averaged(rows, value):
    """The mask is lost in a Reshape, or there is none."""

    def parts(x):
        y = layers.Embedding(60, 8, mask_zero=True)(x)
        y = layers.Conv1D(8, 1, activation="relu")(y) if value == "lost" else D(8, activation="relu")(y)
        return D(1, activation="sigmoid")(layers.GRU(8)(y))

    return fit(rows, parts, BINARY, optimizers.Adam(0.005), epochs=10)


def in_format(rows, value):
    settings = {"data_format": value}
    parts = [
        layers.Conv2D(8, 3, **settings, **RELU), layers.Flatten(),
        D(1, activation="sigmoid"),
    ]  # fmt: skip
    return fit(rows, parts, BINARY, optimizers.Adam(0.005), epochs=20)


PAIRS = (
    Pair("momentum from PyTorch", "momentum=0.1, which PyTorch means the other way round",
         ("momentum-reversed", DIFFER), lambda: standard(tables.wines()), normalized, {"momentum": 0.1},
         {"momentum": 0.9}),
    Pair("statistics of steps", "BatchNormalization(axis=1) over time steps",
         ("axis-not-channels", "axis-and-data-format"),
         series.steps, along, 1, -1),
    Pair("statistics of columns", "axis=-1 after a convolution with its channels first", ("axis-and-data-format",),
         series.planes, of_planes, -1, 1),
    Pair("one row a batch", "batches of one row, with BatchNormalization", (ONE, DIFFER),
         lambda: standard(tables.wines()), batches, 1, 32),
    Pair("thirty steps", "momentum 0.99 and only 30 steps", (CONVERGED, DIFFER),
         lambda: stories.unlike(in_deviations(standard(tables.quality())), 360), few_steps, 0.99, 0.7),
    Pair("called for prediction", "training=False in the call of a new BatchNormalization",
         (UPDATED, "training-baked-in"),
         stories.changes, called, False, None),
    Pair("drops for ever", "training=True in the call of Dropout", ("training-baked-in",),
         tables.digits, drops, True, None),
    Pair("dropout first", "Dropout(0.5) before BatchNormalization", ("dropout-before-normalization",),
         stories.changes, shifted, "before", "after"),
    Pair("frozen from the start", "trainable=False for a new BatchNormalization", ("frozen-normalization",),
         stories.changes, frozen, False, True),
    Pair("smaller than epsilon", "columns below 0.01 into BatchNormalization", ("epsilon-dominates",),
         stories.moons, tiny, 0.003, 1.0),
    Pair("one for two tables", "one BatchNormalization for two tables of other scales", ("shared-normalization",),
         two_tables, both, "one", "two"),
    Pair("zeros are read, too", "short reviews filled with 0, without a mask", ("padding-without-mask",),
         series.reviews, read, False, True),
    Pair("the mask ends", "a convolution of width 1 ends the mask before the GRU", ("mask-lost",),
         series.reviews, averaged, "lost", "kept"),
    Pair("channels where they are not", "three channels first, and data_format left at channels_last",
         ("channels-and-shape",), series.planes, in_format, "channels_last", "channels_first"),
)  # fmt: skip
