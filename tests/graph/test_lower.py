"""From networks of every shape to programs: nested, shared, several inputs and outputs."""

import numpy as np
import pytest

from foldnet import layers
from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import GraphError, UnsupportedError
from foldnet.graph.check import check, check_prediction
from foldnet.graph.graph import Graph, GraphBuilder, Node, Type
from foldnet.lowering.lower import Mode, lower
from foldnet.network import Model
from foldnet.operations.matrix.op import Dense
from foldnet.operations.structure.op import Identity
from foldnet.passes import optimize
from foldnet.sequential import Sequential
from tests.graph.graph_networks import chain, q2, randomize


def by_hand(layer, x):
    """One layer in float64, by its formula."""
    if isinstance(layer, Sequential | Model):
        for inner in layer.layers:
            x = x if isinstance(inner, layers.InputLayer) else by_hand(inner, x)
        return x
    w = {k: v.astype(float) for k, v in layer.named_weights.items()}
    if isinstance(layer, layers.Dense):
        return x @ w["kernel"] + w["bias"]
    if isinstance(layer, layers.BatchNormalization):
        root = np.sqrt(w["moving_variance"] + layer.epsilon)
        return (x - w["moving_mean"]) / root * w["gamma"] + w["beta"]
    return x


def run(graph, *x):
    return ReferenceProgram(graph, "float64").run(x)


def both(model):
    graph = lower(model)
    return graph, optimize(graph)


ROWS = np.random.default_rng(3).normal(size=(6, 4))


def block(name):
    return Sequential(
        [layers.Input((4,)), layers.Dense(4, name="dense"), layers.Dropout(0.5, name="drop"),
         layers.BatchNormalization(name="norm")], name=name,
    )  # fmt: skip


def test_nested_networks_with_the_same_layer_names():
    x = layers.Input((4,), name="x")
    left, right = block("left"), block("right")
    model = randomize(Model(x, [left(x), right(x)]))
    randomize(right, 77)
    for graph in both(model):
        a, b = run(graph, ROWS)
        np.testing.assert_allclose(a, by_hand(left, ROWS), rtol=1e-12)
        np.testing.assert_allclose(b, by_hand(right, ROWS), rtol=1e-12)
    paths = {f"{n}/{k}" for n in ("left", "right") for k in ("dense", "drop", "norm")} | {"left", "right"}
    assert set(lower(model).layer_outputs) == paths


def test_a_nested_network_called_twice_shares_weights_and_keeps_each_calls_results():
    x = layers.Input((4,), name="x")
    inner = block("inner")
    model = randomize(Model(x, inner(inner(x))))
    graph, folded = both(model)
    once = by_hand(inner, ROWS)
    for g in (graph, folded):
        np.testing.assert_allclose(run(g, ROWS)[0], by_hand(inner, once), rtol=1e-12)
    assert len([k for k in graph.constants if k.endswith("kernel")]) == 1
    values = ReferenceProgram(graph, "float64").values([ROWS])
    np.testing.assert_allclose(values[graph.layer_outputs["inner/norm"]], once, rtol=1e-12)
    np.testing.assert_allclose(
        values[graph.layer_outputs["inner@1/dense"]], by_hand(inner.layers[0], once), rtol=1e-12
    )
    assert {"inner", "inner@1", "inner@1/norm"} <= set(graph.layer_outputs)
    assert all("'inner" in n for n in folded.notes)
    assert folded.notes


def test_nesting_in_depth():
    x = layers.Input((4,), name="x")
    core = block("core")
    middle = Model(x, core(x), name="middle")
    y = layers.Input((4,), name="y")
    model = randomize(Model(y, middle(y)))
    for graph in both(model):
        np.testing.assert_allclose(run(graph, ROWS)[0], by_hand(core, ROWS), rtol=1e-12)
    assert "middle/core/norm" in lower(model).layer_outputs


def test_several_inputs_in_their_own_order():
    a, b = layers.Input((4,), name="a"), layers.Input((4,), name="b")
    d, e = layers.Dense(2, name="d"), layers.Dense(3, name="e")
    model = randomize(Model([b, a], [d(a), e(b)]))
    for graph in both(model):
        assert graph.inputs == ("b", "a")
        first, second = run(graph, ROWS, ROWS + 1)
        np.testing.assert_allclose(first, by_hand(d, ROWS + 1))
        np.testing.assert_allclose(second, by_hand(e, ROWS))


def test_an_input_as_output_and_the_same_output_twice():
    x = layers.Input((4,), name="x")
    d = layers.Dense(2)
    y = d(x)
    model = randomize(Model(x, [x, y, y]))
    for graph in both(model):
        same, first, second = run(graph, ROWS)
        np.testing.assert_array_equal(same, ROWS)
        np.testing.assert_array_equal(first, second)
        np.testing.assert_allclose(first, by_hand(d, ROWS))


def test_dropout_alone_is_its_input():
    graph = optimize(lower(chain(layers.Dropout(0.5, name="drop"), shape=(4,))))
    assert graph.nodes == ()
    assert graph.layer_outputs == {"drop": "x"}
    np.testing.assert_array_equal(run(graph, ROWS)[0], ROWS)


def test_a_shared_layer_on_two_ranks():
    norm = layers.BatchNormalization(name="n")
    a, b = layers.Input((4,), name="a"), layers.Input((3, 4), name="b")
    model = randomize(Model([a, b], [norm(a), norm(b)]))
    y, z = run(lower(model), ROWS, np.stack([ROWS] * 3, 1))
    np.testing.assert_allclose(z[:, 1], y)
    np.testing.assert_allclose(y, by_hand(norm, ROWS))


def test_every_layer_call_records_its_result():
    model = q2()
    graph = lower(model, Mode.PREDICT)
    assert list(graph.layer_outputs) == [layer.name for layer in model.layers]
    rows = np.random.default_rng(0).normal(size=(5, 11))
    values = ReferenceProgram(graph, "float64").values([rows])
    np.testing.assert_array_equal(values[graph.layer_outputs["drop0"]], values[graph.layer_outputs["dense0"]])
    np.testing.assert_allclose(
        values[graph.layer_outputs["norm0"]],
        by_hand(model.get_layer("norm0"), values[graph.layer_outputs["dense0"]]),
    )


@pytest.mark.parametrize("nested", [False, True])
def test_training_true_in_a_call_is_refused(nested):
    x = layers.Input((4,))
    layer = block("inner") if nested else layers.Dropout(0.5, name="inner")
    model = Model(x, layer(x, training=True))
    with pytest.raises(UnsupportedError, match=r"'inner'.*training=True"):
        lower(model)


def test_weights_are_not_copied_per_call():
    x = layers.Input((4,))
    d = layers.Dense(4, name="d")
    graph = lower(randomize(Model(x, d(d(d(x))))))
    assert set(graph.constants) == {"d/kernel", "d/bias"}
    assert set(graph.layer_outputs) == {"d", "d@1", "d@2"}


def dense_graph(**changes):
    b = GraphBuilder()
    x = b.input("x", (None, 2))
    y = b.emit(Dense(), x, b.constant("w", np.ones((2, 3))))
    return Graph(**{**vars(b.build([y])), **changes})


BROKEN = {
    "uses": {"nodes": (Node(Identity(), ("nothing",), "y", ""),)},
    "computed twice": {"nodes": (Node(Identity(), ("x",), "x", ""),)},
    "never computed": {"outputs": ("nothing",)},
    "its op gives": {"types": {"x": Type((None, 2)), "w": Type((2, 3)), "value:dense": Type((None, 4))}},
    "its type says": {"constants": {"w": np.ones((2, 4))}},
    "operands": {"nodes": (Node(Dense(), ("x",), "value:dense", ""),)},
    "operand 'x' is data": {"nodes": (Node(Dense(), ("x", "x"), "value:dense", ""),)},
    "operand 'w' is a constant": {"nodes": (Node(Dense(), ("w", "w"), "value:dense", ""),)},
    "is a constant": {"outputs": ("w",)},
}


@pytest.mark.parametrize("message", BROKEN)
def test_the_checker_finds_what_is_broken(message):
    check_prediction(dense_graph())
    with pytest.raises(GraphError, match=message):
        check_prediction(dense_graph(**BROKEN[message]))


def test_training_programs_may_compute_on_constants():
    b = GraphBuilder()
    y = b.emit(Identity(), b.constant("w", np.ones((2, 3))))
    b.input("x", (None,))
    check(b.build([y]))
