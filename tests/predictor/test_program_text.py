"""Graphs as text: 80 columns, every step, every note."""

import numpy as np
from hypothesis import given, settings

from foldnet import layers
from foldnet.lowering.lower import lower
from foldnet.passes import optimize
from foldnet.predictor.program_text import graph_text, steps
from tests.graph.graph_networks import chain, networks, q2


def test_the_folded_dropout_network():
    text = graph_text(optimize(lower(q2()))).splitlines()
    assert text[0].split() == ["input_layer", "(n,", "11)", "input"] or "(n, 11)" in text[0]
    assert "#1  relu(" in text[1]
    assert "@ kernel + bias)" in text[1]
    assert "(n, 10)" in text[1]
    assert "120" in text[1]
    assert text[1].endswith("dense0")
    assert text[-1] == "returns #5"
    assert "softmax(#4, axis=1)" in text[-2]


def test_unfolded_steps_name_every_layer():
    model = q2()
    lines = steps(lower(model))
    assert all(any(line.endswith(layer.name) for line in lines) for layer in model.layers)
    assert any("(#3 - mean) * scale + offset" in line for line in lines)


def test_notes_are_part_of_the_text():
    graph = optimize(lower(chain(layers.Dense(3, activation="relu"), layers.BatchNormalization(name="bn"))))
    assert "note: layer 'bn' stays" in graph_text(graph)


def test_parameters_of_activations_are_shown_where_they_are_not_the_usual():
    usual = graph_text(optimize(lower(chain(layers.Dense(3, activation="relu")))))
    assert "max_value" not in usual
    import functools

    from foldnet import activations

    clipped = chain(layers.Dense(3, activation=functools.partial(activations.relu, max_value=6)))
    assert "max_value=6" in graph_text(optimize(lower(clipped)))


@settings(max_examples=30, deadline=None)
@given(case=networks())
def test_every_line_fits(case):
    model, _ = case
    for graph in (lower(model), optimize(lower(model))):
        lines = graph_text(graph).splitlines()
        assert max(map(len, lines)) <= 80
        assert sum(line.lstrip().startswith("#") for line in lines) >= len(graph.nodes)


def test_long_names_fit():
    model = chain(layers.Dense(3, name="a" * 90), layers.Dense(2, name="b " * 60))
    text = graph_text(lower(model))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert text.count("a") >= 90
    assert np.size(model.layers[0].kernel) == 15
