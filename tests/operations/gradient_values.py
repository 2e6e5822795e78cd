"""Gradients of all float operands of cases, as each engine computes them, and by finite differences."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from foldnet.engines.fit import Data, FitState
from foldnet.engines.native.training.program import NativeTraining
from foldnet.engines.reference.training import ReferenceTraining, forward
from foldnet.graph.graph import GraphBuilder
from foldnet.graph.op import FLOAT
from foldnet.graph.training import TrainingProgram, Variable
from foldnet.operations.along.op import Reduce
from foldnet.operations.cases import Rows
from foldnet.operations.elementwise.op import Binary
from foldnet.operations.kernels import StepContext
from foldnet.operations.structure.op import Reshape
from foldnet.passes.differentiate import differentiate
from tests.native_training import programs

ROWS = 11
MOMENT = StepContext(training=True, seed=7, step=0)


def differentiable(cases):
    """Those of operations that training programs may hold whose results are floats."""
    cases = [case for case in cases if case.op.trains]
    graphs = [case.graph(fixed=True) for case in cases]
    return [case for case, g in zip(cases, graphs, strict=True) if g.types[g.outputs[0]].dtype == FLOAT]


def program(cases):
    """A program whose loss is a weighted sum of all elements of all results.

    Data has no gradient, so each operand that is data is multiplied by a variable of ones, of the shape of a row.
    """
    b = GraphBuilder()
    rng = np.random.default_rng(len(cases))
    variables, losses = [], []
    weights = b.input("sample_weight", (None,))

    def variable(name, array, trainable=True):
        variables.append(Variable(b.constant(name, array), "layer", name, array.shape, trainable))
        return name

    for case in cases:
        graph = case.graph(fixed=True)
        (node,) = graph.nodes
        statistics = node.inputs[1 : 1 + getattr(case.op, "statistics", 0)]
        new = {}
        for name in graph.inputs:
            kind = graph.types[name]
            new[name] = b.input(f"{case.label}/{name}", kind.shape, kind.dtype)
            if kind.dtype == FLOAT:
                ones = variable(f"{case.label}/factor of {name}", np.ones(kind.shape[1:]))
                new[name] = b.emit(Binary(kind="multiply"), new[name], ones)
        for name, array in graph.constants.items():
            new[name] = variable(f"{case.label}/{name}", array, name not in statistics)
        result = b.emit(node.op, *(new[v] for v in node.inputs))
        if not graph.inputs:
            result = in_rows(b, result, weights)
        shape = b.shape(result)
        direction = b.constant(f"{case.label}/direction", rng.normal(size=shape[1:]))
        weighted = b.emit(Binary(kind="multiply"), result, direction)
        rank = len(shape)
        losses.append(b.emit(Reduce("sum", tuple(range(1, rank))), weighted) if rank > 1 else weighted)
    loss, *others = losses
    for other in others:
        loss = b.emit(Binary(kind="add"), loss, other)
    loss = b.emit(Binary(kind="multiply"), weights, loss)
    return TrainingProgram(b.build([loss]), loss, tuple(variables), (), programs.sgd())


def in_rows(b, value, ones):
    """A value without rows, the same for each row, of which ``ones`` has a 1."""
    spread = b.emit(Reshape((1,) * len(b.shape(value))), ones)
    return b.emit(Binary(kind="multiply"), spread, value)


def start(p, precision="float32"):
    return FitState({v.name: np.array(p.graph.constants[v.name], precision) for v in p.variables})


def data(cases, precision="float32"):
    arrays = [np.ones(ROWS, np.float32), *(x for case in cases for x in within_domain(case))]
    return Data([a.astype(precision) if a.dtype.kind == "f" else a for a in arrays])


@cache
def within_domain(case):
    """Its data; where they leave the function's domain, as the cases of arcsin do, others that do not."""
    graph = case.graph(fixed=True)
    for between in (None, (0.1, 0.9), (1.1, 4.0)):
        operands = [
            replace(o, between=between or o.between) if isinstance(o, Rows) else o for o in case.operands
        ]
        given = replace(case, operands=operands).data(ROWS)
        values = dict(graph.constants) | dict(zip(graph.inputs, given, strict=True))
        with np.errstate(all="ignore"):
            forward(graph, values, MOMENT, np.dtype("float64"))
        if all(np.isfinite(values[name]).all() for name in graph.outputs):
            return given
    raise AssertionError(f"no data of {case.label} give numbers")


def exact(p, cases):
    """By variable: the gradient in float64."""
    return ReferenceTraining(p, "float64").gradients(
        start(p, "float64"), data(cases, "float64").arrays, MOMENT
    )[1]


def compiled(p, cases):
    """By variable: the gradient that a compiled step follows."""
    state = start(p)
    before = {name: array.copy() for name, array in state.weights.items()}
    # With a rate of 1 and nothing else, a step subtracts the gradient.
    NativeTraining(p).fit(state, data(cases), programs.plan(ROWS, ROWS, 1, rate=1.0, shuffle=False, seed=7))
    return {name: array - state.weights[name] for name, array in before.items()}


def both(cases):
    """By case: what ``exact`` and ``compiled`` give for its variables, of one program of all cases."""
    p = program(cases)
    results = exact(p, cases), compiled(p, cases)
    return {
        case.label: tuple({n: g for n, g in r.items() if n.startswith(f"{case.label}/")} for r in results)
        for case in cases
    }


def operations(p):
    """The classes of the operations that gradients are made of."""
    done = differentiate(p)
    return {type(n.op) for n in done.graph.nodes[done.forward :]}


def differences(p, cases, step=1e-6):
    """For each variable: its name, a random direction, and how fast the loss changes along it."""
    engine = ReferenceTraining(p, "float64")
    rng = np.random.default_rng(0)
    state, given = start(p, "float64"), data(cases, "float64").arrays

    def loss():
        return engine.gradients(state, given, MOMENT)[0][p.loss_rows].mean()

    for v in p.variables:
        if not v.trainable:
            continue
        array = state.weights[v.name]
        direction = rng.choice([-1.0, 1.0], array.shape)
        ends = []
        for sign in (1, -1):
            state.weights[v.name] = array + sign * step * direction
            ends.append(loss())
        state.weights[v.name] = array
        yield v.name, direction, (ends[0] - ends[1]) / (2 * step)
