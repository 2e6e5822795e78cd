"""Discretization.adapt: the boundaries of live Keras, whose ``adapt`` itself needs TensorFlow."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from foldnet import Input, Sequential, freeze, layers
from foldnet.errors import ConfigError, InputError

SIZES = [(2, 4, 0.01), (7, 4, 0.01), (50, 10, 0.01), (997, 7, 0.1), (3000, 100, 0.02), (40, 3, 0.5)]


def keras_layer(batches, **settings):
    layer = keras.layers.Discretization(**settings)
    for batch in batches:
        layer.update_state(batch)
    layer.finalize_state()
    return layer


@pytest.mark.parametrize("kind", ["normal", "whole", "constant"])
@pytest.mark.parametrize(("count", "bins", "epsilon"), SIZES)
def test_the_boundaries_are_keras_own(count, bins, epsilon, kind):
    rng = np.random.default_rng(count)
    x = {
        "normal": lambda: rng.normal(size=(count, 2)),
        "whole": lambda: rng.integers(0, 9, count),
        "constant": lambda: np.full(count, 3.0),
    }[kind]().astype(np.float32)
    size = max(count // 3, 1)
    parts = [x[i : i + size] for i in range(0, count, size)]
    for batches in ([x], parts):
        want = keras_layer(batches, num_bins=bins, epsilon=epsilon).bin_boundaries
        for data in (batches, iter(batches)) if len(batches) > 1 else (x, batches):
            layer = layers.Discretization(num_bins=bins, epsilon=epsilon)
            layer.adapt(data)
            assert layer.bin_boundaries == want


@pytest.mark.parametrize("output_mode", ["int", "one_hot", "multi_hot", "count"])
def test_an_adapted_network_predicts_and_opens_in_keras(tmp_path, output_mode):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)).astype(np.float32)
    layer = layers.Discretization(num_bins=5, output_mode=output_mode)
    layer.adapt(x)
    network = Sequential([Input((3,)), layer])
    network.save(tmp_path / "m.keras")
    model = keras.saving.load_model(tmp_path / "m.keras")
    want = keras_layer([x], num_bins=5, output_mode=output_mode)(x[:20])
    np.testing.assert_array_equal(freeze(network)(x[:20]), want)
    np.testing.assert_array_equal(model(x[:20]), want)
    again = layers.Discretization.from_config(layer.get_config())
    assert again.bin_boundaries == layer.bin_boundaries
    again.adapt(x * 2)  # a new adaption replaces the old one
    assert again.bin_boundaries != layer.bin_boundaries


def test_each_interval_holds_about_as_many_values():
    x = np.random.default_rng(1).exponential(size=10_000)
    layer = layers.Discretization(num_bins=8, epsilon=0.002)
    layer.adapt(x)
    counts = np.bincount(np.digitize(x, layer.bin_boundaries))
    assert len(counts) == 8
    assert np.abs(counts - 1250).max() < 60


def test_lists_and_endless_data():
    def endless():
        while True:
            yield np.arange(6.0)

    one, two = (layers.Discretization(num_bins=3) for _ in range(2))
    one.adapt(endless(), steps=4)
    two.adapt([np.arange(6.0)] * 4)
    assert one.bin_boundaries == two.bin_boundaries
    one.adapt([1.0, 5.0, 3.0, 2.0])
    assert one.bin_boundaries == keras_layer([1.0, 5.0, 3.0, 2.0], num_bins=3).bin_boundaries


def test_what_cannot_be_adapted():
    with pytest.raises(ConfigError, match=r"'mine' \(Discretization\) has num_bins=None"):
        layers.Discretization([1.0], name="mine").adapt([1.0, 2.0])
    for bins in (0, 1):
        with pytest.raises(ConfigError, match=f"num_bins={bins}.*2 or more"):
            layers.Discretization(num_bins=bins).adapt([1.0, 2.0])
    layer = layers.Discretization(num_bins=3, name="mine")
    for data in (np.zeros(0), [5.0], np.ones(1)):
        with pytest.raises(InputError, match=r"'mine'.*two values"):
            layer.adapt(data)
    for data, match in (
        ([1.0, np.nan], "NaN"),
        (np.array(["a"]), "numbers"),
        (iter(()), "empty"),
        ("abc", "adapt takes"),
    ):
        with pytest.raises(Exception, match=match) as error:
            layer.adapt(data)
        assert isinstance(error.value, InputError)
        assert "'mine'" in str(error.value)
    with pytest.raises(ConfigError, match="steps"):
        layer.adapt(iter([np.ones(3)]), steps=0)
    assert layer.bin_boundaries is None
