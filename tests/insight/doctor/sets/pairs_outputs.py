"""Pairs whose output, loss and targets do not go together."""

from foldnet import layers, losses, optimizers
from tests.insight.doctor.sets import series, stories, tables
from tests.insight.doctor.sets.record import Pair, Rows, copied, one_hot, standard, with_targets
from tests.insight.doctor.sets.training import RELU, D, fit

FITS, OUTPUT, LOSS, LOGITS = (
    "learns-less-than-a-simple-fit",
    "output-activation",
    "loss-and-activation",
    "logits-and-activation",
)
REACH, LABELS = "target-out-of-reach", "labels-and-loss"


def scaled(table):
    return lambda: standard(table())


def coded(table):
    return lambda: one_hot(table())


def ended(units, hidden=16, rate=0.01, **settings):
    """One hidden layer; the value is the last activation and the loss."""

    def build(rows, value):
        activation, loss = value
        return fit(
            rows,
            [D(hidden, **RELU), D(units, activation=activation)],
            loss,
            optimizers.Adam(rate),
            **settings,
        )

    return build


def moons_by_sign():
    return with_targets(stories.moons(), lambda y: 2 * y - 1)


def tumours_in_a_column():
    return with_targets(standard(tables.tumours()), lambda y: y[:, None])


def wines_of_four():
    """The first four measurements alone, from which no network knows every grower."""
    rows = standard(tables.wines())
    return Rows(rows.x[:, :4], rows.y)


def from_three(rows):
    """Grades of 3 to 8 as class numbers."""
    return with_targets(rows, lambda y: y - 3)


CATEGORICAL, SPARSE, BINARY = (
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
    "binary_crossentropy",
)


def autoencoder(rows, value):
    return fit(rows, [D(12, **RELU), D(5, **RELU), D(12, **RELU), D(13, activation=value)], "mse", epochs=80)


def parts_of_a_whole(rows, value):
    return fit(rows, [D(16, **RELU), D(3, activation=value)], "mse", epochs=60)


def each_step(rows, value):
    parts = [
        layers.Embedding(30, 8),
        layers.Conv1D(16, 2, padding="causal", **RELU),
        D(3),
        layers.Softmax(axis=value),
    ]
    return fit(rows, parts, SPARSE, epochs=20)


def dice(sign):
    """The overlap of two sets as a loss, and its reverse."""
    from foldnet import ops

    def loss(y_true, y_pred):
        both = ops.sum(y_true * y_pred, axis=-1)
        overlap = (2 * both + 1) / (ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1) + 1)
        return sign * overlap + (1 - sign) / 2

    return loss


PAIRS = (
    Pair("tumours by softmax", "softmax over one unit: it always says 1", ("softmax-one-unit",),
         scaled(tables.tumours), ended(1), ("softmax", BINARY), ("sigmoid", BINARY)),
    Pair("one class of one", "categorical_crossentropy over one sigmoid unit: the loss is 0 from the start",
         (LOSS,), tumours_in_a_column, ended(1), ("sigmoid", CATEGORICAL), ("sigmoid", BINARY)),
    Pair("flowers by sigmoid", "categorical_crossentropy with sigmoid: three probabilities that do not add up",
         (LOSS,), coded(scaled(tables.flowers)), ended(3), ("sigmoid", CATEGORICAL), ("softmax", CATEGORICAL)),
    Pair("digits one by one", "binary_crossentropy over the softmax of classes",
         (LOSS,), coded(tables.digits), ended(10), ("softmax", BINARY), ("softmax", CATEGORICAL)),
    Pair("growers by themselves", "sigmoid and binary_crossentropy for classes of which just one is right",
         (LABELS, LOSS), coded(wines_of_four), ended(3), ("sigmoid", BINARY), ("softmax", CATEGORICAL)),
    Pair("colder than now", "relu at the output, though half of the targets are below 0", (REACH, OUTPUT),
         stories.changes, ended(1), ("relu", "mse"), ("linear", "mse")),
    Pair("progress by sigmoid", "sigmoid at the output for targets of 25 to 346", (REACH,),
         tables.progress, ended(1, epochs=200), ("sigmoid", "mse"), ("linear", "mse")),
    Pair("wind in tanh", "tanh at the output for counts far above 1", (REACH,),
         stories.hires, ended(1), ("tanh", "mse"), ("linear", "mse")),
    Pair("tumours by tanh", "binary_crossentropy takes the log of what tanh makes negative", (LOSS,),
         scaled(tables.tumours), ended(1), ("tanh", BINARY), ("sigmoid", BINARY)),
    Pair("digits without softmax", "sparse_categorical_crossentropy of linear outputs, without from_logits", (LOGITS,),
         tables.digits, ended(10), ("linear", SPARSE),
         ("linear", losses.SparseCategoricalCrossentropy(from_logits=True))),
    Pair("digits with two softmaxes", "softmax in the layer and, by from_logits, in the loss again", (LOGITS,),
         tables.digits, ended(10), ("softmax", losses.SparseCategoricalCrossentropy(from_logits=True)),
         ("softmax", SPARSE)),
    Pair("moons with two sigmoids", "sigmoid in the layer and, by from_logits, in the loss again", (LOGITS,),
         stories.moons, ended(1), ("sigmoid", losses.BinaryCrossentropy(from_logits=True)), ("sigmoid", BINARY)),
    Pair("moons without sigmoid", "binary_crossentropy of a linear output, without from_logits", (LOGITS,),
         stories.moons, ended(1), ("linear", BINARY), ("linear", losses.BinaryCrossentropy(from_logits=True))),
    Pair("digits by relu", "relu instead of softmax for the classes", (LOSS,),
         coded(tables.digits), ended(10), ("relu", CATEGORICAL), ("softmax", CATEGORICAL)),
    Pair("several topics by softmax", "softmax and categorical_crossentropy, though a message has several topics",
         (LABELS,), stories.topics, ended(5, epochs=40), ("softmax", CATEGORICAL), ("sigmoid", BINARY)),
    Pair("hires that may be negative", "poisson takes the log of a linear output", (LOSS,),
         stories.hires, ended(1), ("linear", "poisson"), ("exponential", "poisson")),
    Pair("hinge by sigmoid", "hinge needs outputs below 0, which sigmoid does not give", (LOSS,),
         moons_by_sign, ended(1, epochs=100), ("sigmoid", "hinge"), ("tanh", "hinge")),
    Pair("valves that share", "softmax for three numbers that do not add up to 1", (LABELS, FITS),
         stories.shares, parts_of_a_whole, "softmax", "sigmoid"),
    Pair("wines rebuilt by sigmoid", "an autoencoder that ends with sigmoid, for data around 0", (REACH,),
         lambda: copied(standard(tables.wines())), autoencoder, "sigmoid", "linear"),
    Pair("few by mae", "mae for labels 0 and 1: the median, which is 0, is good enough", (LABELS, FITS),
         lambda: stories.loans(0.12, 0.5), ended(1, epochs=40), ("sigmoid", "mae"), ("sigmoid", BINARY)),
    Pair("grades by mae", "mae for classes that overlap: the rare ones are given up", (LABELS, FITS),
         coded(lambda: from_three(standard(tables.quality()))), ended(6, epochs=60), ("softmax", "mae"),
         ("softmax", CATEGORICAL)),
    Pair("softmax over steps", "softmax along the words of a sentence and not along the tags", (FITS, LABELS, LOSS),
         series.tagged, each_step, 1, -1),
    Pair("overlap made small", "the overlap itself as a loss, which is to be small", (FITS,),
         tumours_in_a_column, ended(1), ("sigmoid", dice(1)), ("sigmoid", dice(-1))),
)  # fmt: skip
