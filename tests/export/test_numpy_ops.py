"""Every op and every activation, exported to NumPy and run by a stranger, equals the reference."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from foldnet import activations
from foldnet.engines.reference import ReferenceProgram
from foldnet.errors import UnsupportedError
from foldnet.export import numpy_source, to_numpy
from foldnet.graph.graph import bind
from foldnet.graph.op import INT, Elementwise
from foldnet.operations.catalogue import every_op
from foldnet.operations.matrix.op import Dense
from tests.export.export_nets import OPS, random_graph, rows_for, with_elementwise
from tests.export.export_stranger import predictions

SETTINGS = {
    "relu": [
        {},
        {"max_value": 6},
        {"threshold": 1},
        {"negative_slope": 0.1, "max_value": 2, "threshold": 0.5},
    ],
    "threshold": [{"threshold": 0.7, "default_value": -2}],
    "thresholded_relu": [{}, {"theta": 0.3}],
    "gelu": [{}, {"approximate": True}],
    "leaky_relu": [{}, {"negative_slope": 0.3}],
    "elu": [{}, {"alpha": 0.4}],
    "celu": [{}, {"alpha": 0.4}],
    "squareplus": [{}, {"b": 2}],
    "soft_shrink": [{}, {"threshold": 0.2}],
    "hard_shrink": [{}, {"threshold": 0.2}],
}
"""Settings worth a test; an activation that is not here has none, and is tested as it is."""

EXTREME = [0, -0.0, 1, -1, 0.5, -0.5, 3, -3, 6, 10, -10, 88, -88, 104, -104, 1e6, -1e6, 3e38, -3e38, 1e-30, -1e-30,
           np.inf, -np.inf, np.nan]  # fmt: skip


def activation_cases():
    for name in sorted(set(activations.FUNCTIONS) - set(activations.ALONG_AXIS)):
        parameters = list(inspect.signature(activations.FUNCTIONS[name]).parameters.values())[1:]
        for settings in SETTINGS.get(name, [{}]):
            given = {p.name: settings.get(p.name, p.default) for p in parameters}
            numbers = {k: float("inf") if v is None else float(v) for k, v in given.items()}
            yield f"{name} {settings or ''}".strip(), with_elementwise(name, tuple(numbers.items()))


ACTIVATIONS = dict(activation_cases())
CASES = OPS | ACTIVATIONS


def data_for(name, graph):
    data = rows_for(graph, 4)
    if name in ACTIVATIONS:
        extreme = np.resize(np.array(EXTREME, np.float32), (4, 7))
        data = [np.concatenate([extreme, data[0]])]
    return data


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ops")
    files = {}
    for i, (name, graph) in enumerate(CASES.items()):
        path = folder / f"case_{i}.py"
        to_numpy(graph, path)
        files[name] = path
    found = predictions({files[name]: data_for(name, graph) for name, graph in CASES.items()})
    return {name: found[path] for name, path in files.items()}


@pytest.mark.parametrize("name", CASES)
def test_equals_the_reference(name, results):
    graph = CASES[name]
    expected = ReferenceProgram(graph, "float64").run(data_for(name, graph))
    low = ReferenceProgram(graph, "float32").run(data_for(name, graph))
    for y, truth, ours in zip(results[name], expected, low, strict=True):
        assert y.shape == truth.shape
        assert y.dtype == (np.int32 if graph.types[graph.outputs[0]].dtype == INT else np.float32)
        # Where float32 overflows or leaves the range of exp, the float32 reference is the measure.
        wild = ~np.isfinite(truth) | ~np.isfinite(ours) | (np.abs(truth) > 1e30)
        np.testing.assert_allclose(y[wild], ours[wild], rtol=1e-5)
        # Elsewhere it is float64, and float32's own distance from it the yardstick.
        y, truth, ours = y[~wild], truth[~wild], ours[~wild]
        allowed = 4e-6 * (1 + np.abs(truth)) + 2 * np.abs(ours - truth)
        assert (np.abs(y - truth) <= allowed).all()


def test_every_op_has_a_case():
    done = {type(node.op) for graph in CASES.values() for node in graph.nodes}
    assert {op for op in every_op().values() if op.predicts} == done


@pytest.mark.parametrize("name", CASES)
def test_no_rows_give_no_rows(name):
    graph = CASES[name]
    scope = {"__name__": "exported"}
    exec(numpy_source(graph), scope)
    data = rows_for(graph, 0)
    bound = bind(graph, [x.shape for x in data])
    assert scope["predict"](*data).shape == bound.types[bound.outputs[0]].shape


def test_gelu_keeps_its_digits_far_out():
    scope = {"__name__": "exported"}
    exec(numpy_source(ACTIVATIONS["gelu"]), scope)
    x = np.linspace(-13, 13, 7 * 200).astype(np.float32).reshape(-1, 7)
    truth = ReferenceProgram(ACTIVATIONS["gelu"]).run([x])[0]
    np.testing.assert_allclose(scope["predict"](x), truth, rtol=3e-7, atol=0)


def test_index_outside_the_table_is_refused():
    scope = {"__name__": "exported"}
    exec(numpy_source(OPS["gather"]), scope)
    with pytest.raises(ValueError, match=r"index 9 is outside the table's 0 to 8"):
        scope["predict"]([[0, 1, 9]])
    with pytest.raises(ValueError, match="index -1"):
        scope["predict"]([[0, 1, -1]])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e9])
def test_what_cannot_be_an_index_is_refused(bad):
    scope = {"__name__": "exported"}
    exec(numpy_source(OPS["cast to int"]), scope)
    with pytest.raises(ValueError, match="index is NaN or does not fit"):
        scope["predict"]([[0, 1, bad]])


def test_an_own_function_is_refused_by_name():
    own = Elementwise("<lambda>", (), lambda x: x + 1)
    graph = random_graph(Dense(own), [(4,)], [(4, 3)])
    with pytest.raises(UnsupportedError, match=r"layer 'layer'.*'<lambda>'.*functools\.partial"):
        numpy_source(graph)
