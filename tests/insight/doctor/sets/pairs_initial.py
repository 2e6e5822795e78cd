"""Pairs with faults of the layers themselves: initial weights, activations, dropout, what is frozen."""

from foldnet import layers, optimizers, regularizers
from foldnet.initializers import Constant, RandomNormal
from tests.insight.doctor.sets import series, stories, tables
from tests.insight.doctor.sets.record import Pair, standard
from tests.insight.doctor.sets.training import RELU, D, fit

FITS, DEAD, STUCK = "learns-less-than-a-simple-fit", "dead-units", "saturated-units"
UNFINISHED, COPIES, ZERO = "training-not-finished", "units-are-copies", "bias-still-zero"
SPARSE, BINARY = "sparse_categorical_crossentropy", "binary_crossentropy"


def hidden(units, end, loss, *, activation="relu", **settings):
    """The value is the initializer of the hidden kernels."""

    def build(rows, value):
        parts = [D(units, activation=activation, kernel_initializer=value) for _ in range(2)]
        return fit(rows, [*parts, D(end[0], activation=end[1])], loss, **settings)

    return build


def activated(units, end, loss, optimizer="adam", **settings):
    """The value is the activation of the hidden layers."""

    def build(rows, value):
        parts = [
            D(n, activation=value, kernel_initializer=settings.get("start", "glorot_uniform")) for n in units
        ]
        more = {k: v for k, v in settings.items() if k != "start"}
        return fit(rows, [*parts, D(end[0], activation=end[1])], loss, optimizer, **more)

    return build


def linear_convolutions(rows, value):
    parts = [
        layers.Conv2D(4, 3, activation=value), layers.Conv2D(4, 3, activation=value), layers.Flatten(),
        D(1, activation="sigmoid"),
    ]  # fmt: skip
    return fit(rows, parts, BINARY, optimizers.Adam(0.003), epochs=15)


def biased(rows, value):
    parts = [D(24, bias_initializer=value, **RELU), D(24, bias_initializer=value, **RELU), D(1)]
    return fit(rows, parts, "mse")


def dropped(rows, value):
    parts = [
        D(32, **RELU),
        layers.Dropout(value),
        D(32, **RELU),
        layers.Dropout(value),
        D(10, activation="softmax"),
    ]
    return fit(rows, parts, SPARSE)


def dropped_last(rows, value):
    last, drop = D(3, activation="softmax"), layers.Dropout(0.3)
    parts = [D(16, **RELU), *((last, drop) if value == "after" else (drop, last))]
    return fit(rows, parts, SPARSE, optimizers.Adam(0.01), epochs=80)


def penalized(rows, value):
    keep = regularizers.L2(value)
    parts = [D(32, kernel_regularizer=keep, **RELU), D(32, kernel_regularizer=keep, **RELU)]
    return fit(rows, [*parts, D(10, kernel_regularizer=keep, activation="softmax")], SPARSE)


def frozen(rows, value):
    """The value is which of three layers do not learn."""
    parts = [D(16, **RELU), D(16, **RELU), D(10, activation="softmax")]
    for place in value:
        parts[place].trainable = False
    return fit(rows, parts, SPARSE)


def narrowed(rows, value):
    return fit(rows, [D(value, **RELU), D(10, activation="softmax")], SPARSE)


PAIRS = (
    Pair("all kernels zero", "zeros as the initial kernels: only the last bias learns", (COPIES, DEAD, FITS, ZERO),
         tables.digits, hidden(16, (10, "softmax"), SPARSE), "zeros", "glorot_uniform"),
    Pair("all kernels one", "ones as the initial kernels: all units do the same", (COPIES, FITS),
         tables.grades, hidden(16, (1, "linear"), "mse", epochs=60), "ones", "glorot_uniform"),
    Pair("the same in each unit", "one small constant as the initial kernels", (COPIES, FITS),
         stories.moons, hidden(8, (1, "sigmoid"), BINARY, activation="tanh", epochs=300), Constant(0.1),
         "glorot_uniform"),
    Pair("kernels of deviation 10", "initial kernels so large that tanh is at its limits", (STUCK, FITS, UNFINISHED),
         tables.digits, hidden(32, (10, "softmax"), SPARSE, activation="tanh"), RandomNormal(stddev=10.0),
         "glorot_uniform"),
    Pair("moons by lines", "no activation in the hidden layers", ("missing-activation", FITS),
         stories.moons, activated((16, 16), (1, "sigmoid"), BINARY, epochs=150), None, "relu"),
    Pair("exclusive or by lines", "no activation, and four rows", ("missing-activation", FITS),
         stories.xor, activated((8,), (1, "sigmoid"), BINARY, epochs=1500), None, "tanh"),
    Pair("a curve by lines", "no activation for a sine", ("missing-activation", FITS),
         stories.curve, activated((32, 32), (1, "linear"), "mse", optimizers.Adam(0.01), epochs=150), None, "tanh"),
    Pair("convolutions by lines", "no activation in the convolutions", ("missing-activation", FITS),
         series.stills, linear_convolutions, None, "relu"),
    Pair("thirty sigmoids", "thirty layers of sigmoid, whose gradients vanish", (FITS, UNFINISHED),
         lambda: standard(tables.wines()), activated((16,) * 30, (3, "softmax"), SPARSE, start="he_normal"), "sigmoid",
         "elu"),
    Pair("biases of -10", "biases that start far below 0: no relu is ever above", (DEAD, FITS),
         tables.grades, biased, Constant(-10.0), "zeros"),
    Pair("nine of ten dropped", "Dropout(0.9) in the belief that it keeps 0.9", ("high-dropout",),
         tables.digits, dropped, 0.9, 0.1),
    Pair("classes dropped", "Dropout after the last layer", ("high-dropout",),
         lambda: standard(tables.flowers()), dropped_last, "after", "before"),
    Pair("held too tightly", "an L2 penalty of 1: all kernels go to 0", (FITS, UNFINISHED, DEAD),
         tables.digits, penalized, 1.0, 1e-5),
    Pair("the head is frozen", "the last layer frozen, which was never trained", (ZERO, UNFINISHED, FITS),
         tables.digits, frozen, (2,), ()),
    Pair("nearly all is frozen", "all layers but the first frozen, which were never trained", (ZERO, UNFINISHED, FITS),
         lambda: standard(tables.digits()), frozen, (1, 2), ()),
    Pair("through one unit", "a hidden layer of one unit for ten classes", (FITS,),
         tables.digits, narrowed, 1, 16),
)  # fmt: skip
