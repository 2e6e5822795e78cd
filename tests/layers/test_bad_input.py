"""Input that convolutions, pooling and recurrent layers cannot take: one clear error that names the layer."""

import numpy as np
import pytest

import foldnet
from foldnet import Input, Model, Sequential, layers
from foldnet.errors import ConfigError, InputError, UnsupportedError

RANK = r"takes (inputs|sequences) .*shape \(None, "
WRONG_RANK = {
    "conv1d": (layers.Conv1D, (3, 3), (5,)),
    "conv2d": (layers.Conv2D, (3, 3), (5, 4)),
    "conv3d": (layers.Conv3D, (3, 3), (5, 5, 4)),
    "transposed": (layers.Conv2DTranspose, (3, 3), (5, 4)),
    "depthwise": (layers.DepthwiseConv2D, (3,), (5, 4)),
    "separable": (layers.SeparableConv1D, (3, 3), (5,)),
    "pooling": (layers.MaxPooling2D, (), (5, 4)),
    "global": (layers.GlobalAveragePooling1D, (), (5,)),
    "padding": (layers.ZeroPadding2D, (), (5, 4)),
    "upsampling": (layers.UpSampling2D, (), (5, 4)),
    "lstm": (layers.LSTM, (3,), (5,)),
    "gru of images": (layers.GRU, (3,), (5, 4, 3)),
    "rnn": (lambda name: layers.RNN([layers.LSTMCell(3)], name=name), (), (5,)),
    "bidirectional": (lambda name: layers.Bidirectional(layers.GRU(3), name=name), (), (5,)),
    "time distributed": (lambda name: layers.TimeDistributed(layers.Dense(3), name=name), (), (5,)),
    "inside time distributed": (
        lambda name: layers.TimeDistributed(layers.Conv2D(3, 3), name=name), (), (5, 4, 3),
    ),
}  # fmt: skip
DOES_NOT_FIT = {
    "a window": (layers.Conv1D(3, 7, name="mine"), (5, 4), "a window of 7 does not fit an axis of 5 positions"),
    "dilated": (
        layers.Conv1D(3, 3, dilation_rate=4, name="mine"), (5, 4), "a window of 9 does not fit an axis of 5 positions"
    ),
    "one axis": (layers.Conv2D(3, 6, name="mine"), (9, 5, 4), "a window of 6 does not fit an axis of 5 positions"),
    "pooling": (layers.MaxPooling2D(4, name="mine"), (3, 3, 4), "a window of 4 does not fit an axis of 3 positions"),
    "cropping": (layers.Cropping1D(3, name="mine"), (5, 4), "leaves nothing of axis 1, which has 5 positions"),
    "groups": (layers.Conv2D(4, 3, groups=2, name="mine"), (5, 5, 3), "3 channels cannot be divided into 2 groups"),
    "free channels": (layers.Conv1D(3, 3, name="mine"), (5, None), "needs a known number of channels"),
    "free features": (layers.LSTM(3, name="mine"), (5, None), "whose last axis has a known size"),
    "free for Dense": (layers.Dense(3, name="mine"), (5, None), "whose last axis has a known size"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_RANK)
def test_a_wrong_rank_names_the_layer(case):
    make, arguments, shape = WRONG_RANK[case]
    with pytest.raises(ConfigError, match=rf"^layer 'mine' \(\w+\): \w+ {RANK}"):
        make(*arguments, name="mine")(Input(shape))


@pytest.mark.parametrize("case", DOES_NOT_FIT)
def test_a_shape_that_does_not_fit_names_the_layer(case):
    layer, shape, message = DOES_NOT_FIT[case]
    with pytest.raises(ConfigError, match=rf"^layer 'mine' \(\w+\): .*{message}"):
        layer(Input(shape))


@pytest.mark.parametrize("layer", [layers.Conv1D(3, 2, name="mine"), layers.GRU(3, name="mine")])
def test_other_channels_at_a_second_call_name_the_layer(layer):
    layer(Input((5, 3)))
    with pytest.raises(ConfigError, match=r"^layer 'mine'.*called on \[\(None, .*4\)\], which would need"):
        layer(Input((5, 4)))


def test_flatten_of_a_free_axis_before_dense():
    with pytest.raises(ConfigError, match=r"layer 'mine' .*last axis has a known size, got \(None, None\)"):
        layers.Dense(3, name="mine")(layers.Flatten()(Input((None, 4))))


def test_a_stateful_layer_says_what_to_do():
    network = Sequential([Input((5, 4)), layers.LSTM(3, stateful=True, name="mine")])
    with pytest.raises(UnsupportedError, match=r"layer 'mine' \(LSTM\) is stateful.*initial_state"):
        foldnet.freeze(network)


def test_initial_states_of_another_size():
    with pytest.raises(ConfigError, match=r"layer 'mine' \(GRU\): initial_state has the shapes"):
        layers.GRU(2, name="mine")(Input((None, 3)), initial_state=Input((4,)))


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (
            [layers.Conv1D(3, 7, name="mine"), layers.GRU(2)],
            (5, 4),
            "a window of 7 does not fit an axis of 5",
        ),
        (
            [layers.MaxPooling1D(4, name="mine"), layers.LSTM(2)],
            (3, 4),
            "a window of 4 does not fit an axis of 3",
        ),
        (
            [layers.Conv1D(3, 2), layers.Conv1D(3, 5, name="mine")],
            (5, 4),
            "a window of 5 does not fit an axis of 4",
        ),
    ],
    ids=["convolution", "pooling", "second"],
)
def test_a_length_too_short_at_a_call_names_the_layer_and_the_input(engine, network, shape, message):
    predict = foldnet.freeze(Sequential([Input((None, 4), name="signal"), *network]), engine=engine)
    steps, channels = shape
    with pytest.raises(
        InputError,
        match=rf"^layer 'mine': {message} positions; input 'signal' has shape \(rows, {steps}, {channels}\)$",
    ):
        predict(np.zeros((2, *shape), np.float32))
    with pytest.raises(InputError, match=r"^layer 'mine': .* input 'signal' has shape"):
        predict.layer_values(np.zeros((2, *shape), np.float32))
    assert len(predict(np.zeros((2, 12, channels), np.float32))) == 2  # it still works


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_mask_of_another_length(engine):
    x, mask = Input((None, 3), name="x"), Input((None,), dtype="bool", name="which")
    predict = foldnet.freeze(Model([x, mask], layers.GRU(2, name="mine")(x, mask=mask)), engine=engine)
    with pytest.raises(
        InputError, match=r"^layer 'mine': its mask has the shape \(None, 6\), expected \(None, 5\)"
    ):
        predict(np.zeros((2, 5, 3), np.float32), np.ones((2, 6), bool))


def test_a_mask_of_another_fixed_length():
    x, mask = Input((5, 3)), Input((6,), dtype="bool")
    network = Model([x, mask], layers.GRU(2, name="mine")(x, mask=mask))
    with pytest.raises(
        ConfigError, match=r"^layer 'mine': its mask has the shape \(None, 6\), expected \(None, 5\)"
    ):
        foldnet.freeze(network)
