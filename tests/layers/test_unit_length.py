"""Unit length near the smallest that is divided by: every row there is scaled as its length says."""

import numpy as np
import pytest

from foldnet import Sequential, freeze, layers

ROWS = {
    (3.0, 4.0): (0.6, 0.8),
    (3e-9, 4e-9): (0.6, 0.8),
    (3e-12, 4e-12): (0.6, 0.8),
    (6e-13, 8e-13): (0.6, 0.8),
    (3e-13, 4e-13): (0.3, 0.4),
    (0.0, 0.0): (0.0, 0.0),
}


def network():
    return Sequential([layers.Input((2,)), layers.UnitNormalization()])


@pytest.mark.parametrize("settings", [{"engine": "native"}, {"engine": "reference"}, {"dtype": "float64"}])
def test_predictions(settings):
    x, expected = (np.array(list(a), np.float32) for a in (ROWS, ROWS.values()))
    np.testing.assert_allclose(freeze(network(), **settings)(x), expected, rtol=1e-6)


@pytest.mark.parametrize("row", ROWS)
def test_training_programs(row):
    model = network()
    model.compile("sgd", "mse")
    loss = model.evaluate(np.array([row], np.float32), np.zeros((1, 2)), verbose=0)
    assert loss == pytest.approx(sum(y * y for y in ROWS[row]) / 2, rel=1e-5)
