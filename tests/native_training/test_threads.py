"""Threads that share each operation of a step: convolutions and recurrence have the same bits on any number of them."""

import pytest

from foldnet import Model, layers
from foldnet.engines.native.training.program import SHARED_FROM, NativeTraining
from foldnet.engines.native.training.source import source
from tests.native_training import programs
from tests.native_training.test_fit import agree, both


def convolutions():
    """With a normalization, so that a step works on the whole batch."""
    x = layers.Input((9, 8, 4))
    y = layers.BatchNormalization()(layers.Conv2D(50, (3, 2), (2, 1), padding="same", activation="tanh")(x))
    parts = [
        layers.Conv2D(33, 2, dilation_rate=(1, 2))(y), layers.Conv2DTranspose(3, 3, 2)(y),
        layers.DepthwiseConv2D(2)(y), layers.Conv1D(18, 4, 3)(layers.Reshape((-1, 50))(y)),
    ]  # fmt: skip
    parts = [layers.Flatten()(layers.BatchNormalization()(part)) for part in parts]
    return Model(x, layers.Dense(2)(layers.Concatenate()(parts)))


def positions():
    """The same without one, so that threads have blocks of 16 rows."""
    x = layers.Input((9, 8, 4))
    y = layers.Conv2D(50, (3, 2), (2, 1), padding="same", activation="tanh")(x)
    parts = [layers.Conv2D(33, 2)(y), layers.DepthwiseConv2D(2)(y), layers.Conv2DTranspose(3, 3, 2)(y)]
    return Model(x, layers.Dense(2)(layers.Concatenate()([layers.Flatten()(part) for part in parts])))


def recurrence():
    x = layers.Input((6, 5))
    y = layers.BatchNormalization()(
        layers.LSTM(90, return_sequences=True, recurrent_dropout=0.2)(layers.Masking()(x))
    )
    parts = [
        layers.GRU(50)(y),
        layers.GRU(17, reset_after=False)(y),
        layers.SimpleRNN(33, go_backwards=True)(y),
    ]
    return Model(x, layers.Dense(2)(layers.Concatenate()(parts)))


def sequences():
    """Of rows that do not depend on each other, so that threads have blocks of 16 rows."""
    x = layers.Input((19, 5))
    y = layers.Bidirectional(layers.LSTM(20, return_sequences=True, recurrent_dropout=0.2))(
        layers.Masking()(x)
    )
    parts = [
        layers.LSTM(33)(y),
        layers.GRU(17, reset_after=False, dropout=0.3)(y),
        layers.SimpleRNN(18, go_backwards=True)(y),
        layers.Flatten()(layers.Dense(14)(layers.GRU(24, return_sequences=True)(y))),
    ]
    return Model(x, layers.Dense(2)(layers.Concatenate()(parts)))


MADE = {
    "convolutions": convolutions,
    "positions": positions,
    "recurrence": recurrence,
    "sequences": sequences,
}


@pytest.mark.as_shipped
@pytest.mark.parametrize("kind", MADE)
def test_threads_change_no_bit(kind):
    p = programs.program(MADE[kind](), update=programs.adam())
    made, batch = source(p), 37
    assert made.block == 16 if kind in ("positions", "sequences") else made.threaded
    assert made.work * batch >= SHARED_FROM
    data, found = programs.data(p, 2 * batch), []
    for threads in (1, 2, 3, 8):
        state = programs.random_start(p)
        NativeTraining(p).fit(state, data, programs.plan(2 * batch, batch, 2, 1e-3, threads=threads))
        found.append({name: array.tobytes() for name, array in state.weights.items()})
    assert all(other == found[0] for other in found[1:])


@pytest.mark.as_shipped
@pytest.mark.parametrize("kind", MADE)
def test_shared_steps_agree_with_the_reference(kind):
    # Adam would follow the sign of a bias's gradient ahead of a normalization, which is 0 but for rounding.
    p = programs.program(MADE[kind](), update=programs.sgd())
    agree(both(p, 50, programs.plan(50, 20, 1, 1e-3, threads=2), validation=30), 3e-4)
