"""The range of a layer's activation holds all that the layer gives, with its own parameters."""

import numpy as np
import pytest

from foldnet import Sequential, doctor, layers
from foldnet.insight.doctor.ranges import value_range

X = np.linspace(-9, 9, 1001, dtype=np.float32)[:, None]
LAYERS = [
    (layers.ReLU(), (0, np.inf)), (layers.ReLU(6.0), (0, 6)), (layers.ReLU(negative_slope=0.1), (-np.inf, np.inf)),
    (layers.ELU(2.0), (-2, np.inf)), (layers.ThresholdedReLU(), (0, np.inf)), (layers.PReLU(), (-np.inf, np.inf)),
    (layers.Activation("tanh"), (-1, 1)), (layers.Activation("hard_sigmoid"), (0, 1)),
    (layers.Activation(lambda x: x), (-np.inf, np.inf)), (layers.Dropout(0.2), (-np.inf, np.inf)),
    (layers.Softmax(), (0, 1)), (layers.Activation("log_softmax"), (-np.inf, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "limits"), LAYERS, ids=lambda v: type(v).__name__)
def test_the_range_is_that_of_the_layer(layer, limits):
    low, high = value_range(layer.ends_with)
    assert (low, high) == limits
    y = np.asarray(layer(X))
    assert low <= y.min()
    assert y.max() <= high


@pytest.mark.parametrize(
    ("end", "outside"), [(layers.ReLU(negative_slope=0.2), 0), (layers.ReLU(), 0.5), (layers.ELU(3.0), 0.25)]
)
def test_targets_are_held_against_the_layers_own_range(end, outside):
    model = Sequential([layers.Input((2,)), layers.Dense(1), end])
    y = np.float32([[-5], [-1], [1], [5]])
    found = doctor(model, np.ones((4, 2), np.float32), y, checks="target-out-of-reach").findings
    assert [f.evidence["outside"] for f in found] == ([outside] if outside else [])
