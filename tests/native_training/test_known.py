"""The C of programs seen before: the same as if it were emitted anew, for each program its own."""

from functools import partial

import numpy as np
import pytest

from foldnet import Sequential, layers
from foldnet.engines.native.training import known as train_known
from foldnet.engines.native.training.known import known_source
from foldnet.engines.native.training.source import source
from foldnet.graph.training import Constraint
from foldnet.recent_cache import RecentCache
from tests.native_training import programs


def network(units=5, rate=0.3, activation="relu", epsilon=1e-3, bias=True, slope=0.1, trainable=True):
    normalization = layers.BatchNormalization(epsilon=epsilon)
    normalization.trainable = trainable
    return Sequential([
        layers.Input((4,)), layers.Dense(units, activation=activation, use_bias=bias), layers.Dropout(rate),
        normalization, layers.LeakyReLU(negative_slope=slope), layers.Dense(1),
    ])  # fmt: skip


MAKERS = {
    "plain": lambda: programs.program(network()),
    "wider": lambda: programs.program(network(units=6)),
    "other rate": lambda: programs.program(network(rate=0.4)),
    "other activation": lambda: programs.program(network(activation="tanh")),
    "other epsilon": lambda: programs.program(network(epsilon=2e-3)),
    "no bias": lambda: programs.program(network(bias=False)),
    "slope 0": lambda: programs.program(network(slope=0.0)),
    "slope -0": lambda: programs.program(network(slope=-0.0)),
    "frozen": lambda: programs.program(network(trainable=False)),
    "other loss": lambda: programs.program(network(), programs.mae),
    "sgd": lambda: programs.program(network(), update=programs.sgd()),
    "clipped": lambda: programs.program(network(), update=programs.adam(clip=("norm", 1.0))),
    "clipped more": lambda: programs.program(network(), update=programs.adam(clip=("norm", 0.5))),
    "averaged": lambda: programs.program(network(), update=programs.adam(ema=(0.9, 0))),
    "decayed": lambda: programs.program(network(), update=programs.adam(decayed=True)),
    "decayed but bias": lambda: programs.program(
        network(), update=programs.adam(decayed=True), variables={"bias": {"decay": False}}
    ),
    "regularized": lambda: programs.program(network(), variables={"kernel": {"l2": 0.01}}),
    "constrained": lambda: programs.program(network(), variables={"kernel": {"constraint": Constraint("non_neg")}}),
}  # fmt: skip


def test_every_program_gets_its_own_c_and_places():
    for _ in range(2):  # the second time nothing is emitted
        for name, make in MAKERS.items():
            p = make()
            assert known_source(p) == source(p), name


def test_a_network_built_again_emits_nothing(monkeypatch):
    for make in MAKERS.values():
        known_source(make())
    monkeypatch.setattr(train_known, "source", lambda program: pytest.fail("emitted again"))
    for make in MAKERS.values():
        p = make()
        assert set(known_source(p).layout.weights) >= {v.name for v in p.variables}
    p = programs.program(network())
    for layer_weights in (np.zeros, partial(np.full, fill_value=3.0)):
        for name in p.graph.constants:
            p.graph.constants[name][...] = layer_weights(p.graph.constants[name].shape)
        known_source(p)


def test_few_programs_are_remembered(monkeypatch):
    monkeypatch.setattr(train_known, "_known", RecentCache(3))
    emitted = []
    monkeypatch.setattr(train_known, "source", lambda program: emitted.append(program) or source(program))
    makers = list(MAKERS.values())[:4]
    for make in makers[:3]:
        known_source(make())
    known_source(makers[0]())  # is now the latest
    known_source(makers[3]())  # puts out the second
    assert len(emitted) == 4
    known_source(makers[0]())
    known_source(makers[3]())
    assert len(emitted) == 4
    known_source(makers[1]())
    assert len(emitted) == 5
