"""Every operation in every aspect, over all its cases: nothing is missing, and all aspects mean the same.

A failure names the operation, the aspect and the case. Gradients through several operations are compared in
``native_training/test_gradients.py``.
"""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import fields
from functools import cache, partial
from math import prod
from types import SimpleNamespace
from typing import TypeVar, get_args, get_type_hints

import numpy as np
import pytest

from foldnet.engines.native import NativeProgram
from foldnet.engines.native.prediction.source import cost
from foldnet.engines.native.training.program import NativeTraining
from foldnet.engines.reference import ReferenceProgram
from foldnet.engines.reference.training import ReferenceTraining
from foldnet.errors import CompileError, FileFormatError
from foldnet.export import to_numpy
from foldnet.graph.check import check, check_prediction
from foldnet.graph.graph import GraphBuilder, Node, bind
from foldnet.graph.op import INT, ROWS, Op
from foldnet.operations import catalogue
from foldnet.operations.along.op import Reduce
from foldnet.operations.batch.op import BatchRenorm
from foldnet.operations.cases import cases_of, every_case
from foldnet.operations.elementwise.functions import BINARY, FUNCTIONS
from foldnet.operations.elementwise.op import Binary, Unary
from foldnet.operations.folds import Fold
from foldnet.operations.kernels import StepContext
from foldnet.operations.scan.op import TrainedScan
from foldnet.operations.spectral.op import SpectralKernel
from foldnet.operations.warping.op import MapImage
from foldnet.predictor import Options
from foldnet.predictor.file import from_bytes, to_bytes
from tests.export.export_stranger import predictions
from tests.operations import gradient_values, training_values
from tests.operations.op_cases import (
    PREDICTING,
    SMALL,
    TOGETHER,
    UNOPTIMIZED,
    assert_close,
    groups,
    joined,
    same_bits,
)

OPS = catalogue.every_op()
OF_GRADIENTS = [op for op in OPS.values() if not op.predicts and catalogue.rules("gradient", op) is None]
"""Those that gradients alone are made of: the cases of other operations are theirs, and they have no gradient."""
FILES = ("cases", "numpy", "c", "text", "gradient")
"""The files of a family that hold something of each of its operations."""
TRAINING = StepContext(training=True, seed=7, step=0)
EVALUATION = StepContext(training=False)
EXTREME = [0, -0.0, 1, -1, 0.5, -0.5, 3, -3, 6, 10, -10, 88, -88, 104, -104, 1e6, -1e6, 3e38, -3e38, 1e-30, -1e-30,
           np.inf, -np.inf, np.nan]  # fmt: skip


@pytest.mark.parametrize("aspect", FILES)
@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_every_operation_has_every_aspect(op, aspect):
    if aspect == "text" and not op.predicts:  # what is exported predicts
        return
    if aspect in ("cases", "gradient") and op in OF_GRADIENTS:
        return
    if aspect == "gradient" and not op.trains:
        return
    family = op.__module__.rpartition(".")[0]
    assert catalogue.rules(aspect, op), f"{op.__name__} has no {aspect}: {family}.{aspect}.RULES lacks it"


def test_every_operation_is_found_by_its_name():
    assert {name: catalogue.op_named(name) for name in OPS} == OPS
    assert catalogue.op_named("Densest") is None
    assert set(catalogue.COMMON) <= set(catalogue.families())


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_rules_take_nodes_of_the_operation_that_they_are_for(op):
    """The tables' types cannot say so."""
    fold = catalogue.rules("fold", op) or Fold()
    folds = [fold.linear, fold.commutes, fold]
    rules = [catalogue.rules(aspect, op) for aspect in ("c", "gradient", "region", "turn", "mistakes")]
    rules += [getattr(part, field.name) for part in folds if part for field in fields(part)]
    annotated = [get_type_hints(rule).get("node", Node[Op]) for rule in rules if inspect.isfunction(rule)]
    assert annotated
    for node in annotated:
        (taken,) = get_args(node)
        assert isinstance(taken, TypeVar) or issubclass(op, taken), f"{op.__name__} has a rule of {node}"


def test_cases_make_every_operation_of_gradients():
    cases = gradient_values.differentiable(every_case().values())
    made = set().union(*(gradient_values.operations(gradient_values.program([case])) for case in cases))
    assert not [op.__name__ for op in OF_GRADIENTS if op not in made]


@pytest.mark.parametrize(
    "op", [op for op in OPS.values() if op not in OF_GRADIENTS], ids=lambda op: op.__name__
)
def test_cases_are_of_their_operation_and_have_names_of_their_own(op):
    cases = cases_of(op)
    assert {type(case.op) for case in cases} == {op}
    assert len({case.name for case in cases}) == len(cases)


def test_cases_leave_out_no_function():
    assert {case.op.function.name for case in cases_of(Unary)} == set(FUNCTIONS)
    assert {case.op.kind for case in cases_of(Binary)} == set(BINARY)
    assert {case.op.kind for case in cases_of(Reduce)} == {"sum", "mean", "max", "min", "argmax"}


# -- one function an aspect: of an operation and some of its cases ------------------------------------------------


def computed(case, dtype, context=TRAINING, rows=4):
    """The result in NumPy, and the graph bound to the data."""
    graph = case.graph()
    data = iter(case.data(rows))
    operands = [graph.constants[v] if v in graph.constants else next(data) for v in graph.nodes[0].inputs]
    operands = [a.astype(dtype) if a.dtype.kind == "f" else a for a in operands]
    kernel = catalogue.find("numpy", case.op)
    with np.errstate(all="ignore"):
        if case.op.predicts:
            return kernel.predict(case.op, operands, np.dtype(dtype))
        return kernel.train(case.op, context, operands, np.dtype(dtype))[0]


def shape(op, cases, tools):
    """The rule gives the shape and the type that the data have."""
    for case in cases:
        graph = case.graph()
        bound = bind(graph, [x.shape for x in case.data(4)])
        expected = bound.types[bound.outputs[0]]
        y = computed(case, "float64")
        assert y.shape == expected.shape, case.name
        assert y.dtype.kind == ("i" if expected.dtype == INT else "f"), case.name
        free = graph.types[graph.outputs[0]].shape
        assert all(n in (None, m) for n, m in zip(free, y.shape, strict=True)), case.name


def numpy(op, cases, tools):
    """float64 stays float64; float32 is that, rounded once in predictions, and as near as sums allow in a step."""
    for case in cases:
        if op.predicts:
            wide = computed(case, "float32", rows=9).astype(np.float64)
            graph = case.graph(dtype="float32")
            exact = ReferenceProgram(graph, "float64").run(case.data(9))[0]
            with np.errstate(over="ignore"):
                rounded = exact.astype(np.float32) if exact.dtype.kind == "f" else exact
            assert np.array_equal(wide, rounded.astype(np.float64), equal_nan=True), case.name
            continue
        for context in (TRAINING, EVALUATION):
            exact, found = (computed(case, dtype, context, 9) for dtype in ("float64", "float32"))
            assert exact.dtype == np.float64, case.name
            assert found.dtype == np.float32, case.name
            assert np.isfinite(exact).all(), case.name
            np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-4, err_msg=case.name)


def c(op, cases, tools):
    """Compiled, a prediction is the reference's, and a row has the same bits wherever it stands."""
    if not op.predicts:
        c_of_training(cases)
        return
    graphs = [case.graph(fixed=True) for case in cases]
    graph, count = joined(graphs), 103
    program = NativeProgram(graph, threads=1)
    inputs = [x for case in cases for x in case.data(count)]
    results = program.run(inputs)
    for case, own, got, exact in zip(
        cases, graphs, results, ReferenceProgram(graph).run(inputs), strict=True
    ):
        if got.dtype == np.int32:
            assert np.array_equal(got, exact), case.name
            continue
        # Sums round once a term; the reference has float64 weights, so each weight's rounding counts, too.
        node = own.nodes[0]
        roles = zip(node.inputs, catalogue.find("text", node.op).roles, strict=False)
        kernels = [own.constants[v] for v, role in roles if role == "kernel"]
        kernels += [array for array in own.constants.values() if array.ndim == 2]
        terms = max((np.sqrt(prod(array.shape[:-1])) for array in kernels), default=1.0)
        finite = np.abs(exact[np.isfinite(exact)]).max(initial=1.0)
        assert_close(got, exact, ulps=8, scale=4 * terms * finite, what=case.name)
    for size in (1, 2, 7, 16, 40):
        for start in (0, 5, count - size):
            parts = program.run([np.ascontiguousarray(x[start : start + size]) for x in inputs])
            for case, part, got in zip(cases, parts, results, strict=True):
                assert same_bits(part, got[start : start + size]), (case.name, size, start)


def c_of_training(cases):
    """Compiled, a training step and an evaluation are the reference's in float64, and leave the same statistics."""
    program = training_values.program(cases)
    exact = training_values.values(ReferenceTraining(program, "float64"), program, cases, "float64")
    found = training_values.values(NativeTraining(program), program, cases)
    for label, expected in exact.items():
        for what, value in expected.items():
            got = found[label][what]
            allowed = 2e-5 * max(1.0, np.abs(value).max())
            assert np.abs(got - value).max() <= allowed, (label, what)


def gradient(op, cases, tools):
    """On every float operand it is what finite differences give, and compiled what the reference gives."""
    cases = gradient_values.differentiable(cases)
    if not cases or op in OF_GRADIENTS:
        return
    known = tools.gradients()
    for case in cases:
        # Where the program of many cases cannot be compiled, one of this operation's alone says whose fault it is.
        exact, found = known.get(case.label) or gradient_values.both(cases)[case.label]
        for name, expected in exact.items():
            assert np.isfinite(expected).all(), name
            allowed = 2e-4 * np.abs(expected).max() + 1e-6
            assert np.abs(found[name] - expected).max() <= allowed, name
    smooth = [case for case in cases if not takes_for_constant(case) and not has_ties(case)]
    for case in smooth:
        alone = gradient_values.program([case])
        exact = gradient_values.exact(alone, [case])
        for name, direction, slope in gradient_values.differences(alone, [case]):
            if isinstance(case.op, MapImage) and name.endswith(" x1"):  # a map, which is taken for constant
                assert not exact[name].any(), name
                continue
            total = exact.get(name, np.zeros(()))
            assert abs((total * direction).sum() - slope) <= 1e-5 * max(1, np.abs(total).sum()), name


def takes_for_constant(case):
    """Whether gradients, as Keras has them, take something for constant that depends on the data."""
    dropped = isinstance(case.op, TrainedScan) and case.op.dropped
    return case.label == "Unary-stop_gradient" or type(case.op) in (BatchRenorm, SpectralKernel) or dropped


def has_ties(case):
    """Whether some data are equal, where finite differences lie between two gradients."""
    return any(getattr(operand, "decimals", None) is not None for operand in case.operands)


def test_nothing_follows_a_stopped_gradient():
    case = every_case()["Unary-stop_gradient"]
    assert not any(g.any() for g in gradient_values.exact(gradient_values.program([case]), [case]).values())


def rows_for_text(case):
    """Random rows, and for activations extreme ones, too."""
    data = case.data(4)
    if type(case.op) is Unary and case.op.is_activation:
        extreme = np.resize(np.array(EXTREME, np.float32), (4, *data[0].shape[1:]))
        data = [np.concatenate([extreme, data[0]])]
    return data


def text(op, cases, tools):
    """Exported to NumPy and run by a stranger, it is the reference; the many digits of large matrices show no more."""
    for case in cases:
        if case.label not in SMALL:
            continue
        graph, data = case.graph(dtype="float32"), rows_for_text(case)
        (y,) = tools.strangers()[case.label]
        (truth,), (ours,) = (ReferenceProgram(graph, dtype).run(data) for dtype in ("float64", "float32"))
        assert y.shape == truth.shape, case.name
        expected = np.int32 if graph.types[graph.outputs[0]].dtype == INT else np.float32
        assert y.dtype == expected, case.name
        # Where float32 overflows or leaves the range of exp, the float32 reference is the measure.
        wild = ~np.isfinite(truth) | ~np.isfinite(ours) | (np.abs(truth) > 1e30)
        np.testing.assert_allclose(y[wild], ours[wild], rtol=1e-5, err_msg=case.name)
        # Elsewhere it is float64, and float32's own distance from it the yardstick.
        y, truth, ours = y[~wild], truth[~wild], ours[~wild]
        allowed = 4e-6 * (1 + np.abs(truth)) + 2 * np.abs(ours - truth)
        assert (np.abs(y - truth) <= allowed).all(), case.name


def file(op, cases, tools):
    """It travels in the file of a predictor, if it may be in one at all."""
    for case in cases:
        graph = case.graph(dtype="float32")
        data = to_bytes(graph, Options("reference", "float32", False, tuple(graph.inputs), None))
        if not op.predicts:
            with pytest.raises(FileFormatError, match=op.__name__ if graph.inputs else "no inputs"):
                from_bytes(data, {})
            continue
        again, _ = from_bytes(data, {})
        assert (again.nodes, again.types, again.outputs) == (graph.nodes, graph.types, graph.outputs), (
            case.name
        )
        for name, array in graph.constants.items():
            assert np.array_equal(again.constants[name], array), case.name


def costs(op, cases, tools):
    """A row costs what it reads, makes, and multiplies."""
    for case in cases:
        graph = case.graph(fixed=True)
        data = [prod(graph.types[v].shape[1:]) for v in (*graph.inputs, *graph.outputs)]
        assert cost(graph) > 10 * max(data), case.name
        (node,) = graph.nodes
        shapes = [graph.types[v].shape for v in node.inputs]
        total = op.summed(case.op, *shapes)
        if total is not None and len(total.operands) > 1:
            sizes = {
                k: n
                for own, s in zip(total.operands, shapes, strict=False)
                for k, n in zip(own, s, strict=True)
            }
            products = prod(n for letter, n in sizes.items() if letter != ROWS)
            of_rows = [s if v in graph.constants else s[1:] for v, s in zip(node.inputs, shapes, strict=True)]
            found = case.op.multiply_adds(graph.types[node.output].shape[1:], *of_rows)
            assert found == products, case.name


def traits(op, cases, tools):
    """What it says of itself: operands that fit, the operand under another name, and results in an operand's place."""
    for case in cases:
        graph = case.graph(fixed=True)
        (check_prediction if op.predicts else check)(graph)
        if case.op.is_alias(graph.types[graph.nodes[0].inputs[0]].dtype):
            (x,), y = case.data(4), computed(case, "float32")
            assert np.array_equal(x.ravel(), y.ravel()), case.name
            assert not op.is_identity or x.shape == y.shape, case.name
        if op.in_place:
            assert_each_element_alone(case, graph)
    if op.in_place:
        assert_same_in_place(cases[0])


def assert_each_element_alone(case, graph):
    """A change in one element of an operand of the result's type changes that element of the result at most."""
    program, data = ReferenceProgram(graph), case.data(2)
    (before,) = program.run(data)
    for number, name in enumerate(graph.inputs):
        if graph.types[name] != graph.types[graph.outputs[0]]:
            continue
        changed = [x.copy() for x in data]
        changed[number][1].flat[0] += 0.75
        (after,) = program.run(changed)
        keeps = np.ones(before.shape, bool)
        keeps[1].flat[0] = False
        assert np.array_equal(before[keeps], after[keeps], equal_nan=True), case.name


def assert_same_in_place(case):
    """Compiled, the result is the same where it takes the memory of an operand that nobody needs any more."""
    graph = case.graph(fixed=True)
    (node,) = graph.nodes
    b = GraphBuilder()
    new = {name: b.constant(name, array) for name, array in graph.constants.items()}
    one = b.constant("one", np.ones(()))
    for name in graph.inputs:
        new[name] = b.emit(Binary(kind="multiply"), b.input(name, graph.types[name].shape), one)
    copied = b.build([b.emit(node.op, *(new[v] for v in node.inputs))])
    data = case.data(45)
    (there,), (apart,) = (NativeProgram(g, threads=1).run(data) for g in (copied, graph))
    assert same_bits(there, apart), case.name


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """What stands for many cases: the exported files, all run by one stranger, and gradients, once one is asked for."""
    return SimpleNamespace(strangers=cache(partial(strangers, tmp_path_factory)), gradients=cache(gradients))


def gradients():
    """By case: gradients by the reference and compiled, of many cases in one program."""
    cases = gradient_values.differentiable(every_case().values())
    found = {}
    for start in range(0, len(cases), UNOPTIMIZED):
        with contextlib.suppress(CompileError):
            found |= gradient_values.both(cases[start : start + UNOPTIMIZED])
    return found


def strangers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ops")
    files = {}
    for number, label in enumerate(SMALL):
        files[label] = folder / f"case_{number}.py"
        to_numpy(PREDICTING[label].graph(dtype="float32"), files[label])
    found = predictions({path: rows_for_text(PREDICTING[label]) for label, path in files.items()})
    return {label: found[path] for label, path in files.items()}


def crossed(*aspects):
    """Every one of these aspects with every group of cases; what is compiled for predictions, as it is shipped."""
    for aspect in aspects:
        for op in OPS.values():
            marks = pytest.mark.as_shipped if aspect is c and op.predicts else ()
            together = TOGETHER if marks else UNOPTIMIZED
            for number, cases in enumerate(groups(op, together)):
                yield pytest.param(
                    aspect, op, cases, id=f"{aspect.__name__}-{op.__name__}-{number}", marks=marks
                )


def hold(aspect, op, cases, tools):
    """The aspect is right; else the error names it and the operation."""
    try:
        aspect(op, cases, tools)
    except Exception as error:
        raise AssertionError(f"{op.__name__}, aspect {aspect.__name__}: {error}") from error


@pytest.mark.parametrize(("aspect", "op", "cases"), list(crossed(shape, numpy, file, costs)))
def test_aspects_mean_the_same(aspect, op, cases, tools):
    hold(aspect, op, cases, tools)


@pytest.mark.parametrize(("aspect", "op", "cases"), list(crossed(c, gradient, text, traits)))
def test_generated_code_means_the_same(aspect, op, cases, tools):
    hold(aspect, op, cases, tools)


def test_every_case_is_in_a_group():
    assert [case.label for op in OPS.values() for cases in groups(op) for case in cases] == list(every_case())
