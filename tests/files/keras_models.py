"""Live Keras models with random statistics, and how they and foldnet predict."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

from foldnet.engines.reference import ReferenceProgram
from foldnet.lowering.lower import lower

L = keras.layers


def randomize(model, seed=0):
    """Give every weight values that a fresh network does not have, each channel its own."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if "seed_generator" in variable.path or variable.dtype not in (
            "float32",
            "float16",
            "bfloat16",
            "float64",
        ):
            continue
        spread = (0.3, 3.0) if "variance" in variable.name else (-1.0, 1.0)
        variable.assign(rng.uniform(*spread, variable.shape))
    return model


def outputs(network, *inputs):
    """What the reference engine computes, output by output."""
    return ReferenceProgram(lower(network), "float32").run([np.asarray(x) for x in inputs])


def rows(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_same(network, model, *inputs):
    """foldnet's network predicts what the Keras model does."""
    named = list(inputs) if len(inputs) > 1 else inputs[0]
    expected = model(named, training=False)
    expected = keras.tree.flatten(expected)
    results = outputs(network, *inputs)
    assert len(results) == len(expected)
    for result, value in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, np.asarray(value), rtol=2e-5, atol=2e-6)


def q2_network():
    """The 11-10-8-6-1 network of dense layers, Dropout and BatchNormalization."""
    model = keras.Sequential([L.Input((11,))])
    for units in (10, 8, 6):
        model.add(L.Dense(units, activation="relu"))
        model.add(L.Dropout(0.3))
        model.add(L.BatchNormalization())
    model.add(L.Dense(1, activation="sigmoid"))
    return randomize(model)


def misleading_names():
    """Layers whose names are the names of other layers' groups."""
    return randomize(
        keras.Sequential(
            [
                L.Input((4,)),
                L.Dense(4, name="first"),
                L.BatchNormalization(name="mybn"),
                L.Dense(4, name="second", activation="tanh"),
                L.BatchNormalization(name="batch_normalization"),
                L.Dense(4, name="dense_1"),
            ]
        )
    )


def many_layers():
    """More layers of a class than a digit counts, so that sorted group names come in the wrong order."""
    return randomize(
        keras.Sequential([L.Input((5,)), *(L.Dense(5, activation="tanh", name=f"d{i}") for i in range(13))])
    )


def missing_parts():
    """BatchNormalization without gamma, without beta, and without both."""
    layers = [L.BatchNormalization(scale=s, center=c) for s in (True, False) for c in (True, False)]
    return randomize(keras.Sequential([L.Input((6,)), L.Dense(6), *layers, L.Dense(2, use_bias=False)]))


def renormalized():
    """renorm keeps three more statistics behind the four."""
    return randomize(
        keras.Sequential([L.Input((3,)), L.BatchNormalization(renorm=True), L.Dense(2, activation="softmax")])
    )


def nested(freeze=False):
    """A shared network within a network, twice deep, and a Sequential without an input layer of its own."""
    i = L.Input((4,), name="inner_in")
    deep = keras.Sequential(
        [L.Input((4,)), L.Dense(4, name="dense"), L.BatchNormalization(name="bn")], name="deep"
    )
    d1, d2 = L.Dense(4, name="d1", activation="relu"), L.Dense(4, name="d2")
    d1.trainable = not freeze
    inner = keras.Model(i, d2(L.BatchNormalization(name="bn")(d1(deep(i)))), name="inner")
    tail = keras.Sequential([L.Dense(3, activation="tanh"), L.BatchNormalization()], name="tail")
    a, b = L.Input((4,), name="a"), L.Input((4,), name="b")
    x = inner(a)
    y = inner(L.Dense(4, name="dense")(b))
    return randomize(keras.Model([a, b], [tail(L.Subtract()([x, y])), inner(x)], name="outer"))


def in_dicts():
    """Inputs and outputs in dicts whose order of writing is not the order of their keys."""
    z, a = L.Input((3,), name="z_in"), L.Input((2,), name="a_in")
    h = L.Concatenate()([z, a])
    out = {"y": L.Dense(2, name="one")(h), "b": L.Dropout(0.4)(L.Dense(3, name="two")(h))}
    return randomize(keras.Model({"zz": z, "aa": a}, out))
