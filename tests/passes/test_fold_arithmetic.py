"""Arithmetic with constants between layers folds where a scaling would; elsewhere it keeps its bits."""

import numpy as np
import pytest

from foldnet import layers
from foldnet.engines.reference import ReferenceProgram
from foldnet.lowering.lower import lower
from foldnet.network import Model
from foldnet.passes import optimize, rewriting
from tests.graph.graph_networks import ARITHMETIC, arithmetic, randomize

NUMBER = np.array([1.5, -0.25, 3.0])


def kinds(graph):
    return [type(n.op).__name__ for n in graph.nodes]


def network(*steps, shape=(4,)):
    x = inputs = layers.Input(shape)
    for step in steps:
        x = step(x)
    return randomize(Model(inputs, x))


def values(graph, rows, dtype="float64"):
    return ReferenceProgram(graph, dtype).values([rows])[graph.outputs[0]]


@pytest.mark.parametrize("number", [NUMBER, NUMBER[:1], 1.75], ids=["by column", "one in an array", "number"])
@pytest.mark.parametrize("form", ARITHMETIC)
@pytest.mark.parametrize("place", ["after", "before", "beside"])
def test_folds_into_a_dense_and_merges_with_a_scaling(form, place, number):
    steps = {
        "after": [layers.Dense(3)],
        "before": [layers.Activation("tanh"), layers.Dense(2)],
        "beside": [layers.Activation("tanh"), layers.BatchNormalization()],
    }[place]
    steps.insert(1, lambda x: arithmetic(x, number)[form]())
    before = lower(network(*steps, shape=(4 if place == "after" else 3,)))
    after = optimize(before)
    assert (
        kinds(after)
        == {"after": ["Dense"], "before": ["Unary", "Dense"], "beside": ["Unary", "Affine"]}[place]
    )
    rows = np.random.default_rng(0).normal(size=(5, before.types[before.inputs[0]].shape[1]))
    np.testing.assert_allclose(values(after, rows), values(before, rows), rtol=1e-12, atol=1e-12)


def test_a_chain_goes_into_the_layers_on_either_side():
    graph = optimize(
        lower(network(layers.Dense(3), lambda x: 2 * x + 1, lambda x: 1 - x / 3, layers.Dense(2)))
    )
    assert kinds(graph) == ["Dense", "Dense"]
    assert not graph.notes


def test_alone_it_keeps_its_bits_and_says_why():
    """x * (1 / 3) has other bits than x / 3, and -0.0 * 2 + 0 another sign than -0.0 * 2."""
    graph = optimize(lower(network(lambda x: x / 3, layers.Activation("relu"), lambda x: x * 2)))
    assert kinds(graph) == ["Binary", "Unary", "Binary"]
    assert sum("stays a separate step" in note for note in graph.notes) == 2
    assert any("activation relu" in note for note in graph.notes)
    rows = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    want = np.maximum(rows / np.float32(3), 0) * np.float32(2)
    np.testing.assert_array_equal(values(graph, rows, "float32"), want)


@pytest.mark.parametrize("number", [64.0, -64.0])
def test_a_far_number_is_subtracted_before_the_dense(number):
    """(x - 1000) W is not x W - 1000 W in float32: the same limit as for means."""
    near = optimize(lower(network(lambda x: x - number, layers.Dense(2))))
    far = optimize(lower(network(lambda x: x - number * 1.01, layers.Dense(2))))
    assert (kinds(near), kinds(far)) == (["Dense"], ["Binary", "Dense"])
    assert any("standard deviations from zero" in note for note in far.notes)


def test_what_is_no_scaling_stays():
    widened = network(lambda x: x * NUMBER, layers.Dense(2), shape=(1,))
    inverse = network(layers.Dense(3), lambda x: 2 / x)
    zero = network(layers.Dense(3), lambda x: x * 0.0)
    power = network(layers.Dense(3), lambda x: x**2)
    for model in (widened, inverse, zero, power):
        assert not {"Affine"} & set(kinds(optimize(lower(model))))
        assert kinds(optimize(lower(model))) == kinds(lower(model))


def test_a_value_that_is_read_elsewhere_stays():
    x = layers.Input((3,))
    h = layers.Dense(3)(x)
    graph = optimize(lower(randomize(Model(x, [h, h * 2]))))
    assert kinds(graph) == ["Dense", "Binary"]


def test_where_nothing_folds_no_graph_is_made(monkeypatch):
    """Each would take as long as the network has layers, for every one of them."""
    graph = lower(network(*[lambda x: layers.Activation("tanh")(x * 1.5)] * 30))
    made = []
    real = rewriting.with_nodes
    monkeypatch.setattr(
        rewriting, "with_nodes", lambda *args, **kwargs: (made.append(1), real(*args, **kwargs))[1]
    )
    after = optimize(graph)
    assert len(after.notes) == 30
    assert not made
