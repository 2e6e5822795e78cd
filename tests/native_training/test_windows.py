"""Convolutions in training: sums over windows, their parts and rows, by products and with rows as lanes."""

import pytest

from foldnet import Model, layers
from foldnet.operations.windows import step_c
from tests.native_training import programs
from tests.native_training.test_fit import agree, both


def network(units):
    """Windows of one, two and three axes, with strides, dilations, padding, groups; one that sees single positions."""
    x = layers.Input((7, 6, 5))
    y = layers.Conv2D(units, (3, 2), (2, 1), padding="same", activation="tanh")(x)
    parts = [
        layers.Conv2D(units, (2, 3), dilation_rate=(1, 2))(y), layers.Conv2DTranspose(4, 3, (1, 2))(y),
        layers.Conv1D(units, 3, 2, padding="causal")(layers.Reshape((-1, units))(y)), layers.Conv2D(4, 1)(y),
        layers.Conv2D(2 * units, 2, groups=units)(y), layers.Conv2D(6, (1, 2), groups=2)(layers.Conv2D(4, 2)(x)),
        layers.DepthwiseConv2D((2, 3), dilation_rate=(2, 1), depth_multiplier=2)(x), layers.DepthwiseConv2D(3, 2)(y),
        layers.Conv3D(units, (2, 1, 3))(layers.Reshape((7, 6, 5, 1))(x)),
    ]  # fmt: skip
    return Model(
        x, layers.Dense(2)(layers.Concatenate()([layers.GlobalAveragePooling1D()(_flat(p)) for p in parts]))
    )


def _flat(p):
    return layers.Reshape((-1, p.shape[-1]))(p)


# With 7 units lanes are rows, also for the last row of 17 and the last vector of 48; with 33 products are turned round.
@pytest.mark.as_shipped
@pytest.mark.parametrize(("units", "batch"), [(7, 17), (7, 48), (33, 16), (33, 33), (16, 64)])
def test_convolutions_agree_with_the_reference(units, batch):
    p = programs.program(network(units), update=programs.sgd())
    agree(both(p, batch, programs.plan(batch, batch, 2, 1e-2), validation=batch), 1e-4)


@pytest.mark.as_shipped
def test_lines_of_windows_go_a_cache_at_a_time(monkeypatch):
    monkeypatch.setattr(step_c, "IN_CACHE", 3000)
    p = programs.program(network(6), update=programs.sgd())
    agree(both(p, 20, programs.plan(20, 20, 2, 1e-2), validation=20), 1e-4)
