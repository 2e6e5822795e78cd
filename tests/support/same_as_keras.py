"""The same network, built with Keras and with foldnet, gives the same."""

from __future__ import annotations

import jax
import keras
import numpy as np

from foldnet import Model, layers
from foldnet.layers import Input
from tests.support.keras_pairs import random_weights, run_native, run_reference

RUNS = {"reference": run_reference, "native": run_native}


def pair(build):
    """The same network in Keras and in foldnet, with the same random weights."""
    theirs = build(keras.layers, keras.Input, keras.Model)
    ours = build(layers, Input, Model)
    ours.set_weights(random_weights(theirs, np.random.default_rng(2)))
    return theirs, ours


def results(network, arrays):
    called = jax.jit(network.__call__)  # compiled whole, which is much faster than each of its operations
    return [np.asarray(y) for y in keras.tree.flatten(called(arrays if len(arrays) > 1 else arrays[0]))]


def assert_close(found, expected):
    assert [a.shape for a in found] == [a.shape for a in expected]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5 * np.nanmax(np.abs(b)), rtol=0)


def assert_same(build, *arrays):
    """Both engines give what Keras gives."""
    theirs, ours = pair(build)
    expected = results(theirs, list(arrays))
    for run in RUNS.values():
        assert_close(run(ours, list(arrays), "float32"), expected)
