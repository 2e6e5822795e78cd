"""CategoryEncoding with weights of the numbers, against live Keras."""

import keras
import numpy as np
import pytest

import foldnet
from foldnet.errors import ConfigError
from foldnet.layers import CategoryEncoding, Input
from foldnet.network import Model


@pytest.mark.parametrize("shape", [(5,), (4, 3), (1,)])
def test_counts_as_keras_does(shape, engine, tmp_path):
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 6, (3, *shape)).astype(np.int32)
    weights = rng.normal(size=(3, *shape)).astype(np.float32)
    theirs = keras.layers.CategoryEncoding(5, output_mode="count")
    expected = np.asarray(theirs(numbers, count_weights=weights))
    x, w = Input(shape, dtype="int32", name="x"), Input(shape, name="w")
    model = Model([x, w], CategoryEncoding(5, output_mode="count")(x, count_weights=w))
    assert model.outputs[0].shape[1:] == expected.shape[1:]
    (result,) = engine(model, [numbers, weights], "float32")
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)
    layer = CategoryEncoding(5, output_mode="count")
    np.testing.assert_allclose(layer(numbers, count_weights=weights), expected, rtol=1e-6, atol=1e-6)
    model.save(tmp_path / "x.keras")
    again = foldnet.load_model(tmp_path / "x.keras")
    np.testing.assert_array_equal(again.predict([numbers, weights]), model.predict([numbers, weights]))
    if len(shape) == 1:  # of three axes Keras says another shape than it computes
        live = keras.models.load_model(tmp_path / "x.keras")
        np.testing.assert_allclose(
            live.predict([numbers, weights], verbose=0), expected, rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize(("mode", "shape"), [("multi_hot", (4,)), ("count", (3,))])
def test_weights_that_do_not_fit(mode, shape):
    with pytest.raises(ConfigError, match=r"mine.*count_weights"):
        CategoryEncoding(5, output_mode=mode, name="mine")(Input((4,)), count_weights=Input(shape))
