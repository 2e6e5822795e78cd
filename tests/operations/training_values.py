"""What an operation of training programs gives, element by element, as each engine computes it in a step."""

from __future__ import annotations

from math import prod

import numpy as np

from foldnet.engines.fit import Data, FitState
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.training import Accumulator, TrainingProgram, Variable
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.matrix.op import Product
from foldnet.operations.structure.op import Reshape
from tests.native_training import programs
from tests.operations.gradient_values import in_rows

ROWS = 11


def program(cases):
    """A program that sums up, for each case, each row's values in places of the row's own.

    The engines hand out sums over rows alone. Each row therefore comes with a vector that is 1 at its own place and 0
    elsewhere, and what is summed is the products of that and the row's values.
    """
    b = GraphBuilder()
    variables, accumulators = [], []
    place, weights = b.input("place", (None, ROWS)), b.input("sample_weight", (None,))
    for case in cases:
        graph = case.graph()
        (node,) = graph.nodes
        new = {name: b.input(f"{case.label}/{name}", graph.types[name].shape) for name in graph.inputs}
        for name, array in graph.constants.items():
            new[name] = b.constant(f"{case.label}/{name}", array.astype(np.float32))
            variables.append(Variable(new[name], "layer", name, array.shape, False))
        result = b.emit(node.op, *(new[v] for v in node.inputs))
        if not graph.inputs:
            result = in_rows(b, result, weights)
        width = prod(b.shape(result)[1:])
        each = b.emit(Product("n", "w", "nw"), place, b.emit(Reshape((width,)), result))
        value = b.emit(Reshape((ROWS * width,)), each)
        accumulators.append(Accumulator(case.label, value, ROWS * width))
    loss = b.emit(Binary(kind="multiply"), weights, b.constant("w", np.ones(())))
    variables.append(Variable("w", "layer", "w", (), True))
    graph = b.build([loss, *(a.value for a in accumulators)])
    return TrainingProgram(graph, loss, tuple(variables), tuple(accumulators), programs.sgd())


def values(engine, p, cases, precision="float32", seed=7):
    """By case: its values in a training step and in evaluation after it, and what the step left of its constants."""
    data = [np.eye(ROWS), np.ones(ROWS), *(x for case in cases for x in case.data(ROWS))]
    data = Data([np.ascontiguousarray(x, precision) for x in data])
    state = FitState({v.name: np.array(p.graph.constants[v.name], precision) for v in p.variables})
    plan = programs.plan(ROWS, ROWS, 1, shuffle=False, seed=seed, validation_epochs=(True,))
    result = engine.fit(state, data, plan, data)
    found = {}
    for number, case in enumerate(cases):
        step, evaluation = (sums.values[number][0] for sums in (result.training, result.validation))
        left = {n: w for n, w in state.weights.items() if n.startswith(f"{case.label}/")}
        found[case.label] = {"step": step, "evaluation": evaluation, **left}
    return found
