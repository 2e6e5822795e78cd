"""Kernels of few units, normalizations of few and many features, and values that loops hand on, in compiled steps."""

import re

import numpy as np
import pytest

from foldnet import Input, Model, layers, ops
from foldnet.engines.native import cache
from foldnet.engines.native.training.program import NativeTraining
from foldnet.engines.native.training.source import source
from foldnet.engines.reference.training import ReferenceTraining
from tests.native_training import programs
from tests.support.compiling import as_shipped, unoptimized

UNITS = (*range(1, 15), 16, 17, 40)
BATCHES = (32, 20, 50, 7)


def branches():
    """A layer of each size, each with a normalization; where a batch has no more rows, its lanes hold infinities."""
    x = Input((5,))
    logarithm = ops.log(x)
    parts = []
    for k, units in enumerate(UNITS):
        h = layers.Dense(units)(logarithm)
        h = layers.BatchNormalization(scale=k % 3 != 1, center=k % 3 != 2, momentum=0.7)(h)
        parts.append(ops.tanh(h))
    return programs.program(Model(x, layers.Dense(1)(layers.Concatenate()(parts))), update=programs.sgd())


def trained(engine, p, batch):
    """The weights after steps on whole batches and on one that is not."""
    rows = 2 * batch + 3
    data = programs.data(p, rows)
    data.arrays[0][:] = np.exp(data.arrays[0])
    state = programs.random_start(p)
    engine.fit(state, data, programs.plan(rows, batch, 1, rate=0.3))
    return state.weights


def test_gradients_and_statistics_are_the_references_with_the_same_bits_however_compiled(monkeypatch):
    p = branches()
    found = []
    for load in (as_shipped, unoptimized):
        monkeypatch.setattr(cache, "load", load)
        engine = NativeTraining(p)
        found.append([trained(engine, p, batch) for batch in BATCHES])
    for batch, shipped, other in zip(BATCHES, *found, strict=True):
        expected = trained(ReferenceTraining(p), p, batch)
        for v in p.variables:
            assert shipped[v.name].tobytes() == other[v.name].tobytes(), (batch, v.name)
            np.testing.assert_allclose(
                shipped[v.name], expected[v.name], 2e-4, 2e-5, err_msg=f"{batch} {v.name}"
            )


def dropped(twice):
    """A relu and a Dropout, with the relu's values used again or not."""
    x = Input((3,))
    h = layers.Dense(4, activation="relu")(x)
    y = layers.Dropout(0.4)(h)
    y = layers.Dense(2)(y + 2 * h if twice else y)
    return programs.program(Model(x, y))


@pytest.mark.parametrize("twice", [False, True])
def test_only_values_that_nothing_else_reads_have_no_array(twice):
    p = dropped(twice)
    assert bool(re.search(r"\brelu_1\[", source(p).code)) == twice
    results = []
    for engine in (NativeTraining(p), ReferenceTraining(p)):
        state = programs.random_start(p)
        result = engine.fit(state, programs.data(p, 40), programs.plan(40, 16, 2, seed=5))
        results.append([*state.weights.values(), result.training.loss])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-5, 1e-6)
