"""A moving variance may be negative as long as epsilon outweighs it; and the signs of other settings."""

import numpy as np
import pytest

import foldnet
from foldnet import Sequential, layers
from foldnet.errors import ConfigError, FoldnetError


def saved(path, variance):
    model = Sequential([layers.Input((3,)), layers.BatchNormalization(epsilon=1e-3)])
    norm = model.layers[-1]
    gamma, beta, mean = np.random.default_rng(4).uniform(0.5, 2, (3, 3))
    norm.set_weights([gamma, beta, mean, np.array([1.0, variance, 2.0])])
    model.save(path)
    return model


def test_epsilon_outweighs_it(tmp_path):
    gamma, beta, mean, variance = saved(tmp_path / "x.keras", -0.9e-3).get_weights()
    x = np.random.default_rng(5).normal(size=(4, 3)).astype("f")
    found = foldnet.load_model(tmp_path / "x.keras").predict(x)
    np.testing.assert_allclose(found, (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta, rtol=1e-3)


def test_epsilon_does_not_outweigh_it(tmp_path):
    saved(tmp_path / "x.keras", -1.1e-3)
    with pytest.raises(FoldnetError, match="must be positive"):
        foldnet.load_model(tmp_path / "x.keras")


def test_of_the_limits_of_renormalization_only_dmax_has_a_sign():
    layers.BatchNormalization(renorm=True, renorm_clipping={"rmin": -1.0, "dmax": 0.0})
    with pytest.raises(ConfigError, match="renorm_clipping"):
        layers.BatchNormalization(renorm=True, renorm_clipping={"dmax": -1.0})
