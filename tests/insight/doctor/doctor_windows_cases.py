"""Networks of convolutions and steps with each fault, and networks nearly with it."""

from foldnet import layers
from tests.insight.doctor.doctor_networks import D, stack
from tests.insight.doctor.doctor_windows import (
    branches,
    events,
    flat_at_the_end,
    followed,
    gated,
    laid,
    letters,
    phrases,
    pictures,
    pictures_in_turn,
    read,
    seen,
    sequences,
    signals,
    smooth,
    squeezed,
    texts,
)

FIRST = {"data_format": "channels_first", "padding": "same"}
SAME = {"padding": "same"}

WINDOWS = {
    "channels-and-shape": [
        (lambda: laid((3, 32, 32), layers.Conv2D(4, 3)), "warning"),
        (lambda: laid((28, 28, 1), layers.Conv2D(4, 3, **FIRST)), "warning"),
        (lambda: laid((1, 24, 40), layers.Conv2D(4, 3), layers.ZeroPadding2D(1), layers.Rescaling(2.0)), "warning"),
        (lambda: laid((3, 16, 16), layers.MaxPooling2D(2)), "warning"),
        (lambda: laid((3, 16, 16), layers.SeparableConv2D(4, 3), layers.BatchNormalization(axis=1)), "warning"),
        (lambda: laid((3, 8, 8, 8), layers.Conv3D(2, 2)), "warning"),
        (lambda: laid((5, 3, 16, 16), layers.TimeDistributed(layers.Conv2D(2, 3))), "warning"),
        (lambda: laid((3, 16, 16), layers.Conv2D(4, 3), x=smooth((3, 16, 16), 2, 3)), "warning"),
        (lambda: laid((3, 16, 16), layers.Conv2D(4, 3), x=smooth((3, 16, 16))), "note"),
        (lambda: laid((3, 8, 90), layers.Conv2D(4, 3), x=smooth((3, 8, 90), 3)), "note"),
        (lambda: laid((1, 50), layers.Conv1D(4, 3, **SAME), x=smooth((1, 50), 2)), "warning"),
        (lambda: laid((1, 50), layers.Conv1D(4, 3, **SAME)), "note"),
        (lambda: laid((32, 32, 3), layers.Conv2D(4, 3)), None),
        (lambda: laid((1, 28, 28), layers.Conv2D(4, 3, **FIRST)), None),
        (lambda: laid((1, 24, 40), layers.Conv2D(4, (1, 5))), None),  # along time, with features as channels
        (lambda: laid((22, 60, 1), layers.Conv2D(4, (1, 9))), None),  # sensors and time
        (lambda: laid((4, 4, 96), layers.Conv2D(4, 3), x=smooth((4, 4, 96), 3)), None),  # spectra of a few pixels
        (lambda: laid((3, 6, 16), layers.Conv2D(4, 2)), None), (lambda: laid((3, 8, 90), layers.Conv2D(4, 3)), None),
        (lambda: laid((3, 30), layers.Conv1D(4, 2)), None), (lambda: laid((1, 50), layers.Conv1D(4, 1)), None),
        (lambda: laid((8, 8, 3), layers.Conv2D(4, 3), layers.Conv2D(32, 3, strides=2)), None),
        (lambda: laid((3, 16, 16), layers.Conv2D(4, 3), layers.Permute((2, 3, 1))), None),
    ],
    "padding-without-mask": [
        (lambda: read(texts(), layers.LSTM(6)), "warning"),
        (lambda: read(texts(), layers.GlobalAveragePooling1D(), length=None), "warning"),
        (lambda: read(texts(code=40), layers.LSTM(6), mask_zero=True), "warning"),
        (lambda: followed(signals(), layers.Conv1D(4, 3), layers.ReLU(), layers.GlobalAveragePooling1D()), "warning"),
        (lambda: followed(signals(-1.0), layers.Masking(), layers.LSTM(6)), "warning"),
        (lambda: read(texts(at_end=False), layers.LSTM(6)), "note"),
        (lambda: read(texts(), layers.LSTM(6), mask_zero=True), None),
        (lambda: read(texts(), layers.Conv1D(4, 3), layers.Flatten()), None),
        (lambda: read(texts(), layers.Conv1D(4, 3), layers.LSTM(4), mask_zero=True), None),  # the matter of mask-lost
        (lambda: read(texts(shortest=24), layers.LSTM(6)), None),
        (lambda: read(texts(10), layers.LSTM(6)), None),
        (lambda: followed(signals(), layers.Masking(), layers.LSTM(6)), None),
        (lambda: followed(signals(), layers.LSTM(6, return_sequences=True)), None),
        (lambda: followed(flat_at_the_end(), layers.LSTM(6)), None),
        (lambda: followed(pictures(), layers.LSTM(6)), None),
        (lambda: followed(letters(), layers.GRU(6)), None),
    ],
    "receptive-field": [
        (lambda: seen(layers.Conv2D(4, 3, padding="same"), layers.Conv2D(4, 3, dilation_rate=2)), "note"),
        (lambda: seen(layers.Conv1D(4, 3, data_format="channels_first"), shape=(2, 24), said="channels_first"), "note"),
        (lambda: phrases(30), "note"), (lambda: phrases(None, 30), "note"),
        (lambda: branches(3, 5), "note"),
        (lambda: stack(layers.Conv2D(2, 3, strides=3), layers.AveragePooling2D(4), D(2), shape=(12, 12, 1)), "note"),
        (lambda: stack(layers.Conv2D(2, 4, strides=4), layers.AveragePooling2D(3), D(2), shape=(12, 12, 1)), None),
        (lambda: pictures_in_turn(layers.SeparableConv2D(3, 3), layers.DepthwiseConv2D(3)), "note"),
        (lambda: seen(layers.Conv2D(4, 3, strides=3), layers.Conv2D(4, 3, strides=2), layers.Conv2D(4, 3)), None),
        (lambda: seen(layers.Conv1D(4, 3), layers.LSTM(3, return_sequences=True), shape=(24, 2)), None),
        (lambda: seen(D(4), layers.Conv2D(4, 1)), None),
        (lambda: stack(layers.Conv2D(4, 3), layers.Flatten(), D(2), shape=(12, 12, 1)), None),
        (lambda: phrases(None), None), (lambda: phrases(None, 5), None),
        (lambda: branches(3, 12), None), (lambda: squeezed(layers.GlobalAveragePooling2D()), None),
        (lambda: squeezed(layers.Flatten()), None),
        (lambda: pictures_in_turn(layers.Conv2D(3, 3), layers.MaxPooling2D(2), layers.Conv2D(3, 6)), None),
    ],
    "recurrent-saturation": [
        (lambda: gated(layers.LSTM(8), parts=[1], value=-40), "warning"),
        (lambda: gated(layers.Bidirectional(layers.LSTM(5)), parts=[1], value=-40), "warning"),
        (lambda: gated(layers.LSTM(8), parts=[3], value=-40), "error"),
        (lambda: gated(layers.LSTM(8, recurrent_activation="hard_sigmoid"), 300), "warning"),
        (lambda: gated(layers.GRU(8, return_sequences=True), parts=[0, 1], value=-40), "warning"),
        (lambda: gated(layers.GRU(8, reset_after=False), parts=[0], value=40), "error"),
        (lambda: gated(layers.GRU(8), 300), "warning"),
        (lambda: gated(layers.SimpleRNN(8), 300), "warning"),
        (lambda: gated(layers.RNN([layers.LSTMCell(4), layers.GRUCell(4)]), 3000), "warning"),
        (lambda: gated(layers.LSTM(8), parts=[1], value=-40, count=5), "warning"),
        (lambda: gated(layers.LSTM(8), parts=[1], value=-40, count=4), None),
        (lambda: events(rarely=False), "error"), (lambda: events(rarely=True), None),
        (lambda: gated(layers.LSTM(8)), None),
        (lambda: gated(layers.LSTM(8), parts=[1], value=40), None),  # it remembers everything
        (lambda: gated(layers.GRU(8), parts=[0], value=-40), None),  # the candidate sees the old state
        (lambda: gated(layers.LSTM(8), parts=[1], value=-40, x=sequences(steps=1)), None),
        (lambda: gated(layers.LSTM(8), parts=[1], value=-40, x=sequences(rows=20)), None),
        (lambda: gated(layers.SimpleRNN(8), 3), None), (lambda: gated(layers.GRU(8), 3), None),
        (lambda: gated(layers.LSTM(8, activation="relu")), None),
        (lambda: gated(layers.SimpleRNN(2), 300), None),
    ],
}  # fmt: skip
