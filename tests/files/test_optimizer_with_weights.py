"""The optimizer's state goes with the weights into a ``.weights.h5`` and back, as in Keras."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import foldnet
from tests.files.keras_models import keras


def compiled(library, optimizer="adam", fit=True):
    model = library.Sequential([library.layers.Input((3,)), library.layers.Dense(2)])
    model.compile(optimizer, "mse")
    if fit:
        model.fit(np.ones((4, 3)), np.arange(8.0).reshape(4, 2), verbose=0)
    return model


def state(model):
    return [np.asarray(v) for v in model.optimizer.variables]


@pytest.mark.parametrize(("source", "target"), [(keras, foldnet), (foldnet, keras), (foldnet, foldnet)])
def test_state_goes_along(tmp_path, source, target):
    first, second = compiled(source), compiled(target)
    second.fit(np.zeros((4, 3)), np.ones((4, 2)), verbose=0)
    first.save_weights(tmp_path / "a.weights.h5")
    second.load_weights(tmp_path / "a.weights.h5")
    for ours, theirs in zip(state(second), state(first), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("source", "target"), [(keras, foldnet), (foldnet, keras)])
def test_before_the_first_step_there_is_nothing_to_warn_of(tmp_path, source, target):
    compiled(source, fit=False).save_weights(tmp_path / "a.weights.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)
        compiled(target, fit=False).load_weights(tmp_path / "a.weights.h5")


def test_a_state_of_another_optimizer_is_left(tmp_path):
    compiled(foldnet).save_weights(tmp_path / "a.weights.h5")
    target = compiled(foldnet, foldnet.optimizers.SGD(0.1, momentum=0.9))
    before = state(target)
    with pytest.warns(UserWarning, match=r"stays as it is, because the file holds 6 variables"):
        target.load_weights(tmp_path / "a.weights.h5")
    for now, old in zip(state(target), before, strict=True):
        np.testing.assert_array_equal(now, old)


def test_a_network_that_is_not_compiled_takes_the_weights_alone(tmp_path):
    source = compiled(foldnet)
    source.save_weights(tmp_path / "a.weights.h5")
    target = foldnet.Sequential([foldnet.layers.Input((3,)), foldnet.layers.Dense(2)])
    target.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(target.layers[0].kernel, source.layers[0].kernel)


def test_a_loaded_network_goes_on_from_the_weights(tmp_path):
    compiled(foldnet, fit=False).save(tmp_path / "a.keras")
    source = compiled(foldnet)
    source.save_weights(tmp_path / "a.weights.h5")
    loaded = foldnet.load_model(tmp_path / "a.keras")
    loaded.load_weights(tmp_path / "a.weights.h5")
    for ours, theirs in zip(state(loaded), state(source), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_optimizer_can_be_skipped(tmp_path):
    source, target = compiled(foldnet), compiled(foldnet, fit=False)
    source.save_weights(tmp_path / "a.weights.h5")
    target.load_weights(tmp_path / "a.weights.h5", objects_to_skip=[target.optimizer])
    assert target.optimizer.iterations == 0
    source.save_weights(tmp_path / "b.weights.h5", objects_to_skip=[source.optimizer])
    target.load_weights(tmp_path / "b.weights.h5")
    assert target.optimizer.iterations == 0
