"""Networks as people build them for pictures, series and texts: nothing above a note, from the file and on data."""

import pytest

import foldnet as fn
from foldnet import Model, layers
from foldnet.utils import set_random_seed
from tests.insight.doctor.doctor_networks import D, N, settled
from tests.insight.doctor.doctor_windows import smooth, texts


def lenet(x):
    y = layers.AveragePooling2D(2)(layers.Conv2D(6, 5, padding="same", activation="tanh")(x))
    y = layers.AveragePooling2D(2)(layers.Conv2D(16, 5, activation="tanh")(y))
    return D(10, activation="softmax")(D(24, activation="tanh")(layers.Flatten()(y)))


def residual(x):
    y = layers.ReLU()(N()(layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)))
    for _ in range(3):
        inner = layers.ReLU()(N()(layers.Conv2D(8, 3, padding="same", use_bias=False)(y)))
        y = layers.ReLU()(layers.Add()([y, N()(layers.Conv2D(8, 3, padding="same", use_bias=False)(inner))]))
    return D(3, activation="softmax")(layers.GlobalAveragePooling2D()(y))


def planes(x):
    """The same shape of pictures as other frameworks have them."""
    said = {"data_format": "channels_first"}
    y = layers.MaxPooling2D(**said)(layers.Conv2D(6, 3, activation="relu", **said)(N(axis=1)(x)))
    return D(1, activation="sigmoid")(
        layers.GlobalMaxPooling2D(**said)(layers.Conv2D(12, 5, strides=2, **said)(y))
    )


def dilated(x):
    y = layers.Conv1D(8, 1)(x)
    for rate in (1, 2, 4, 8):
        inner = layers.Conv1D(8, 3, padding="causal", dilation_rate=rate, activation="relu")(y)
        y = layers.Add()([y, layers.SpatialDropout1D(0.1)(inner)])
    return D(2)(y)


def unet(x):
    first = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    low = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(first))
    up = layers.Conv2DTranspose(4, 2, strides=2)(low)
    y = layers.Conv2D(4, 3, padding="same", activation="relu")(layers.Concatenate()([up, first]))
    return layers.Conv2D(1, 1, activation="sigmoid")(y)


def reader(x):
    y = layers.Embedding(41, 8, mask_zero=True)(x)
    return D(1, activation="sigmoid")(layers.Bidirectional(layers.LSTM(8))(layers.Dropout(0.1)(y)))


def phrases(x):
    """Windows of words of several sizes, of which the largest values count."""
    words = layers.Embedding(41, 8)(x)
    parts = [layers.GlobalMaxPooling1D()(layers.Conv1D(6, n, activation="relu")(words)) for n in (2, 3, 4)]
    return D(1, activation="sigmoid")(layers.Concatenate()(parts))


def sensors(x):
    y = layers.LSTM(8, return_sequences=True)(x)
    return D(4, activation="softmax")(layers.GRU(6)(layers.LayerNormalization()(y)))


def windowed(x):
    y = layers.MaxPooling1D()(layers.Conv1D(8, 5, activation="relu")(N()(x)))
    return D(1)(layers.LSTM(8)(y))


def electrodes(x):
    """A window along time, then one along all sensors: shapes that no picture has."""
    y = N()(layers.Conv2D(4, (1, 9), padding="same", use_bias=False)(x))
    y = layers.Activation("elu")(N()(layers.DepthwiseConv2D((12, 1), depth_multiplier=2, use_bias=False)(y)))
    return D(2, activation="softmax")(layers.Flatten()(layers.AveragePooling2D((1, 4))(y)))


def transformer(x):
    mask = layers.Embedding(41, 8, mask_zero=True)
    y = mask(x)
    y = layers.LayerNormalization()(layers.Add()([y, layers.MultiHeadAttention(2, 4)(y, y)]))
    y = layers.LayerNormalization()(layers.Add()([y, D(8)(D(16, activation="gelu")(y))]))
    return D(1, activation="sigmoid")(layers.GlobalAveragePooling1D()(y))


def filmed(x):
    y = layers.TimeDistributed(layers.Conv2D(4, 3, strides=2, activation="relu"))(x)
    y = layers.TimeDistributed(layers.Conv2D(4, 3, activation="relu"))(y)
    return D(1)(layers.LSTM(6)(layers.TimeDistributed(layers.GlobalAveragePooling2D())(y)))


def squeezing(x):
    y = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    weight = D(8, activation="sigmoid")(
        D(2, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(y))
    )
    return D(2)(layers.GlobalAveragePooling2D()(layers.MaxPooling2D(4)(layers.Multiply()([y, weight]))))


PICTURES = smooth((16, 16, 3), 1, 2, count=40) / 4
STEPS = smooth((32, 5), 1, count=40) / 4
HEALTHY = {
    lenet: smooth((28, 28, 1), 1, 2, count=40) / 8, residual: PICTURES, planes: PICTURES.transpose(0, 3, 1, 2),
    dilated: STEPS, unet: PICTURES, reader: texts(), phrases: texts(shortest=24), sensors: STEPS, windowed: STEPS,
    electrodes: smooth((12, 40, 1), 2, count=40) / 4, transformer: texts(), squeezing: PICTURES,
    filmed: smooth((3, 14, 14, 1), 2, 3, count=40) / 4,
}  # fmt: skip


@pytest.mark.parametrize("build", HEALTHY, ids=lambda build: build.__name__)
def test_no_false_alarm(build):
    set_random_seed(0)
    rows = HEALTHY[build]
    x = layers.Input(rows.shape[1:])
    model = settled(Model(x, build(x)), rows)
    told = {"receptive-field": {phrases, filmed}}
    for report in (fn.doctor(model, rows), fn.doctor(model)):
        assert [str(f) for f in report.findings if f.severity != "note"] == []
        for check in (
            "receptive-field",
            "channels-and-shape",
            "padding-without-mask",
            "recurrent-saturation",
        ):
            assert (report.of(check) != ()) == (build in told.get(check, ())), str(report)
