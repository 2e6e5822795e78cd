"""The C of predictions seen before: what would be emitted, with the layers and weights of the graph that asks."""

from dataclasses import replace

import numpy as np
import pytest

from foldnet import Sequential, freeze, layers
from foldnet.engines.native import NativeProgram
from foldnet.engines.native.compiler import machine
from foldnet.engines.native.prediction import known
from foldnet.engines.native.prediction.known import known_source
from foldnet.engines.native.prediction.source import emit
from foldnet.errors import InputError
from foldnet.graph.graph import Graph
from foldnet.recent_cache import RecentCache
from tests.native.networks import table_network
from tests.operations.op_cases import GRAPHS


@pytest.fixture(autouse=True)
def remembered(monkeypatch, emitting):
    """Nothing is known at first."""
    monkeypatch.setattr(known, "_known", RecentCache(known.MOST))


def renamed(graph):
    """The same graph with other names of values and layers, and other numbers in its weights."""
    new = {name: f"{name} of {len(name)}" for name in graph.types}
    new |= {name: f"other/{name}" for name in graph.constants}
    nodes = [
        replace(
            n, inputs=tuple(map(new.get, n.inputs)), output=new[n.output], others=tuple(map(new.get, n.others)),
            layer=f"my {n.layer}" if n.layer else "",
        )
        for n in graph.nodes
    ]  # fmt: skip
    return Graph(
        inputs=tuple(map(new.get, graph.inputs)),
        constants={new[name]: np.flip(array) for name, array in graph.constants.items()},
        nodes=tuple(nodes),
        outputs=tuple(map(new.get, graph.outputs)),
        types={new[name]: kind for name, kind in graph.types.items()},
    )


def emitted(graph, strategy=None):
    return emit(graph, simd=machine().simd, strategy=strategy)


def test_every_operation_gets_its_own_c_and_places():
    for label, graph in GRAPHS.items():
        other = renamed(graph)
        assert known_source(graph) == emitted(graph), label
        assert known_source(other) == emitted(other), label


def test_a_graph_like_another_is_not_emitted(monkeypatch):
    known_source(table_network())
    monkeypatch.setattr(known, "emit", lambda *_, **__: pytest.fail("emitted again"))
    known_source(table_network(seed=1))
    known_source(renamed(table_network()))
    with pytest.raises(pytest.fail.Exception):
        known_source(table_network((11, 10, 8, 7, 1)))


def test_strategies_have_c_of_their_own():
    graph = table_network((20, 64, 64, 1))
    for _ in range(2):
        for strategy in (None, "lanes", "rows", "alone"):
            assert known_source(graph, strategy) == emitted(graph, strategy)


def test_the_one_asked_for_longest_ago_goes_first(monkeypatch):
    monkeypatch.setattr(known, "_known", RecentCache(2))
    asked = []
    monkeypatch.setattr(known, "emit", lambda graph, **how: asked.append(graph) or emit(graph, **how))
    first, second, third = (table_network((n, 3, 2, 1)) for n in (3, 4, 5))
    for graph in (first, second, first, third, first):
        known_source(graph)
    assert asked == [first, second, third]
    known_source(second)
    assert asked == [first, second, third, second]


def test_results_and_errors_are_the_own_networks():
    """Two networks that differ in weights and names: numbers of its own weights, errors with its own layers."""

    def network(name, seed):
        model = Sequential(
            [layers.Input((3,), dtype="int32"), layers.Embedding(5, 2, name=name), layers.Flatten()]
        )
        model.set_weights([np.random.default_rng(seed).normal(size=(5, 2))])
        return model

    x = np.array([[0, 4, 2], [1, 1, 3]], np.int32)
    for name, seed in (("first", 0), ("second", 1), ("first", 2)):
        predict = freeze(network(name, seed), engine="native")
        table = np.random.default_rng(seed).normal(size=(5, 2)).astype(np.float32)
        np.testing.assert_array_equal(predict(x), table[x].reshape(2, 6))
        with pytest.raises(InputError, match=name):
            predict(np.array([[0, 9, 2]], np.int32))


def test_programs_of_one_c_have_their_own_weights():
    x = np.random.default_rng(0).normal(size=(40, 11)).astype(np.float32)
    graphs = [table_network(seed=seed) for seed in range(3)]
    first = [NativeProgram(graph).run([x])[0] for graph in graphs]
    assert len({y.tobytes() for y in first}) == 3
    for graph, y in zip(graphs, first, strict=True):
        np.testing.assert_array_equal(NativeProgram(graph, strategy="alone").run([x])[0], y)
