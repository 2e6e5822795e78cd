"""A functional network lists its layers in Keras's own order: files number their weights by it."""

import os

import numpy as np
import pytest

from foldnet import Model, layers

os.environ.setdefault("KERAS_BACKEND", "jax")


def random_network(module, seed):
    """Inputs, Dense layers (some called again) and sums, joined at random; some inputs may be of no use."""
    generator = np.random.default_rng(seed)
    lay = module.layers
    inputs = [module.Input((3,), name=f"in{i}") for i in range(generator.integers(1, 4))]
    tensors = list(inputs)
    shared = [lay.Dense(3, name=f"shared{i}") for i in range(2)]
    for i in range(generator.integers(2, 12)):
        kind = generator.integers(0, 3)
        a, b = (tensors[j] for j in generator.integers(0, len(tensors), 2))
        if kind == 0:
            tensors.append(shared[generator.integers(0, 2)](a))
        elif kind == 1:
            tensors.append(lay.Dense(3, name=f"dense{i}")(b))
        else:
            tensors.append(lay.Activation("relu", name=f"act{i}")(a))
    outputs = [tensors[j] for j in generator.integers(len(inputs), len(tensors), 2)]
    return module.Model(inputs, outputs)


class Foldnet:
    layers, Input, Model = layers, staticmethod(layers.Input), Model


def test_random_networks():
    keras = pytest.importorskip("keras", reason="the comparison needs Keras, which the dev extra installs")
    for seed in range(60):
        wanted = [layer.name for layer in random_network(keras, seed).layers]
        assert [layer.name for layer in random_network(Foldnet, seed).layers] == wanted, seed
