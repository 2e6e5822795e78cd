"""What ``verify`` can see, on either side of the limit: two tolerances."""

import numpy as np
import pytest

from foldnet import Model, Sequential, freeze, layers
from foldnet.insight.verify import verify

TOLERANCE = 1e-3


def network(bias):
    """One value that is one number plus a bias: leaving the bias out moves it by just that."""
    model = Sequential([layers.Input((1,)), layers.Dense(1, name="d")])
    model.layers[0].set_weights([[[1.0]], [bias]])
    return model


@pytest.mark.parametrize(
    ("tolerances", "status"), [(0.5, "unproven"), (1.5, "unproven"), (1.99, "unproven"), (2.01, "proven")]
)
def test_a_mistake_is_seen_from_two_tolerances_on(tolerances, status):
    """At 1.5, a candidate that makes it and is otherwise off by one tolerance the other way would pass."""
    model = network(tolerances * TOLERANCE)
    result = verify(model.predict, model, np.array([[0.5], [-0.25]], np.float32), tolerance=TOLERANCE)
    assert result.ok
    layer = result.layers[1]
    assert layer.status == status
    assert layer.mistakes["bias-missing"] == pytest.approx(tolerances, rel=1e-4)
    assert ("bias-missing" in layer.unseen) is (status == "unproven")
    assert layer.mistakes["kernel-missing"] > 100


def test_rows_hold_indices_also_where_a_reshape_comes_before_the_table():
    x = layers.Input((6,))
    h = layers.Embedding(5, 2)(layers.Reshape((2, 3))(x))
    model = Model(x, layers.Dense(1)(layers.Flatten()(h)))
    result = verify(freeze(model, engine="reference"), model)
    assert "all 5 rows of an embedding's table" in str(result)
