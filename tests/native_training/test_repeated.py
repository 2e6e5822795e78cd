"""Statements that layers of the same shape share are written once, and compute what they would each by itself."""

import re

import pytest

from foldnet import Sequential, layers
from foldnet.engines.native.training import source as module
from foldnet.engines.native.training.program import NativeTraining
from foldnet.engines.native.training.source import source
from tests.native_training import programs
from tests.support.compilers import COMPILERS, assert_no_warnings


def deep(count, widths=(8, 12, 9, 10)):
    """So many layers of few shapes."""
    stack = [layers.Input((5,))]
    for k in range(count):
        stack.append(layers.Dense(widths[k % len(widths)], activation=("tanh", "relu")[k % 2]))
        stack.append(layers.Dropout(0.1 + 0.01 * k))
        if k % 3 == 0:
            stack.append(layers.LayerNormalization())
    return programs.program(Sequential([*stack, layers.Dense(2)]))


def functions(code):
    return re.findall(r"^static .*\brepeated_(\d+)\(", code, re.M)


def test_more_layers_of_the_same_shapes_add_no_functions():
    few, many = source(deep(24)).code, source(deep(72)).code
    assert len(functions(few)) == len(functions(many)) > 10
    # A layer adds calls, and where its arrays lie, but no loop.
    assert len(re.findall(r"\b(for|ROWS)\b", few)) == len(re.findall(r"\b(for|ROWS)\b", many))


def fitted(p, **plan):
    state = programs.random_start(p)
    result = NativeTraining(p).fit(state, programs.data(p, 90), programs.plan(90, 40, 2, seed=6, **plan))
    return [*(w.tobytes() for w in state.weights.values()), result.training.loss.tobytes()]


@pytest.mark.parametrize(
    "make", [lambda: deep(24), lambda: programs.program(programs.q2())], ids=["deep", "small"]
)
def test_bits_are_those_of_statements_in_their_places(make, monkeypatch):
    p = make()
    assert functions(source(p).code)
    shared = fitted(p)
    monkeypatch.setattr(module, "once", lambda functions, sizes: ([], functions))
    monkeypatch.setattr("foldnet.engines.native.training.program.known_source", source)
    assert not functions(source(p).code)
    assert fitted(p) == shared


@pytest.mark.parametrize("compiler", COMPILERS)
def test_code_compiles_without_warnings(compiler, tmp_path):
    assert_no_warnings(compiler, source(deep(24)).code, tmp_path)
