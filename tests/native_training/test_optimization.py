"""Code has the same bits however well it is compiled, so that most of the suite may compile it without optimization."""

import numpy as np
import pytest

from foldnet import Input, Model, freeze, layers, ops
from foldnet.engines.native import cache
from foldnet.engines.native.training.program import NativeTraining
from tests.native_training import programs
from tests.native_training.test_fit import of_every_kind
from tests.support.compiling import as_shipped, unoptimized


@pytest.fixture
def twice(monkeypatch):
    """What a function gives with either."""

    def both(function):
        results = []
        for load in (as_shipped, unoptimized):
            monkeypatch.setattr(cache, "load", load)
            results.append(function())
        return results

    return both


@pytest.mark.parametrize(
    "make", [lambda: programs.program(programs.q2()), of_every_kind], ids=["table", "every kind"]
)
def test_training(make, twice):
    def fitted():
        p = make()
        state = programs.random_start(p)
        plan = programs.plan(77, 16, 3, columns=len(p.update.scalars))
        result = NativeTraining(p).fit(state, programs.data(p, 77), plan)
        return [*state.weights.values(), result.training.loss]

    for shipped, other in zip(*twice(fitted), strict=True):
        assert shipped.tobytes() == other.tobytes()


def test_prediction(twice):
    x = Input((6,))
    h = layers.LayerNormalization()(layers.Dense(40, "gelu")(x))
    h = ops.logsumexp(ops.reshape(h, (-1, 8, 5)), axis=2) * layers.Dense(8, "tanh")(x)
    model = Model(x, layers.Softmax()(layers.Dense(9)(h)))
    rows = np.random.default_rng(0).normal(size=(301, 6)).astype("f")
    shipped, other = twice(lambda: freeze(model, engine="native")(rows))
    assert shipped.tobytes() == other.tobytes()
