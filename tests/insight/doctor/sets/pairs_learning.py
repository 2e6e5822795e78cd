"""Pairs whose training does too much, too little, or the wrong thing."""

from foldnet import callbacks, optimizers
from foldnet.optimizers import schedules
from tests.insight.doctor.sets import stories, tables
from tests.insight.doctor.sets.record import Pair, apart, in_deviations, standard
from tests.insight.doctor.sets.training import RELU, D, fit

FITS, DEAD, STUCK = "learns-less-than-a-simple-fit", "dead-units", "saturated-units"
UNFINISHED, RATE, NAN = "training-not-finished", "learning-rate", "not-finite"
SPARSE, BINARY = "sparse_categorical_crossentropy", "binary_crossentropy"


def classes(hidden, count, **settings):
    """The value is the optimizer."""

    def build(rows, value):
        parts = [*(D(n, **RELU) for n in hidden), D(count, activation="softmax")]
        return fit(rows, parts, SPARSE, value(), **settings)

    return build


def number(hidden, **settings):
    return lambda rows, value: fit(rows, [*(D(n, **RELU) for n in hidden), D(1)], "mse", value(), **settings)


def adam(rate, **more):
    return lambda: optimizers.Adam(rate, **more)


def sgd(rate, **more):
    return lambda: optimizers.SGD(rate, **more)


def rmsprop(rate):
    return lambda: optimizers.RMSprop(rate)


def falling(steps):
    return lambda: optimizers.Adam(schedules.ExponentialDecay(0.01, steps, 0.5))


def stopped(rows, value):
    """The value is what EarlyStopping takes for better."""
    stop = callbacks.EarlyStopping("loss", mode=value, patience=2, restore_best_weights=True)
    return fit(rows, [D(32, **RELU), D(10, activation="softmax")], SPARSE, epochs=60, callbacks=[stop])


def learned_by_heart(rows, value):
    stop = [callbacks.EarlyStopping(patience=value, restore_best_weights=True)] if value else []
    parts = [D(64, **RELU), D(64, **RELU), D(1)]
    return fit(rows, parts, "mse", optimizers.Adam(0.005), epochs=150, watched=True, callbacks=stop)


def classes_by_heart(rows, value):
    parts = [D(48, **RELU), D(48, **RELU), D(1, activation="sigmoid")]
    return fit(rows, parts, BINARY, optimizers.Adam(0.005), epochs=value, watched=True)


def weighed(rows, value):
    return fit(rows, [D(16, **RELU), D(1, activation="sigmoid")], BINARY, class_weight=value)


PAIRS = (
    Pair("digits by Adam 5", "a learning rate of 5 for Adam", (RATE, DEAD, FITS, NAN),
         tables.digits, classes((32, 32), 10), adam(5.0), adam(0.001)),
    Pair("quality by RMSprop 1", "a learning rate of 1 for RMSprop", (RATE, DEAD, FITS, NAN),
         tables.grades, number((32, 32)), rmsprop(1.0), rmsprop(0.001)),
    Pair("digits by SGD 10", "a learning rate of 10 for SGD", (RATE, DEAD, FITS, NAN),
         tables.digits, classes((32, 32), 10), sgd(10.0), sgd(0.1)),
    Pair("wines by SGD 2", "a learning rate of 2 with momentum", (RATE, DEAD, FITS, NAN),
         lambda: standard(tables.wines()), classes((16, 16), 3), sgd(2.0, momentum=0.9), sgd(0.01, momentum=0.9)),
    Pair("narrow layers die", "Adam 0.3 for layers of three units", (RATE, DEAD, FITS),
         stories.changes, number((3, 3, 3)), adam(0.3), adam(0.01)),
    Pair("digits by Adam 1e-7", "a learning rate of 1e-7", (UNFINISHED, RATE, FITS),
         tables.digits, classes((32, 32), 10), adam(1e-7), adam(0.001)),
    Pair("progress by SGD 1e-6", "a learning rate of 1e-6 for SGD", (UNFINISHED, RATE, FITS),
         lambda: in_deviations(tables.progress()), number((32, 32), epochs=50), sgd(1e-6), sgd(0.01)),
    Pair("quality by Adam 1e-5", "a learning rate of 1e-5, and few rows", (UNFINISHED, RATE, FITS),
         lambda: stories.unlike(tables.grades(), 400), number((16,), epochs=40), adam(1e-5), adam(0.01)),
    Pair("falls by steps", "a schedule whose steps were thought to be epochs: it halves every 10", (UNFINISHED, FITS),
         tables.digits, classes((32,), 10, epochs=20), falling(4), falling(400)),
    Pair("one epoch", "one epoch of five steps", (UNFINISHED, FITS),
         tables.digits, lambda rows, value: fit(rows, [D(32, **RELU), D(10, activation="softmax")], SPARSE,
                                                optimizers.Adam(0.01), epochs=value, batch_size=256), 1, 60),
    Pair("five epochs of progress", "five epochs for 442 rows and targets of 152 on average", (UNFINISHED, FITS),
         tables.progress, lambda rows, value: fit(rows, [D(32, **RELU), D(1)], "mse", epochs=value), 5, 500),
    Pair("stopped at once", "EarlyStopping on the loss with mode=max", (UNFINISHED, FITS),
         tables.digits, stopped, "max", "min"),
    Pair("explodes", "four relu layers and SGD 0.05 without clipping, for targets around 152", (NAN, DEAD, FITS),
         tables.progress, number((32,) * 4, epochs=100), sgd(0.05), sgd(0.05, clipnorm=1.0)),
    Pair("learned by heart", "150 epochs for 120 rows of noise, two layers of 64", ("overfit",),
         lambda: apart(stories.noise(0.3, 400), 120), learned_by_heart, None, 5),
    Pair("patients by heart", "fourteen weights a patient, and many epochs", ("overfit",),
         lambda: apart(stories.mixed(stories.loans(0.4, 0.7)), 200), classes_by_heart, 70, 4),
    Pair("weights the wrong way", "class weights for the class that there is enough of", (FITS,),
         lambda: stories.loans(0.25, 1.2), weighed, {0: 40.0, 1: 1.0}, {0: 1.0, 1: 1.0}),
)  # fmt: skip
