"""Pairs whose inputs or targets are not prepared, or twice."""

import numpy as np

from foldnet import layers, optimizers
from tests.insight.doctor.sets import series, stories, tables
from tests.insight.doctor.sets.record import Pair, Rows, in_deviations, standard, with_targets
from tests.insight.doctor.sets.training import RELU, TANH, D, fit

FITS, SCALE, DEAD, STUCK = "learns-less-than-a-simple-fit", "input-scale", "dead-units", "saturated-units"
UNFINISHED, NAN = "training-not-finished", "not-finite"
SPARSE, BINARY = "sparse_categorical_crossentropy", "binary_crossentropy"


def as_it_is(rows):
    return rows


def times(factor):
    return lambda rows: Rows((rows.x * factor).astype(np.float32), rows.y)


def targets(change):
    return lambda rows: with_targets(rows, change)


def prepared(parts, loss, optimizer="adam", **settings):
    """The value prepares the rows."""
    return lambda rows, value: fit(value(rows), parts(), loss, optimizer, **settings)


def with_normalization(adapted_to):
    """The rows go through a Normalization that has seen other rows, the same, or none."""

    def build(rows, value):
        normalization = layers.Normalization()
        seen = value(rows)
        if seen is not None:
            normalization.adapt(seen.x)
        return fit(adapted_to(rows), [normalization, D(32, **RELU), D(1)], "mse", epochs=150)

    return build


def whole_numbers(rows):
    return Rows((rows.x // 256).astype(np.float32), rows.y)


def convolution():
    return [
        layers.Reshape((8, 8, 1)), layers.Conv2D(8, 3, **RELU), layers.MaxPooling2D(2), layers.Flatten(),
        D(32, **RELU), D(10, activation="softmax"),
    ]  # fmt: skip


def hidden(units, activation, end):
    return lambda: [D(units, activation=activation), D(*end[:1], activation=end[1])]


def houses_scaled():
    return standard(stories.houses())


PAIRS = (
    Pair("wines unscaled", "measurements of 0.1 to 1,680 as they are", (SCALE, DEAD, FITS, UNFINISHED),
         tables.wines, prepared(hidden(8, "relu", (3, "softmax")), SPARSE, epochs=50), as_it_is, standard),
    Pair("tumours in tanh", "measurements up to 4,254 into tanh", (SCALE, STUCK, FITS),
         tables.tumours, prepared(hidden(16, "tanh", (1, "sigmoid")), BINARY), as_it_is, standard),
    Pair("tumours in sigmoids", "measurements up to 4,254 into two layers of sigmoid", (SCALE, STUCK, FITS, UNFINISHED),
         tables.tumours, prepared(lambda: [D(16, activation="sigmoid"), D(8, activation="sigmoid"),
                                           D(1, activation="sigmoid")], BINARY, epochs=60), as_it_is, standard),
    Pair("exercise unscaled", "twenty rows of exercises up to 251, with SGD", (SCALE, NAN, DEAD, FITS),
         lambda: in_deviations(tables.exercise()),
         prepared(hidden(8, "relu", (3, "linear")), "mse", "sgd", epochs=200), as_it_is, standard),
    Pair("digits divided twice", "pixels divided by 255 and then again", (SCALE, FITS, UNFINISHED),
         tables.digits, prepared(hidden(32, "relu", (10, "softmax")), SPARSE, optimizers.SGD(0.1), epochs=40),
         times(1 / 255), as_it_is),
    Pair("digits in whole numbers", "pixels divided with // so that all are 0", (SCALE, FITS),
         tables.raw_digits, prepared(hidden(32, "relu", (10, "softmax")), SPARSE), whole_numbers, times(1 / 255)),
    Pair("pictures as bytes", "pixels of 0 to 255 into a convolution, with SGD", (SCALE, DEAD, NAN, FITS, UNFINISHED),
         tables.raw_digits, prepared(convolution, SPARSE, optimizers.SGD(0.01, momentum=0.9), epochs=10), as_it_is,
         times(1 / 255)),
    Pair("seconds since 1970", "a date as seconds beside a distance", (SCALE, FITS, DEAD, NAN),
         stories.trips, prepared(hidden(32, "relu", (1, "linear")), "mse", epochs=100), as_it_is, standard),
    Pair("the year of a house", "metres, rooms and a year of 2000 as they are", (SCALE, FITS, DEAD),
         lambda: in_deviations(stories.houses()),
         prepared(hidden(32, "relu", (1, "linear")), "mse", epochs=150), as_it_is, standard),
    Pair("prices in euros", "targets of 300,000, to which small steps do not get", (FITS, UNFINISHED),
         houses_scaled, prepared(hidden(32, "relu", (1, "linear")), "mse", epochs=150), as_it_is,
         in_deviations),
    Pair("prices that explode", "targets of 300,000 and SGD: NaN", (NAN, DEAD, FITS),
         houses_scaled, prepared(hidden(32, "relu", (1, "linear")), "mse", "sgd", epochs=20), as_it_is,
         in_deviations),
    Pair("progress with SGD", "targets of 25 to 346 and SGD 0.01: NaN, or all units dead", (NAN, DEAD, FITS),
         tables.progress, prepared(lambda: [D(64, **RELU), D(64, **RELU), D(1)], "mse", "sgd"), as_it_is,
         in_deviations),
    Pair("never adapted", "a Normalization that adapt was never called for", (SCALE, FITS),
         lambda: in_deviations(stories.houses()), with_normalization(as_it_is), lambda rows: None, as_it_is),
    Pair("scaled twice", "rows scaled by hand, and by a Normalization of the raw rows again", (SCALE, FITS),
         lambda: in_deviations(stories.houses()), with_normalization(standard), as_it_is, standard),
    Pair("share prices", "prices of 4,000 into an LSTM", (SCALE, STUCK, "recurrent-saturation", FITS),
         series.prices, prepared(lambda: [layers.LSTM(8), D(1)], "mse", optimizers.Adam(0.01), epochs=60), as_it_is,
         lambda rows: Rows((rows.x - 4000) / 600, rows.y)),
    Pair("always the same target", "targets divided with //: all of them are 0",
         ("constant-targets", "labels-and-loss"),
         lambda: standard(stories.houses()), prepared(lambda: [D(16, **TANH), D(1)], "mse"),
         targets(lambda y: y // 10_000_000), in_deviations),
)  # fmt: skip
