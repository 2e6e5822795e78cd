"""Inputs nested in another way, and sizes of a nested network's results."""

from __future__ import annotations

import numpy as np
import pytest

from foldnet import Input, Model, layers

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


@pytest.mark.parametrize("wrap", [lambda a: [a], lambda a: (a,)])
def test_an_array_alone_in_a_list_is_the_array(wrap):
    a, b = Input((4,)), Input((4,))
    model = Model([a, b], layers.Add()([a, b]))
    with pytest.warns(UserWarning, match="structure of `inputs`"):
        result = model([wrap(X), X])
    np.testing.assert_allclose(result, 2 * X, rtol=1e-6)
    assert model([[X[0]], [X[1]]]).shape == (1, 4)  # a list of one row is one row


def test_sizes_of_a_batch_pass_through_a_nested_network():
    inputs = Input((3,))
    inner = Model(inputs, {"a": layers.Dense(2)(inputs), "b": layers.Dense(4)(inputs)})
    result = inner(Input((3,), batch_size=7))
    assert {key: tensor.shape for key, tensor in result.items()} == {"a": (7, 2), "b": (7, 4)}
    assert inner(Input((3,)))["a"].shape == (None, 2)
