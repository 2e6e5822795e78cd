"""Statements of a prediction that come often are functions: more layers of the same shapes add calls and no loops."""

import re

import numpy as np
import pytest

from foldnet import Sequential, freeze, layers
from foldnet.codegen import repeated
from foldnet.engines.native import NativeProgram
from foldnet.engines.native.prediction.source import emit
from tests.insight.insight_networks import fill

WIDTHS = (17, 24, 33, 48, 64, 80, 100)


def deep(count):
    """So many layers of seven shapes, as folded."""
    hidden = [layers.Dense(WIDTHS[3 * k % 7], ("relu", "tanh")[k % 7 % 2]) for k in range(count)]
    network = Sequential([layers.Input((20,)), *hidden, layers.Dense(2)])
    return freeze(fill(network), engine="reference").graph


@pytest.mark.parametrize("strategy", ["lanes", "rows", "alone"])
def test_more_layers_of_the_same_shapes_add_no_loops(strategy):
    few, many = (emit(deep(count), strategy=strategy).code for count in (35, 63))
    for what in (r"\bsame\w*\(float", r"\b(for|while) \(", r"static .*\("):
        found = [len(re.findall(what, code)) for code in (few, many)]
        # Rows in memory have a loop over rows for each layer whose activation is not part of the product.
        added = 28 // 7 * 3 if strategy == "rows" and "for" in what else 0
        assert found[0] > 5
        assert found[1] - found[0] == added, what


def test_numbers_in_statements_are_no_names_of_arrays():
    """The end of 0.0f is no f: a relu that is part of a product keeps no layer from being shared."""
    few, many = (emit(deep(count), strategy="lanes").code for count in (35, 63))
    calls = [len(re.findall(r"\bblock\d+\(", code)) for code in (few, many)]
    assert calls[0] == calls[1] > 5


@pytest.mark.parametrize("strategy", ["lanes", "rows", "alone"])
def test_bits_are_those_of_statements_in_their_places(strategy, monkeypatch):
    graph = deep(28)
    x = np.random.default_rng(0).normal(size=(40, 20)).astype(np.float32)
    (shared,) = NativeProgram(graph, strategy=strategy).run([x])
    assert "same" in emit(graph, strategy=strategy).code
    monkeypatch.setattr(repeated, "OFTEN", 1000)
    assert not re.search(r"\bsame\w*\(", emit(graph, strategy=strategy).code)
    np.testing.assert_array_equal(NativeProgram(graph, strategy=strategy).run([x])[0], shared)
